//! Proxies over TLS: their certificates, and handshakes that fail.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use openssl::ssl::SslVersion;
use pusher_channels::{Config, ConnectPhase, ConnectionState, Error, ProxyProblem, Pusher, TlsProblem};

use super::{
    certificates::{Authority, Certificate, GOOD, Issuer, Valid},
    destination::{Destination, NAME},
    proxy::{Proxy, Script, Service},
    relay::{Answers, Relay},
    rows::cause,
    support::{PATIENCE, eventually, server, works_like_a_socket},
    terminator::{terminate_for_clients_of, terminate_only, terminate_tls},
};

struct Row {
    name: &'static str,
    certificate: Certificate,
    front: Front,
    trusts_the_root: bool,
    outcome: Outcome,
}

/// The peer at the address of the proxy.
#[derive(Clone, Copy)]
enum Front {
    Tls,
    Only(SslVersion),
    /// The proxy itself, without TLS.
    Plain,
    /// Passes on this part of the TLS answers.
    Cut(Answers),
    /// Requires a client certificate.
    KnownClients(SslVersion),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Tunnel,
    /// The problem of the proxy, the problem in its source, and a part of the text.
    Refused(ProxyProblem, TlsProblem, &'static str),
    TimesOut,
}
use Outcome::{Refused, TimesOut, Tunnel};

const ADDRESS: Certificate = Certificate { names: "IP:127.0.0.1", ..GOOD };

const RIGHT: Row =
    Row { name: "right", certificate: ADDRESS, front: Front::Tls, trusts_the_root: true, outcome: Tunnel };

const fn certified(name: &'static str, certificate: Certificate, outcome: Outcome) -> Row {
    Row { name, certificate, outcome, ..RIGHT }
}

const fn fronted(name: &'static str, front: Front, outcome: Outcome) -> Row {
    Row { name, front, outcome, ..RIGHT }
}

const fn tls(problem: TlsProblem, part: &'static str) -> Outcome {
    Refused(ProxyProblem::Tls, problem, part)
}

const UNKNOWN_ISSUER: Outcome = tls(TlsProblem::UnknownIssuer, "issuer of its certificate is not trusted");
const WRONG_HOST: Outcome =
    tls(TlsProblem::WrongHost, "certificate is for another host; use a host name of the certificate");
const REFUSED: Outcome = tls(TlsProblem::Refused, "which the client never sends to proxies");
const NOT_TLS: Outcome =
    Refused(ProxyProblem::NotAProxy, TlsProblem::NotTls, "the scheme and the port in the option proxy");
const ENDED: Outcome = Refused(ProxyProblem::Ended, TlsProblem::Ended, "ended the connection");

const ROWS: [Row; 17] = [
    RIGHT,
    Row { name: "right, without a trusted root", trusts_the_root: false, outcome: UNKNOWN_ISSUER, ..RIGHT },
    certified("an intermediate that is sent", by(Issuer::Intermediate { sent: true }), Tunnel),
    certified("an intermediate that is missing", by(Issuer::Intermediate { sent: false }), UNKNOWN_ISSUER),
    certified("self-signed", by(Issuer::Itself), tls(TlsProblem::SelfSigned, "self-signed")),
    certified("for another address", Certificate { names: "IP:127.0.0.2", ..GOOD }, WRONG_HOST),
    // The server behind the proxy has these names.
    certified("for the server's name", Certificate { names: "DNS:pusher.test,DNS:ws.internal", ..GOOD }, WRONG_HOST),
    certified("expired", Certificate { valid: Valid::LongAgo, ..ADDRESS }, tls(TlsProblem::Expired, "has expired")),
    certified(
        "not yet valid",
        Certificate { valid: Valid::FarAhead, ..ADDRESS },
        tls(TlsProblem::NotYetValid, "not valid yet"),
    ),
    fronted("TLS 1.1 only", Front::Only(SslVersion::TLS1_1), tls(TlsProblem::OldVersion, "before 1.2")),
    fronted("TLS 1.3 only", Front::Only(SslVersion::TLS1_3), Tunnel),
    fronted("a client certificate is required, TLS 1.2", Front::KnownClients(SslVersion::TLS1_2), REFUSED),
    fronted("a client certificate is required, TLS 1.3", Front::KnownClients(SslVersion::TLS1_3), REFUSED),
    fronted("no TLS", Front::Plain, NOT_TLS),
    fronted("the end of the connection instead of a handshake", Front::Cut(Answers::EndAfter(0)), ENDED),
    fronted("the end of the connection in the middle of the handshake", Front::Cut(Answers::EndAfter(300)), ENDED),
    fronted("a stall in the middle of the handshake", Front::Cut(Answers::HoldAfter(300)), TimesOut),
];

const fn by(issuer: Issuer) -> Certificate {
    Certificate { issuer, ..ADDRESS }
}

/// An HTTP answer in plain text to anything.
const PLAIN: Script = Script::Answer(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], super::proxy::Then::End);

/// The servers of all rows. The proxy behind the fronts opens tunnels.
struct Fixture {
    destination: Destination,
    proxy: Proxy,
    plain: Proxy,
    /// The authority of the client certificate. No proxy may get that certificate.
    of_clients: Authority,
}

impl Fixture {
    fn new() -> Self {
        let open = Script::Serve(Service::OPEN);
        let (proxy, plain) = (Proxy::start(open, open), Proxy::start(PLAIN, PLAIN));
        Self { destination: Destination::start("127.0.0.1"), proxy, plain, of_clients: Authority::new() }
    }

    fn front(&self, row: &Row) -> SocketAddr {
        let (files, behind) = (self.destination.authority().make(&row.certificate), self.proxy.addr());
        match row.front {
            Front::Tls => terminate_tls(&files, behind),
            Front::Only(version) => terminate_only(version, &files, behind),
            Front::Plain => self.plain.addr(),
            Front::Cut(answers) => Relay::start("127.0.0.1", terminate_tls(&files, behind), answers).addr(),
            Front::KnownClients(version) => {
                terminate_for_clients_of(&self.of_clients.root_file(), version, &files, behind)
            }
        }
    }

    /// The configuration of a client that reaches the destination through this front, with credentials that no record
    /// may contain.
    fn config(&self, row: &Row, front: SocketAddr, server_tls: bool) -> Config {
        let (certificate, key) = self.of_clients.make(&GOOD).read();
        let config = self.destination.config(NAME, server_tls).proxy(format!("https://us:canary@{front}"));
        let config =
            if row.trusts_the_root { config.root_certificate_pem(self.destination.root(true)) } else { config };
        config.client_identity_pem(certificate, key)
    }
}

/// Connects the first client to one address, and all later ones to another.
fn switch(first: SocketAddr, later: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let targets = std::iter::once(first).chain(std::iter::repeat(later));
        for (client, target) in listener.incoming().flatten().zip(targets) {
            thread::spawn(move || carry(&client, &TcpStream::connect(target).expect("it listens")));
        }
    });
    addr
}

fn carry(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*server, &mut &*client);
            let _ = client.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &*client, &mut &*server);
        let _ = server.shutdown(Shutdown::Both);
    });
}

impl Row {
    fn check(&self, result: Result<(), Error>, case: &str) {
        let error = match result {
            Ok(()) => return assert_eq!(self.outcome, Tunnel, "{case}"),
            Err(error) => error,
        };
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("PRIVATE"), "{case}: {shown}");
        match self.outcome {
            Tunnel => panic!("{case}: {error}"),
            TimesOut => assert!(error.is_timeout(), "{case}: {error:?}"),
            Refused(problem, in_tls, part) => {
                let Error::Proxy { problem: found, status: None, source: Some(source), .. } = cause(&error) else {
                    panic!("{case}: {error:?}")
                };
                assert_eq!(*found, problem, "{case}");
                let Some(Error::Tls { problem, .. }) = source.downcast_ref() else { panic!("{case}: {source:?}") };
                assert_eq!(*problem, in_tls, "{case}");
                assert!(error.to_string().contains("proxy: 127.0.0.1:") && shown.contains(part), "{case}: {error}");
                assert_eq!(cause(&error).is_retryable(), in_tls == TlsProblem::Ended, "{case}");
            }
        }
    }

    fn deadline(&self, short: Duration) -> Duration {
        if self.outcome == TimesOut { short } else { PATIENCE }
    }
}

#[test]
fn c7_the_certificate_of_a_proxy_is_verified_for_the_socket() {
    let fixture = Fixture::new();
    thread::scope(|scope| {
        for row in &ROWS {
            let front = fixture.front(row);
            // With the root of the server, the client would trust the proxy, too.
            for server_tls in [false, true].into_iter().filter(|tls| !tls || row.trusts_the_root) {
                let config =
                    fixture.config(row, front, server_tls).connect_timeout(row.deadline(Duration::from_secs(1)));
                scope.spawn(move || {
                    let connected = Pusher::new(config.tls_server_name(NAME)).connect();
                    let case = format!("{}, TLS {server_tls}", row.name);
                    if let (TimesOut, Err(error)) = (row.outcome, &connected) {
                        let phase = matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Proxy, .. });
                        assert!(phase, "{case}: {error}");
                    }
                    row.check(connected.map(drop), &case);
                });
            }
        }
    });
    fixture.destination.assert_reached_only_by(&[fixture.proxy]);
}

#[test]
fn c7_the_certificate_of_a_proxy_is_verified_for_requests_to_auth_endpoints() {
    let fixture = Fixture::new();
    let good = fixture.front(&RIGHT);
    thread::scope(|scope| {
        for row in ROWS.iter().filter(|row| row.trusts_the_root) {
            let front = switch(good, fixture.front(row));
            let config = fixture.config(row, front, true).auth_timeout(row.deadline(Duration::from_millis(300)));
            scope.spawn(move || {
                let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{}: {error}", row.name));
                let channel = pusher.subscribe("private-room").expect("a valid name");
                row.check(channel.wait_subscribed(PATIENCE), row.name);
            });
        }
    });
    fixture.destination.assert_reached_only_by(&[fixture.proxy]);
}

/// The configured name is that of the server behind the proxy.
#[test]
fn c7_a_proxy_is_verified_by_its_host_and_the_server_by_the_configured_name() {
    let fixture = Fixture::new();
    let front = fixture.front(&RIGHT);
    for (name, accepted) in [(NAME, true), ("127.0.0.1", true), ("ws.internal", false), ("127.0.0.2", false)] {
        let connected = Pusher::new(fixture.config(&RIGHT, front, true).tls_server_name(name)).connect();
        match connected {
            Ok(_) => assert!(accepted, "{name}"),
            Err(error) => {
                assert!(!accepted, "{name}: {error}");
                let wrong = matches!(&error, Error::Tls { host, problem: TlsProblem::WrongHost, .. } if host == name);
                assert!(wrong, "{error:?}");
            }
        }
    }
}

#[test]
fn c7_events_flow_both_ways_through_a_proxy_over_tls() {
    let fixture = Fixture::new();
    let server = server();
    let files = fixture.destination.authority().make(&Certificate { names: "DNS:pusher.test", ..GOOD });
    let front = fixture.front(&RIGHT);
    let config = || fixture.config(&RIGHT, front, true);
    works_like_a_socket(&server, config().port(terminate_tls(&files, server.addr()).port()));
    works_like_a_socket(&server, config().tls(false).port(server.addr().port()));
}

/// A server that requires a client certificate gets it, and the proxy in between does not.
#[test]
fn c8_a_client_certificate_goes_through_a_proxy_over_tls_to_the_server() {
    let fixture = Fixture::new();
    let server = server();
    let files = fixture.destination.authority().make(&Certificate { names: "DNS:pusher.test", ..GOOD });
    let front = fixture.front(&RIGHT);
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let port = terminate_for_clients_of(&fixture.of_clients.root_file(), version, &files, server.addr()).port();
        let url = format!("https://{NAME}:{port}/pusher/auth");
        let config = |config: Config| config.port(port).auth_endpoint(url.clone());
        let pusher = Pusher::new(config(fixture.config(&RIGHT, front, true))).connect().expect("accepted");
        pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE).expect("authorised");
        let without = fixture.destination.config(NAME, true).proxy(format!("https://{front}"));
        let error = Pusher::new(config(without)).connect().expect_err("no certificate");
        assert!(matches!(error, Error::Tls { problem: TlsProblem::Refused, .. }), "{error:?}");
    }
}

#[test]
fn r10_disconnect_ends_a_handshake_with_a_proxy_or_through_it() {
    let fixture = Fixture::new();
    let files = fixture.destination.authority().make(&ADDRESS);
    for stalls_after in [0, 1, 300] {
        let hold = Answers::HoldAfter(stalls_after);
        // The first relay stalls the handshake with the proxy, and the second one that with a server behind it.
        let front = Relay::start("127.0.0.1", terminate_tls(&files, fixture.proxy.addr()), hold);
        let server = Relay::start("127.0.0.1", terminate_tls(&files, fixture.proxy.addr()), hold);
        let with_proxy = fixture.config(&RIGHT, front.addr(), true);
        let through = fixture.config(&RIGHT, fixture.front(&RIGHT), true).port(server.port());
        for (config, relay) in [(with_proxy, &front), (through, &server)] {
            let pusher = Pusher::new(config);
            pusher.connect_background().expect("started");
            eventually("the handshake has reached this byte", || {
                relay.has_received() && relay.answered() == stalls_after
            });
            let start = Instant::now();
            pusher.disconnect();
            assert!(start.elapsed() <= Duration::from_millis(250), "{stalls_after}: {:?}", start.elapsed());
            assert_eq!(pusher.state(), ConnectionState::Disconnected);
            relay.wait_for_the_end_of_all_clients();
        }
    }
}
