//! Events over TLS, and unusable root certificates.

use pusher_channels::{Config, Error, Pusher};

use super::{
    certificates::{Authority, GOOD},
    support::{server, works_like_a_socket},
    terminator::terminate_tls,
};

#[test]
fn c8_events_flow_both_ways_over_tls_with_the_users_root() {
    let (authority, server) = (Authority::new(), server());
    let port = terminate_tls(&authority.make(&GOOD), server.addr()).port();
    let config = Config::host("app-key", "localhost").port(port).root_certificate_pem(authority.root());
    works_like_a_socket(&server, config);
}

#[test]
fn c8_a_root_that_is_not_a_certificate_is_a_config_error() {
    let server = server();
    let with_password = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END CERTIFICATE-----\n";
    for root in ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", with_password] {
        let error = Pusher::new(server.config().root_certificate_pem(root)).connect().expect_err("no certificate");
        assert!(matches!(error, Error::Config { option: "root_certificate_pem", .. }), "{error:?}");
    }
    assert_eq!(server.attempts(), 0, "no packet was sent");
}
