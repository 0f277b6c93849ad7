//! TLS by the platform's library, verified by the platform's roots and by those that the user adds (C8).

use super::{gate::Gate, stream::Stream};
use crate::{Error, config::Config};

/// Makes TLS connections. The platform's roots are loaded once, at the first use.
#[derive(Default)]
pub(crate) struct Connector {
    #[cfg(feature = "native-tls")]
    loaded: std::sync::OnceLock<native_tls::TlsConnector>,
}

#[cfg(feature = "native-tls")]
impl Connector {
    /// Does the handshake as the client of `host`, through a gate that is open.
    pub(super) fn secure(&self, host: &str, gate: Gate, config: &Config) -> Result<Stream, Error> {
        match self.loaded(config)?.connect(host, gate) {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(native_tls::HandshakeError::Failure(error)) => Err(failed(host, error)),
            // A stream that blocks ends its reads in an error or in data, so the handshake is not interrupted.
            Err(native_tls::HandshakeError::WouldBlock(_)) => {
                Err(failed(host, std::io::Error::from(std::io::ErrorKind::WouldBlock)))
            }
        }
    }

    /// Checks what the user configured, without loading the platform's roots.
    pub(super) fn check(config: &Config) -> Result<(), Error> {
        config.root_certificates().iter().try_for_each(|pem| certificates(pem).map(drop))
    }

    fn loaded(&self, config: &Config) -> Result<&native_tls::TlsConnector, Error> {
        if self.loaded.get().is_none() {
            let connector = Self::load(config)?;
            // Another thread may have been faster; then its connector, which is the same, is used.
            let _ = self.loaded.set(connector);
        }
        self.loaded.get().ok_or_else(|| Error::config("tls", "the connector is missing"))
    }

    fn load(config: &Config) -> Result<native_tls::TlsConnector, Error> {
        let mut builder = native_tls::TlsConnector::builder();
        builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
        for pem in config.root_certificates() {
            for root in certificates(pem)? {
                builder.add_root_certificate(root);
            }
        }
        builder.build().map_err(|error| Error::config("tls", error.to_string()))
    }
}

#[cfg(feature = "native-tls")]
fn certificates(pem: &[u8]) -> Result<Vec<native_tls::Certificate>, Error> {
    let bad = |reason: String| Error::config("root_certificate_pem", reason);
    let certificates = native_tls::Certificate::stack_from_pem(pem).map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() { Err(bad("has no certificate in it".to_owned())) } else { Ok(certificates) }
}

#[cfg(feature = "native-tls")]
fn failed(host: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::tls(host, source)
}

#[cfg(not(feature = "native-tls"))]
impl Connector {
    /// Without TLS there is nothing that could be wrong.
    pub(super) fn check(_config: &Config) -> Result<(), Error> {
        Ok(())
    }

    /// Never reached, because the configuration refuses TLS in this build. An error all the same.
    pub(super) fn secure(&self, _host: &str, _gate: Gate, _config: &Config) -> Result<Stream, Error> {
        Err(Error::config("tls", "wss and https need the feature `native-tls` of pusher-channels, which is off"))
    }
}
