//! The name that is sent in the handshake and verified: the host without final dot and zone, or `tls_server_name`.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    sync::mpsc::Receiver,
    thread,
};

use pusher_channels::{ByteStream, Config, Error, Pusher, Reconnect, TlsProblem, testing::TestServer};

use super::{
    certificates::{Authority, Certificate, GOOD},
    relay::{Answers, Relay},
    support::{PATIENCE, server},
    terminator::terminate_noting_names,
};

/// A server behind TLS, with a certificate for these names.
struct TlsServer {
    authority: Authority,
    server: TestServer,
    port: u16,
    recorded: Receiver<Option<String>>,
}

impl TlsServer {
    fn start(names: &'static str) -> Self {
        let (authority, server) = (Authority::new(), server());
        let (addr, recorded) = terminate_noting_names(&authority.make(&Certificate { names, ..GOOD }), server.addr());
        Self { authority, server, port: addr.port(), recorded }
    }

    /// Fills in the port.
    fn at(&self, url: &str) -> String {
        url.replace("{}", &self.port.to_string())
    }

    fn connect(&self, config: Config, endpoint: &str) -> Result<(), Error> {
        let config = config.root_certificate_pem(self.authority.root()).reconnect(Reconnect::never());
        let pusher = Pusher::new(config.auth_endpoint(self.at(endpoint))).connect()?;
        pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE)
    }

    /// Asserts that the socket and the auth request sent this server name and this `Host` header.
    fn assert_received(&self, name: Option<&str>, host: &str, case: &str) {
        for _ in 0..2 {
            assert_eq!(self.recorded.recv().expect("a handshake").as_deref(), name, "{case}");
        }
        let value = |headers: Vec<(String, String)>| {
            let host = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
            host.expect("a host").1
        };
        let (upgrades, requests) = (self.server.requests(), self.server.auth_requests());
        let heads = [upgrades.last().map(|head| &head.headers), requests.last().map(|head| &head.headers)];
        for headers in heads {
            assert_eq!(value(headers.expect("both requests arrived").clone()), self.at(host), "{case}");
        }
    }
}

#[test]
fn c1_a_final_dot_is_not_part_of_the_name_in_tls() {
    let server = TlsServer::start("DNS:localhost,IP:127.0.0.1");
    let by_host = |host: &str| Config::host("app-key", host).port(server.port);
    let by_url = |url: &str| Config::url(server.at(url));
    let rows = [
        (by_host("localhost."), "https://localhost.:{}/pusher/auth", "localhost.:{}"),
        (by_url("wss://localhost.:{}/app/app-key"), "https://localhost.:{}/pusher/auth", "localhost.:{}"),
        (by_host("LocalHost."), "https://LocalHost.:{}/pusher/auth", "LocalHost.:{}"),
        (by_url("wss://LocalHost.:{}/app/app-key"), "https://LocalHost.:{}/pusher/auth", "LocalHost.:{}"),
        (by_host("LOCALHOST"), "https://LOCALHOST:{}/pusher/auth", "LOCALHOST:{}"),
    ];
    for (config, endpoint, host) in rows {
        server.connect(config, endpoint).unwrap_or_else(|error| panic!("{host}: {error}"));
        let name = host.trim_end_matches(":{}").trim_end_matches('.');
        server.assert_received(Some(name), host, host);
    }
    server.connect(by_host("127.0.0.1"), "https://127.0.0.1:{}/pusher/auth").expect("an address in the certificate");
    server.assert_received(None, "127.0.0.1:{}", "an address is not a name");
}

#[test]
fn c8_another_name_can_be_verified_than_that_of_the_host() {
    let server = TlsServer::start("DNS:ws.internal,DNS:*.corp.internal,IP:192.0.2.7");
    let rows = [
        ("ws.internal", Some("ws.internal")),
        ("WS.internal", Some("WS.internal")),
        ("ws.internal.", Some("ws.internal")),
        ("a.corp.internal", Some("a.corp.internal")),
        ("192.0.2.7", None),
    ];
    for (name, sent) in rows {
        let config = Config::host("app-key", "127.0.0.1").port(server.port).tls_server_name(name);
        let connected = server.connect(config, "https://127.0.0.1:{}/pusher/auth");
        connected.unwrap_or_else(|error| panic!("{name}: {error}"));
        server.assert_received(sent, "127.0.0.1:{}", name);
    }
}

#[test]
fn c8_another_name_that_the_certificate_does_not_have_is_refused() {
    let server = TlsServer::start("DNS:ws.internal,DNS:*.corp.internal,DNS:localhost,IP:127.0.0.1");
    for name in ["internal", "other.internal", "a.b.corp.internal", "corp.internal", "192.0.2.7", "127.0.0.2", "::1"] {
        let config = Config::host("app-key", "localhost").port(server.port).tls_server_name(name);
        let error = server.connect(config, "https://localhost:{}/pusher/auth").expect_err(name);
        assert!(
            matches!(&error, Error::Tls { host, problem: TlsProblem::WrongHost, .. } if host == name),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains("Config::tls_server_name"), "{error}");
    }
}

#[test]
fn c8_another_name_is_verified_for_auth_endpoints_on_the_same_host() {
    let tls = TlsServer::start("DNS:ws.internal,DNS:localhost");
    let (server, root) = (&tls.server, &tls.authority.root());
    let endpoint = &tls.at("https://127.0.0.1:{}/pusher/auth");
    // Each endpoint gets four requests, with pauses.
    thread::scope(|scope| {
        for name in ["internal", "other.internal", "a.ws.internal", "127.0.0.1", "::1"] {
            scope.spawn(move || {
                let config = server.config().auth_endpoint(endpoint).root_certificate_pem(root.clone());
                let pusher = Pusher::new(config.tls_server_name(name)).connect().expect("without TLS");
                let subscribed = pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE);
                let error = subscribed.expect_err(name);
                assert!(error.to_string().contains(&format!("handshake with {name} failed")), "{name}: {error}");
            });
        }
    });
}

#[test]
fn c8_an_auth_endpoint_on_another_host_is_verified_by_its_own_host() {
    let server = TlsServer::start("DNS:localhost");
    let config = server.server.config().auth_endpoint(server.at("https://localhost:{}/pusher/auth"));
    let config = config.root_certificate_pem(server.authority.root()).tls_server_name("ws.internal");
    let pusher = Pusher::new(config).connect().expect("without TLS");
    pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE).expect("localhost is verified");
}

#[test]
fn c8_another_name_serves_connections_of_a_dialer() {
    let server = TlsServer::start("DNS:ws.internal");
    let port = server.port;
    let with_dialer = |host: &str| {
        let dial = move |_: &_| TcpStream::connect(("127.0.0.1", port)).map(ByteStream::tcp);
        Config::host("app-key", host).root_certificate_pem(server.authority.root()).dialer(dial)
    };
    for config in
        [with_dialer("ws.internal"), with_dialer("ws.internal."), with_dialer("tunnel").tls_server_name("ws.internal")]
    {
        Pusher::new(config).connect().expect("verified");
        assert_eq!(server.recorded.recv().expect("a handshake").as_deref(), Some("ws.internal"));
    }
    let error = Pusher::new(with_dialer("tunnel")).connect().expect_err("the certificate is for another name");
    assert!(matches!(error, Error::Tls { problem: TlsProblem::WrongHost, .. }), "{error:?}");
}

/// On loopback any address may have a zone, if it is the number of the interface. tests/survival/netns tests other
/// zones.
#[test]
fn c1_a_zone_is_not_part_of_the_name_in_tls() {
    let server = TlsServer::start("DNS:localhost,IP:::1");
    let relay = Relay::start("::1", SocketAddr::from(([127, 0, 0, 1], server.port)), Answers::All);
    let server = TlsServer { port: relay.port(), ..server };
    let loopback = fs::read_to_string("/sys/class/net/lo/ifindex").expect("sysfs");
    let zone = loopback.trim();
    let by_host = |host: String| Config::host("app-key", host).port(server.port);
    let by_url = |host: String| Config::url(server.at(&format!("wss://{host}:{{}}/app/app-key")));
    let configs = [
        by_host(format!("::1%{zone}")),
        by_host(format!("[::1%{zone}]")),
        by_host(format!("0:0:0:0:0:0:0:1%{zone}")).tls_server_name("::1"),
        by_url(format!("[::1%25{zone}]")),
        by_url(format!("[::1%{zone}]")),
    ];
    for config in configs {
        let case = format!("{config:?}");
        let host = if case.contains("0:0:0") { "[0:0:0:0:0:0:0:1]" } else { "[::1]" };
        let endpoint = format!("https://{}%25{zone}]:{{}}/pusher/auth", host.trim_end_matches(']'));
        server.connect(config, &endpoint).unwrap_or_else(|error| panic!("{case}: {error}"));
        server.assert_received(None, &format!("{host}:{{}}"), &case);
    }
}

#[test]
fn c1_a_zone_that_is_not_an_interface_is_a_readable_error() {
    let (authority, server) = (Authority::new(), server());
    let hosts = ["fe80::1%nope", "::1%nope", "ff02::1%no-such.if", "fe80::1%lo0~x", "FE80::1%_"];
    for host in hosts {
        for tls in [false, true] {
            let config = Config::host("app-key", host).tls(tls).root_certificate_pem(authority.root());
            let error = Pusher::new(config).connect().expect_err(host);
            assert!(matches!(&error, Error::Dns { host: named, .. } if named == host), "{host}: {error:?}");
            assert!(error.to_string().contains("check the interface after the %"), "{error}");
        }
    }
    // Each endpoint gets four requests, with pauses.
    thread::scope(|scope| {
        for host in hosts {
            let endpoint = format!("https://[{}]/auth", host.replace('%', "%25"));
            let pusher = Pusher::new(server.config().auth_endpoint(endpoint)).connect().expect("without TLS");
            scope.spawn(move || {
                let subscribed = pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE);
                let error = subscribed.expect_err("no such interface").to_string();
                assert!(error.contains("check the interface after the %"), "{error}");
            });
        }
    });
}
