//! The servers of the interoperability tests.

use pusher_channels::{Config, testing::TestServer};

use crate::soketi::{APP_ID, KEY, LOOPBACK, SECRET, Soketi};

/// The master key of encrypted channels, as base64. The embedded server encrypts its own events by it.
pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const MASTER_KEY_BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// A running server. Both kinds have the same app.
pub(crate) enum Server {
    Soketi(Soketi),
    Embedded(TestServer),
}

impl Server {
    pub(crate) fn soketi() -> Self {
        Self::Soketi(Soketi::start())
    }

    pub(crate) fn embedded() -> Self {
        let server = TestServer::builder().app(APP_ID, KEY, SECRET).encryption_master_key(MASTER_KEY_BYTES);
        Self::Embedded(server.start().expect("a free port on loopback"))
    }

    /// The port of both the WebSocket and the HTTP API.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Soketi(server) => server.port(),
            Self::Embedded(server) => server.port(),
        }
    }

    /// The configuration of a client of this server.
    pub(crate) fn config(&self) -> Config {
        Config::host(KEY, LOOPBACK).port(self.port()).tls(false)
    }
}

/// Makes two tests of each scenario, which is a function of a [`Server`]: `<scenario>::soketi` and
/// `<scenario>::embedded`. A scenario that fails only with the embedded server shows an error of that server.
macro_rules! against_both_servers {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use crate::server::Server;

            #[test]
            fn soketi() {
                super::$scenario(&Server::soketi());
            }

            #[test]
            fn embedded() {
                super::$scenario(&Server::embedded());
            }
        }
    )+};
}

pub(crate) use against_both_servers;
