//! The TLS options, for the socket and the auth endpoints alike (C8).

use zeroize::Zeroizing;

use super::{Config, host};
use crate::Error;

/// The options of TLS.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    /// Certificates as PEM.
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub roots: Vec<Vec<u8>>,
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub identity: Option<Identity>,
    server_name: Option<String>,
}

impl TlsOptions {
    /// Checks the options that can be checked without a TLS library.
    pub fn check(&self) -> Result<(), Error> {
        let bad = "must be a host name or an address, without a port and a scheme";
        match &self.server_name {
            Some(name) if name.contains('%') || host::checked(name).is_err() => {
                Err(Error::config("tls_server_name", bad))
            }
            _ => Ok(()),
        }
    }

    /// The name to verify in the certificate of the server at this host.
    pub fn server_name<'a>(&'a self, host: &'a str) -> &'a str {
        host::tls_name(self.server_name.as_deref().unwrap_or(host))
    }
}

/// A client certificate and its private key, as PEM. The memory of both is wiped, because one file may contain both.
#[derive(Clone)]
pub(crate) struct Identity {
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub certificate: Zeroizing<Vec<u8>>,
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub key: Zeroizing<Vec<u8>>,
}

/// TLS, for the socket and for the requests to auth endpoints.
impl Config {
    /// Trusts the root certificates in this PEM text in addition to the platform's, for servers, auth endpoints and
    /// `https://` proxies. May be called several times. Defaults to none.
    ///
    /// Text that is not PEM, or has no certificate in it, is an [`Error::Config`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// let config = Config::host("app-key", "ws.internal").root_certificate_pem(std::fs::read("own-root.pem")?);
    /// let pusher = Pusher::new(config).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls_options.roots.push(pem.into());
        self
    }

    /// A client certificate and its private key, both as PEM text, for servers and auth endpoints that ask for one. The
    /// certificate comes first, followed by its intermediate certificates, if there are any. The client never sends it to
    /// an `https://` proxy. The last call counts. Defaults to none.
    ///
    /// The key is PKCS 8 without a password: `-----BEGIN PRIVATE KEY-----`. Convert keys in other formats by
    /// `openssl pkcs8 -topk8 -nocrypt -in old.key -out new.key`. The client wipes its copies of the key when they are
    /// dropped.
    ///
    /// Connecting fails with an [`Error::Config`] that names this option if the key has another format, if the text has
    /// no certificate in it, or, where the platform checks it, if the key belongs to another certificate. If a server
    /// refuses the certificate, the error is an [`Error::Tls`] with
    /// [`TlsProblem::Refused`](crate::TlsProblem::Refused).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// let config = Config::host("app-key", "ws.internal")
    ///     .client_identity_pem(std::fs::read("client.pem")?, std::fs::read("client.key")?);
    /// let pusher = Pusher::new(config).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_identity_pem(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls_options.identity =
            Some(Identity { certificate: Zeroizing::new(certificate.into()), key: Zeroizing::new(key.into()) });
        self
    }

    /// The name to verify in the server's certificate, if it is not the host: for connections by an address, through a
    /// tunnel, or by a [`dialer`](Self::dialer). Defaults to the host, without a final dot.
    ///
    /// The client sends the name in the handshake (SNI) and verifies it, for the socket and for auth endpoints on the same
    /// host. The `Host` header keeps the host that is dialled. The certificates of an `https://` proxy and of auth
    /// endpoints on other hosts must have the names of their own hosts.
    ///
    /// The value is a host name or an address, without port or scheme; other text is an [`Error::Config`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// // One end of a tunnel to ws.internal.
    /// let config = Config::host("app-key", "127.0.0.1").port(8443).tls_server_name("ws.internal");
    /// let pusher = Pusher::new(config).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls_options.server_name = Some(name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::local, *};

    #[test]
    #[cfg(feature = "native-tls")]
    fn c8_a_server_name_is_that_of_the_server_alone() {
        let config = Config::host("key", "Tunnel.example").tls_server_name("ws.internal.");
        let plan = config.plan().expect("valid");
        assert_eq!(
            ["tunnel.example", "backend.example."].map(|host| plan.tls_name(host)),
            ["ws.internal", "backend.example"]
        );
    }

    #[test]
    fn c8_a_server_name_is_a_name_or_an_address() {
        for name in ["ws.internal", "WS.internal.", "a_b", "127.0.0.1", "::1", "[::1]"] {
            assert!(local().tls_server_name(name).plan().is_ok(), "{name}");
        }
        let bad =
            ["", ".", "a..b", "ws.internal:443", "https://ws.internal", "a b", "a\0b", "a\r\nb", "*.a", "fe80::1%lo"];
        for name in bad {
            let error = local().tls_server_name(name).plan().expect_err(name);
            assert!(matches!(error, Error::Config { option: "tls_server_name", .. }), "{name:?}: {error}");
        }
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn c8_the_name_to_verify_is_the_host_unless_another_is_given() {
        let hosts =
            [("ws.example.", "ws.example"), ("WS.Example", "WS.Example"), ("fe80::1%lo", "fe80::1"), ("::1", "::1")];
        for (host, expected) in hosts {
            assert_eq!(local().plan().expect("valid").tls_name(host), expected);
        }
        for (name, expected) in [("ws.internal", "ws.internal"), ("ws.internal.", "ws.internal"), ("[::1]", "::1")] {
            let plan = Config::host("key", "127.0.0.1").tls_server_name(name).plan().expect("valid");
            assert_eq!([plan.tls_name("127.0.0.1"), plan.tls.server_name("127.0.0.1")], [expected; 2]);
        }
    }

    #[test]
    fn x1_debug_does_not_show_the_key() {
        let config = local().client_identity_pem("canary", "canary");
        assert!(!format!("{config:?}").contains("canary"));
    }
}
