//! The servers that the scenarios run against.

use pusher_channels::{Config, testing::TestServer};

use crate::soketi::{APP_ID, KEY, LOOPBACK, SECRET, Soketi};

/// A master key of encrypted channels, which the embedded server has for what is published by itself.
pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const MASTER_KEY_BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// A running server with the same app, whichever it is.
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

    /// For a client of this server.
    pub(crate) fn config(&self) -> Config {
        Config::host(KEY, LOOPBACK).port(self.port()).tls(false)
    }
}

/// Makes two tests of each scenario, a function that takes a [`Server`]: `<scenario>::soketi` and `<scenario>::embedded`.
/// What holds for the one and not for the other is a mistake in the embedded server.
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
