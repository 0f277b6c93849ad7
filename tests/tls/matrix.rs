//! Servers with good and bad certificates, old versions and no TLS at all, for the socket and for the auth endpoint.

use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use openssl::ssl::SslVersion;
use pusher_channels::{Config, ConnectPhase, Error, Pusher, Reconnect, TlsProblem, testing::TestServer};

use super::{
    certificates::{Authority, Certificate, GOOD, Issuer, Valid},
    relay::{Answers, Relay},
    support::{PATIENCE, eventually, server},
    terminator::{terminate_only, terminate_tls},
};

struct Row {
    name: &'static str,
    host: &'static str,
    certificate: Certificate,
    server: Server,
    answers: Answers,
    trusts_the_root: bool,
    outcome: Outcome,
}

/// The server at an address where the client expects TLS.
#[derive(Clone, Copy)]
enum Server {
    Tls,
    /// Supports only one version.
    Only(SslVersion),
    /// Does not support TLS.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Accepted,
    Refused(TlsProblem),
    TimesOut,
}
use Outcome::{Accepted, Refused, TimesOut};

/// A correct server. Each row changes something of it.
const CORRECT: Row = Row {
    name: "correct, with the user's root",
    host: "localhost",
    certificate: GOOD,
    server: Server::Tls,
    answers: Answers::All,
    trusts_the_root: true,
    outcome: Accepted,
};

const fn certified(name: &'static str, certificate: Certificate, outcome: Outcome) -> Row {
    Row { name, certificate, outcome, ..CORRECT }
}

const fn at(name: &'static str, host: &'static str, names: &'static str, outcome: Outcome) -> Row {
    Row { name, host, certificate: Certificate { names, ..GOOD }, outcome, ..CORRECT }
}

const fn served(name: &'static str, server: Server, outcome: Outcome) -> Row {
    Row { name, server, outcome, ..CORRECT }
}

const fn answered(name: &'static str, answers: Answers, outcome: Outcome) -> Row {
    Row { name, answers, outcome, ..CORRECT }
}

const UNKNOWN_ISSUER: Outcome = Refused(TlsProblem::UnknownIssuer);
const WRONG_HOST: Outcome = Refused(TlsProblem::WrongHost);
const OLD_VERSION: Outcome = Refused(TlsProblem::OldVersion);
const ENDED: Outcome = Refused(TlsProblem::Ended);

const ROWS: [Row; 20] = [
    CORRECT,
    Row {
        name: "correct, but the client does not trust the root",
        trusts_the_root: false,
        outcome: UNKNOWN_ISSUER,
        ..CORRECT
    },
    certified("an intermediate that is sent", by(Issuer::Intermediate { sent: true }), Accepted),
    certified("an intermediate that is missing", by(Issuer::Intermediate { sent: false }), UNKNOWN_ISSUER),
    certified("self-signed", by(Issuer::Itself), Refused(TlsProblem::SelfSigned)),
    certified("expired", Certificate { valid: Valid::LongAgo, ..GOOD }, Refused(TlsProblem::Expired)),
    certified("not yet valid", Certificate { valid: Valid::FarAhead, ..GOOD }, Refused(TlsProblem::NotYetValid)),
    at("another host", "localhost", "DNS:other.example", WRONG_HOST),
    at("a pattern that does not match", "localhost", "DNS:*.localhost", WRONG_HOST),
    at("an address of IPv4", "127.0.0.1", "IP:127.0.0.1", Accepted),
    at("an address of IPv6", "::1", "IP:::1", Accepted),
    at("an address, and a certificate for a name", "127.0.0.1", "DNS:localhost", WRONG_HOST),
    served("TLS 1.0 only", Server::Only(SslVersion::TLS1), OLD_VERSION),
    served("TLS 1.1 only", Server::Only(SslVersion::TLS1_1), OLD_VERSION),
    served("TLS 1.2 only", Server::Only(SslVersion::TLS1_2), Accepted),
    served("TLS 1.3 only", Server::Only(SslVersion::TLS1_3), Accepted),
    served("no TLS", Server::Plain, Refused(TlsProblem::NotTls)),
    answered("an end instead of a handshake", Answers::EndAfter(0), ENDED),
    answered("an end in the middle of the handshake", Answers::EndAfter(300), ENDED),
    answered("a stall in the middle of the handshake", Answers::HoldAfter(300), TimesOut),
];

const fn by(issuer: Issuer) -> Certificate {
    Certificate { issuer, ..GOOD }
}

impl Row {
    /// The row's server, behind a relay that records the bytes of clients.
    fn start(&self, authority: &Authority, behind: &TestServer) -> Relay {
        let (files, behind) = (authority.make(&self.certificate), behind.addr());
        let server = match self.server {
            Server::Tls => terminate_tls(&files, behind),
            Server::Only(version) => terminate_only(version, &files, behind),
            Server::Plain => behind,
        };
        let listens_at = if self.host == "::1" { "::1" } else { "127.0.0.1" };
        Relay::start(listens_at, server, self.answers)
    }

    fn trusting(&self, config: Config, authority: &Authority) -> Config {
        if self.trusts_the_root { config.root_certificate_pem(authority.root()) } else { config }
    }

    /// A row that waits for the end of its deadline gets a short one.
    fn deadline(&self, short: Duration) -> Duration {
        if self.outcome == TimesOut { short } else { PATIENCE }
    }

    /// The text of the error, if the row expects one.
    fn check(&self, result: Result<(), Error>) -> Option<String> {
        let name = self.name;
        let error = match result {
            Ok(()) => {
                assert_eq!(self.outcome, Accepted, "{name}");
                return None;
            }
            Err(error) => error,
        };
        match (self.outcome, &error) {
            (TimesOut, _) => assert!(error.is_timeout(), "{name}: {error:?}"),
            (Refused(expected), Error::Tls { problem, .. }) => assert_eq!(*problem, expected, "{name}: {error:?}"),
            (Refused(expected), Error::AuthNetwork { source, .. }) => {
                let of_tls = |problem: &Error| matches!(problem, Error::Tls { problem, .. } if *problem == expected);
                assert!(source.downcast_ref().is_some_and(of_tls), "{name}: {error:?}");
            }
            _ => panic!("{name}: {error:?}"),
        }
        let text = error.to_string();
        if let Refused(problem) = self.outcome {
            assert!(text.contains("tls: ") && text.contains(&problem.to_string()), "{name}: {text}");
        }
        Some(text)
    }
}

/// Runs the check for all rows in parallel, and returns the errors of the refused ones.
fn for_each_row(check: impl Fn(&Row, &Relay, &Authority) -> Option<String> + Sync) -> Vec<(Outcome, String)> {
    let (authority, server) = (Authority::new(), server());
    let relays: Vec<_> = ROWS.iter().map(|row| (row, row.start(&authority, &server))).collect();
    thread::scope(|scope| {
        let checks: Vec<_> =
            relays.iter().map(|(row, relay)| (row, scope.spawn(|| check(row, relay, &authority)))).collect();
        let texts = checks.into_iter().map(|(row, check)| (row.outcome, check.join()));
        texts.filter_map(|(outcome, text)| Some((outcome, text.expect("as the row says")?))).collect()
    })
}

/// Asserts that the server's side got nothing of a request outside TLS.
fn assert_nothing_unencrypted(row: &Row, relay: &Relay) {
    assert!(!relay.peers().is_empty(), "{}: a client connected", row.name);
    for text in ["HTTP/1.1", "/app/", "POST", "canary"] {
        assert!(!relay.has_seen(text), "{}: {text} unencrypted", row.name);
    }
}

/// Asserts that different problems have different texts.
fn assert_that_kinds_differ(errors: &[(Outcome, String)]) {
    let without_digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let mut outcome_of = HashMap::new();
    for (outcome, text) in errors {
        let other = outcome_of.insert(without_digits(text), outcome);
        assert!(other.is_none_or(|other| other == outcome), "{other:?} and {outcome:?} have the same text: {text}");
    }
}

#[test]
fn c8_the_socket_connects_to_valid_servers_only() {
    let errors = for_each_row(|row, relay, authority| {
        let config =
            Config::host("app-key", row.host).port(relay.port()).connect_timeout(row.deadline(Duration::from_secs(1)));
        let config = row.trusting(config.reconnect(Reconnect::never()), authority).header("X-Token", "canary");
        let connected = Pusher::new(config).connect();
        if let (TimesOut, Err(error)) = (row.outcome, &connected) {
            assert!(matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Tls, .. }), "{}: {error}", row.name);
        }
        assert_nothing_unencrypted(row, relay);
        row.check(connected.map(drop))
    });
    assert_that_kinds_differ(&errors);
}

#[test]
fn c8_the_auth_endpoint_has_the_same_requirements_as_the_socket() {
    let server = server();
    let errors = for_each_row(|row, relay, authority| {
        let host = if row.host.contains(':') { format!("[{}]", row.host) } else { row.host.to_owned() };
        let config = row
            .trusting(server.config(), authority)
            .auth_endpoint(format!("https://{host}:{}/pusher/auth", relay.port()))
            .auth_header("Authorization", "Bearer canary")
            // The endpoint gets four requests.
            .auth_timeout(row.deadline(Duration::from_millis(300)));
        let pusher = Pusher::new(config).connect().expect("the socket does not use TLS");
        let subscribed = pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE);
        if let (TimesOut, Err(error)) = (row.outcome, &subscribed) {
            assert!(matches!(error, Error::AuthTimeout { .. }), "{}: {error}", row.name);
        }
        assert_nothing_unencrypted(row, relay);
        row.check(subscribed)
    });
    assert_that_kinds_differ(&errors);
}

/// The reverse: a client without TLS connects to a server with TLS.
#[test]
fn c8_a_client_without_tls_reports_that_the_server_uses_tls() {
    let (authority, server) = (Authority::new(), server());
    let relay = CORRECT.start(&authority, &server);
    let config = Config::host("app-key", "localhost").port(relay.port()).tls(false);
    let error = Pusher::new(config.connect_timeout(PATIENCE)).connect().expect_err("the server does not speak HTTP");
    assert!(matches!(&error, Error::Upgrade { reason, .. } if reason.contains("TLS")), "{error:?}");
}

#[test]
fn r10_disconnecting_ends_a_handshake_that_stalls() {
    let (authority, server) = (Authority::new(), server());
    for stalls_after in [0, 1, 300] {
        let row = Row { answers: Answers::HoldAfter(stalls_after), ..CORRECT };
        let relays = [row.start(&authority, &server), row.start(&authority, &server)];
        let of_socket = Pusher::new(Config::host("app-key", "localhost").port(relays[0].port()));
        of_socket.connect_background().expect("started");
        let endpoint = format!("https://localhost:{}/pusher/auth", relays[1].port());
        let of_request = Pusher::new(server.config().auth_endpoint(endpoint)).connect().expect("without TLS");
        of_request.subscribe("private-room").expect("a valid name");
        for (pusher, relay) in [of_socket, of_request].iter().zip(&relays) {
            eventually("the handshake has reached this byte", || {
                relay.has_received() && relay.answered() == stalls_after
            });
            let start = Instant::now();
            pusher.disconnect();
            assert!(start.elapsed() <= Duration::from_millis(250), "{stalls_after}: {:?}", start.elapsed());
            relay.wait_for_the_end_of_all_clients();
        }
    }
}
