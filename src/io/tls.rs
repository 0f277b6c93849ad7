//! TLS by the platform's library, verified by the platform's roots and by those that the user adds (C8).

#[cfg(feature = "native-tls")]
mod native;

use std::io;

use super::stream::Stream;
use crate::{Error, config::Config};
#[cfg(feature = "native-tls")]
pub(super) use native::Secured;

/// Makes TLS connections. The platform's roots are loaded once, at the first use.
#[derive(Default)]
pub(crate) struct Connector {
    #[cfg(feature = "native-tls")]
    loaded: native::Loaded,
}

/// The [`Error::Tls`] in an error of a read. In TLS 1.3 a peer refuses the client's certificate after the handshake.
pub(super) fn late_refusal(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref().filter(|error| matches!(error, Error::Tls { .. }))
}

#[cfg(feature = "native-tls")]
impl Connector {
    /// Does the handshake as the client of the server at `host`.
    pub(super) fn secure(&self, host: &str, stream: Stream, config: &Config) -> Result<Stream, Error> {
        native::handshake(self.loaded.for_servers(config)?, config.server_name(host), stream)
    }

    /// Does the handshake as the client of the proxy at `host`, which gets no certificate of the client.
    pub(super) fn secure_proxy(&self, host: &str, stream: Stream, config: &Config) -> Result<Stream, Error> {
        native::handshake(self.loaded.for_proxies(config)?, crate::config::tls_name(host), stream)
    }

    /// Checks what the user configured. The platform's roots are loaded only where that is needed for it.
    pub(super) fn check(&self, config: &Config) -> Result<(), Error> {
        config.root_certificates().iter().try_for_each(|pem| native::roots(pem).map(drop))?;
        // Whether a certificate and a key belong together shows when they are used.
        if config.client_identity().is_some() { self.loaded.for_servers(config).map(drop) } else { Ok(()) }
    }
}

#[cfg(not(feature = "native-tls"))]
impl Connector {
    /// Without TLS there is nothing that could be wrong.
    pub(super) fn check(&self, _config: &Config) -> Result<(), Error> {
        Ok(())
    }

    /// Never reached, because the configuration refuses TLS in this build. An error all the same.
    pub(super) fn secure(&self, _host: &str, _stream: Stream, _config: &Config) -> Result<Stream, Error> {
        Err(Error::config("tls", "wss and https need the feature `native-tls` of pusher-channels, which is off"))
    }

    /// Never reached, for the same reason.
    pub(super) fn secure_proxy(&self, host: &str, stream: Stream, config: &Config) -> Result<Stream, Error> {
        self.secure(host, stream, config)
    }
}
