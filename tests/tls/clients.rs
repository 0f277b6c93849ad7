//! Servers and auth endpoints that require a client certificate.

use std::{net::SocketAddr, thread};

use openssl::ssl::SslVersion;
use pusher_channels::{Config, Error, Pusher, Reconnect, TlsProblem, testing::TestServer};

use super::{
    certificates::{Authority, Certificate, GOOD, Issuer, Valid},
    support::{PATIENCE, server, works_like_a_socket},
    terminator::terminate_for_clients_of,
};

/// The certificate that the client presents.
#[derive(Clone, Copy)]
enum Presented {
    Nothing,
    /// A certificate signed by the authority that the server trusts, or by another one.
    Signed {
        by_ours: bool,
        certificate: Certificate,
    },
    /// The key is surrounded by other text, as in the output of `openssl pkcs12`.
    KeyInText,
    /// Certificate and key are in one file.
    OneFile,
}
use Presented::{KeyInText, Nothing, OneFile, Signed};

const fn ours(certificate: Certificate) -> Presented {
    Signed { by_ours: true, certificate }
}

const CLIENT: Certificate = Certificate { names: "DNS:client.example", ..GOOD };
const SENT: Certificate = Certificate { issuer: Issuer::Intermediate { sent: true }, ..CLIENT };
const NOT_SENT: Certificate = Certificate { issuer: Issuer::Intermediate { sent: false }, ..CLIENT };
const EXPIRED: Certificate = Certificate { valid: Valid::LongAgo, ..CLIENT };
const SELF_SIGNED: Certificate = Certificate { issuer: Issuer::Itself, ..CLIENT };

/// The name of a row, the certificate that the client presents, and whether the server accepts it.
const ROWS: [(&str, Presented, bool); 9] = [
    ("nothing", Nothing, false),
    ("the correct one", ours(CLIENT), true),
    ("the correct one, and its issuer", ours(SENT), true),
    ("the correct one, without its issuer", ours(NOT_SENT), false),
    ("one of another authority", Signed { by_ours: false, certificate: CLIENT }, false),
    ("an expired one", ours(EXPIRED), false),
    ("a self-signed one", ours(SELF_SIGNED), false),
    ("a key in other text", KeyInText, true),
    ("a key and a certificate in one file", OneFile, true),
];

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

struct Authorities {
    ours: Authority,
    other: Authority,
}

impl Authorities {
    fn new() -> Self {
        Self { ours: Authority::new(), other: Authority::new() }
    }

    fn presenting(&self, config: Config, presented: Presented) -> Config {
        let config = config.root_certificate_pem(self.ours.root());
        let right = || self.ours.make(&CLIENT).read();
        let (certificate, key) = match presented {
            Nothing => return config,
            Signed { by_ours: true, certificate } => self.ours.make(&certificate).read(),
            Signed { by_ours: false, certificate } => self.other.make(&certificate).read(),
            KeyInText => {
                let (certificate, key) = right();
                (certificate, [b"Bag Attributes\n    friendlyName: canary\n", key.as_slice(), b"\n\n"].concat())
            }
            OneFile => {
                let (certificate, key) = right();
                let both = [key, certificate].concat();
                (both.clone(), both)
            }
        };
        config.client_identity_pem(certificate, key)
    }

    /// A TLS terminator before the server, for clients of our authority.
    fn terminate(&self, version: SslVersion, behind: &TestServer) -> SocketAddr {
        terminate_for_clients_of(&self.ours.root_file(), version, &self.ours.make(&GOOD), behind.addr())
    }
}

/// Asserts that the error is a refusal of TLS, and its text names the option.
fn assert_refused(error: &Error, case: &str) {
    let text = error.to_string();
    assert!(text.contains("tls: ") && text.contains("Config::client_identity_pem"), "{case}: {text}");
    assert!(!format!("{error:?}").contains("PRIVATE"), "{case}: {error:?}");
}

/// Runs the check for all rows and versions in parallel.
fn for_each_row(check: impl Fn(&Authorities, SslVersion, Presented, bool, &str) + Sync) {
    let authorities = Authorities::new();
    thread::scope(|scope| {
        for version in VERSIONS {
            for (name, presented, accepted) in ROWS {
                let (check, authorities) = (&check, &authorities);
                scope.spawn(move || check(authorities, version, presented, accepted, &format!("{name}, {version:?}")));
            }
        }
    });
}

#[test]
fn c8_a_server_gets_the_client_certificate_that_it_requires() {
    let server = server();
    for_each_row(|authorities, version, presented, accepted, case| {
        let port = authorities.terminate(version, &server).port();
        let config = Config::host("app-key", "localhost").port(port).reconnect(Reconnect::never());
        match Pusher::new(authorities.presenting(config, presented)).connect() {
            Ok(_) => assert!(accepted, "{case}"),
            Err(error) => {
                assert!(!accepted, "{case}: {error}");
                assert!(matches!(error, Error::Tls { problem: TlsProblem::Refused, .. }), "{case}: {error:?}");
                assert_refused(&error, case);
            }
        }
    });
}

#[test]
fn c8_an_auth_endpoint_gets_the_client_certificate_that_it_requires() {
    let server = server();
    for_each_row(|authorities, version, presented, accepted, case| {
        let port = authorities.terminate(version, &server).port();
        let config = server.config().auth_endpoint(format!("https://localhost:{port}/pusher/auth"));
        let pusher =
            Pusher::new(authorities.presenting(config, presented)).connect().expect("the socket does not use TLS");
        match pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE) {
            Ok(()) => assert!(accepted, "{case}"),
            Err(error) => {
                assert!(!accepted && matches!(error, Error::AuthNetwork { .. }), "{case}: {error:?}");
                assert_refused(&error, case);
            }
        }
    });
}

#[test]
fn c8_events_flow_over_tls_with_a_client_certificate() {
    let (authorities, server) = (Authorities::new(), server());
    let port = authorities.terminate(SslVersion::TLS1_3, &server).port();
    let config = Config::host("app-key", "localhost").port(port);
    works_like_a_socket(&server, authorities.presenting(config, ours(CLIENT)));
}

#[test]
fn c8_an_unusable_identity_is_a_config_error_that_explains_the_remedy() {
    let (authority, server) = (Authority::new(), server());
    let files = authority.make(&CLIENT);
    let (certificate, key) = files.read();
    let other_key = authority.make(&CLIENT).read().1;
    let traditional = authority.converted(&files, &["pkey", "-traditional"]);
    let encrypted = authority.converted(&files, &["pkcs8", "-topk8", "-passout", "pass:canary"]);
    let der = authority.converted(&files, &["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]);
    let with_header = b"-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END PRIVATE KEY-----\n";
    let junk = b"-----BEGIN PRIVATE KEY-----\ncanary==\n-----END PRIVATE KEY-----\n";
    let encrypted_certificate = b"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &key[..key.len() - 30];
    let convert = "openssl pkcs8 -topk8 -nocrypt";
    let rows: [(&str, &[u8], &[u8], &str); 14] = [
        ("nothing", b"", b"", "the text of the certificate has no certificate"),
        ("no certificate", b"canary", &key, "the text of the certificate has no certificate"),
        ("a key in place of the certificate", &key, &certificate, "the text of the certificate has no certificate"),
        ("a certificate with a password", encrypted_certificate, &key, "encrypted with a password"),
        ("no key", &certificate, b"", convert),
        ("text in place of a key", &certificate, b"canary", convert),
        ("a certificate in place of a key", &certificate, &certificate, convert),
        ("a key in the traditional format", &certificate, &traditional, convert),
        ("a key with a password", &certificate, &encrypted, convert),
        ("a key in DER", &certificate, &der, convert),
        ("a key whose header names an encryption", &certificate, with_header, convert),
        ("a truncated key", &certificate, cut, convert),
        ("an invalid key", &certificate, junk, "the key cannot be read"),
        ("the key of another certificate", &certificate, &other_key, "do not belong together"),
    ];
    for (name, certificate, key, expected) in rows {
        // The certificate is checked even without TLS.
        let error = Pusher::new(server.config().client_identity_pem(certificate, key)).connect().expect_err(name);
        assert!(matches!(error, Error::Config { option: "client_identity_pem", .. }), "{name}: {error:?}");
        let texts = format!("{error} {error:?}");
        assert!(texts.contains(expected) && !texts.contains("canary"), "{name}: {texts}");
    }
    assert_eq!(server.attempts(), 0, "no packet was sent");
}
