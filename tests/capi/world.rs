//! The server that the programs' `world.h` expects: it has news for whoever comes, and keys for encrypted channels.

use pusher_channels::testing::TestServer;

const MASTER_KEY: [u8; 32] = [7; 32];
const MASTER_KEY_IN_BASE64: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Cache channels have their event already, so that a client gets it as soon as it has subscribed.
pub(crate) fn server() -> TestServer {
    let builder = TestServer::builder().encryption_master_key(MASTER_KEY).client_event_rate(100_000);
    let server = builder.start().expect("a free port on loopback");
    server.trigger("cache-news", "published", "hello");
    server.trigger("private-encrypted-cache-safe", "published", "hello");
    server
}

/// What a program is told of the server: host, port, key, secret, master key.
pub(crate) fn arguments(server: &TestServer) -> Vec<String> {
    let port = server.port().to_string();
    ["127.0.0.1", &port, server.key(), server.secret(), MASTER_KEY_IN_BASE64].map(String::from).into()
}
