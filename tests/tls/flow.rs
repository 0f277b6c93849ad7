//! What goes over TLS once it stands.

use pusher_channels::{Config, Error, Pusher, TlsProblem};

use super::{
    certificates::{Authority, GOOD},
    support::{is_as_good_as_a_socket, server},
    terminator::{terminate_for_known_clients, terminate_tls},
};

#[test]
fn c8_events_flow_both_ways_over_tls_with_the_users_root() {
    let (authority, server) = (Authority::new(), server());
    let port = terminate_tls(&authority.make(&GOOD), server.addr()).port();
    let config = Config::host("app-key", "localhost").port(port).root_certificate_pem(authority.root());
    is_as_good_as_a_socket(&server, config);
}

#[test]
fn c8_a_root_that_is_no_certificate_is_a_config_error() {
    let server = server();
    let error = Pusher::new(server.config().root_certificate_pem("junk")).connect().expect_err("not PEM");
    assert!(matches!(error, Error::Config { option: "root_certificate_pem", .. }), "{error:?}");
    assert_eq!(server.attempts(), 0, "before any packet leaves");
}

/// With TLS 1.3 it is told after the handshake.
#[test]
fn c8_a_server_that_wants_a_certificate_of_the_client_is_told_so() {
    let (authority, server) = (Authority::new(), server());
    let port = terminate_for_known_clients(&authority.make(&GOOD), server.addr()).port();
    let config = Config::host("app-key", "localhost").port(port).root_certificate_pem(authority.root());
    let error = Pusher::new(config).connect().expect_err("no certificate");
    assert!(matches!(error, Error::Tls { problem: TlsProblem::Refused, .. }), "{error:?}");
}
