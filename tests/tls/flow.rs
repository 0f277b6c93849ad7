//! What goes over TLS once it stands.

use std::time::Duration;

use pusher_channels::{Config, ConnectionState, Error, Pusher, Reconnect};

use super::{
    certificates::{Authority, GOOD},
    support::{PATIENCE, next_event, next_state, server, subscribed},
    terminator::terminate_tls,
};

#[test]
fn c8_events_flow_both_ways_over_tls_with_the_users_root() {
    let (authority, server) = (Authority::new(), server());
    let port = terminate_tls(&authority.make(&GOOD), server.addr()).port();
    let policy = Reconnect::default().max_delay(Duration::from_millis(20));
    let config = Config::host("app-key", "localhost").port(port).reconnect(policy);
    let pusher = Pusher::new(config.root_certificate_pem(authority.root())).connect().expect("trusted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    let large = "ż".repeat(200_000);
    server.trigger("room", "large", &large);
    assert_eq!(next_event(&receiver).1, large);
    for n in 0..5000 {
        server.trigger("room", "e", &n);
    }
    for n in 0..5000 {
        assert_eq!(next_event(&receiver).1, n.to_string());
    }
    server.send_raw(r#"{"event":"pusher:ping"}"#);
    assert!(server.wait_for_received(|received| received.text.contains("pusher:pong"), PATIENCE));
    server.drop_all();
    next_state(&receiver, ConnectionState::Connected);
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
    pusher.disconnect();
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
}

#[test]
fn c8_a_root_that_is_no_certificate_is_a_config_error() {
    let server = server();
    let error = Pusher::new(server.config().root_certificate_pem("junk")).connect().expect_err("not PEM");
    assert!(matches!(error, Error::Config { option: "root_certificate_pem", .. }), "{error:?}");
    assert_eq!(server.attempts(), 0, "before any packet leaves");
}
