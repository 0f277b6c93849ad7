//! The servers that the scenarios run against.

use pusher_channels::{Config, testing::TestServer};

use crate::soketi::{APP_ID, KEY, LOOPBACK, SECRET, Soketi};

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
        Self::Embedded(TestServer::builder().app(APP_ID, KEY, SECRET).start().expect("a free port on loopback"))
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
