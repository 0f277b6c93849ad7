//! TLS with the platform's library. The platform's roots and those of the configuration verify the peer (C8).

#[cfg(feature = "native-tls")]
mod native;

#[cfg(feature = "native-tls")]
use std::sync::OnceLock;

#[cfg(feature = "native-tls")]
use super::maybe_tls::MaybeTlsStream;
#[cfg(feature = "native-tls")]
use crate::config::tls_name;
use crate::{Error, config::TlsOptions};

/// Makes TLS connections. The platform's roots are loaded once, at the first use.
#[derive(Default)]
pub(crate) struct Connector {
    #[cfg(feature = "native-tls")]
    connectors: native::Connectors,
    /// The certificates of the options are without errors.
    #[cfg(feature = "native-tls")]
    is_checked: OnceLock<()>,
}

#[cfg(feature = "native-tls")]
impl Connector {
    /// Does the handshake with the server of this name.
    pub fn secure(&self, name: &str, stream: MaybeTlsStream, options: &TlsOptions) -> Result<MaybeTlsStream, Error> {
        native::handshake(self.connectors.for_servers(options)?, name, stream)
    }

    /// Does the handshake with the proxy at `host`, which never gets a client certificate.
    pub fn secure_proxy(
        &self,
        host: &str,
        stream: MaybeTlsStream,
        options: &TlsOptions,
    ) -> Result<MaybeTlsStream, Error> {
        native::handshake(self.connectors.for_proxies(options)?, tls_name(host), stream)
    }

    /// Checks the certificates of the options, until the first success. The platform's roots are loaded only if there
    /// is a client certificate.
    pub fn check(&self, options: &TlsOptions) -> Result<(), Error> {
        if self.is_checked.get().is_some() {
            return Ok(());
        }
        options.roots.iter().try_for_each(|pem| native::roots(pem).map(drop))?;
        // Only a connector that was built shows whether the certificate and the key belong together.
        if options.identity.is_some() {
            self.connectors.for_servers(options)?;
        }
        self.is_checked.get_or_init(|| ());
        Ok(())
    }
}

#[cfg(not(feature = "native-tls"))]
impl Connector {
    /// Without TLS there is nothing to check.
    pub fn check(&self, _options: &TlsOptions) -> Result<(), Error> {
        Ok(())
    }
}
