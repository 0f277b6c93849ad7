//! TLS by the platform's library, verified by the platform's roots and by those that the user adds (C8).

#[cfg(feature = "native-tls")]
mod native;

use super::maybe_tls::MaybeTlsStream;
use crate::{Error, config::Config};

/// Makes TLS connections. The platform's roots are loaded once, at the first use.
#[derive(Default)]
pub(crate) struct Connector {
    #[cfg(feature = "native-tls")]
    loaded: native::Loaded,
}

#[cfg(feature = "native-tls")]
impl Connector {
    /// Does the handshake with the server at `host`.
    pub fn secure(&self, host: &str, stream: MaybeTlsStream, config: &Config) -> Result<MaybeTlsStream, Error> {
        native::handshake(self.loaded.for_servers(config)?, config.server_name(host), stream)
    }

    /// Does the handshake with the proxy at `host`, which never gets a client certificate.
    pub fn secure_proxy(&self, host: &str, stream: MaybeTlsStream, config: &Config) -> Result<MaybeTlsStream, Error> {
        native::handshake(self.loaded.for_proxies(config)?, crate::config::tls_name(host), stream)
    }

    /// Checks the certificates in the configuration. The platform's roots are loaded only if there is a client
    /// certificate.
    pub fn check(&self, config: &Config) -> Result<(), Error> {
        config.root_certificates().iter().try_for_each(|pem| native::roots(pem).map(drop))?;
        // Only a connector that was built shows whether the certificate and the key belong together.
        if config.client_identity().is_some() { self.loaded.for_servers(config).map(drop) } else { Ok(()) }
    }
}

#[cfg(not(feature = "native-tls"))]
impl Connector {
    /// Without TLS there is nothing to check.
    pub fn check(&self, _config: &Config) -> Result<(), Error> {
        Ok(())
    }

    /// Unreachable, because the configuration refuses TLS in this build. It is an error all the same.
    pub fn secure(&self, _host: &str, _stream: MaybeTlsStream, _config: &Config) -> Result<MaybeTlsStream, Error> {
        Err(Error::config("tls", "wss and https need the feature `native-tls` of pusher-channels, which is off"))
    }

    /// Unreachable, for the same reason.
    pub fn secure_proxy(&self, host: &str, stream: MaybeTlsStream, config: &Config) -> Result<MaybeTlsStream, Error> {
        self.secure(host, stream, config)
    }
}
