//! Rule C8: TLS through the gate, with certificates made for each run.
#![cfg(feature = "native-tls")]

mod support;

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use native_tls::{Identity, TlsAcceptor};
use pusher_channels::{Config, ConnectionState, Error, Pusher, Reconnect, TlsProblem, testing::TestServer};
use support::{PATIENCE, next_event, next_state, server, subscribed};

/// An authority of its own, and a server certificate signed by it.
struct Certificates {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    /// For a server of this name.
    fn for_name(name: &str, folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        openssl(
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
            &["-subj", "/CN=Test authority", "-keyout", &file("ca.key"), "-out", &file("ca.pem")],
        );
        openssl(
            &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
            &["-subj", &format!("/CN={name}"), "-keyout", &file("key.pem"), "-out", &file("request.pem")],
        );
        fs::write(folder.join("extensions"), format!("subjectAltName=DNS:{name}")).expect("a writable folder");
        openssl(
            &["x509", "-req", "-days", "2", "-CAcreateserial"],
            &[
                "-in",
                &file("request.pem"),
                "-CA",
                &file("ca.pem"),
                "-CAkey",
                &file("ca.key"),
                "-extfile",
                &file("extensions"),
                "-out",
                &file("certificate.pem"),
            ],
        );
        let read = |name: &str| fs::read(folder.join(name)).expect("openssl wrote it");
        Self { authority: read("ca.pem"), certificate: read("certificate.pem"), key: read("key.pem") }
    }
}

fn openssl(what: &[&str], with: &[&str]) {
    let output = Command::new("openssl").args(what).args(with).output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A folder that is removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a writable target folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ends TLS in front of the embedded server. Returns the port.
fn terminate_tls(certificates: &Certificates, server: &TestServer) -> u16 {
    let identity = Identity::from_pkcs8(&certificates.certificate, &certificates.key).expect("what openssl wrote");
    let acceptor = Arc::new(TlsAcceptor::new(identity).expect("a good identity"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let target = server.addr();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let acceptor = Arc::clone(&acceptor);
            thread::spawn(move || {
                if let (Ok(tls), Ok(plain)) = (acceptor.accept(stream), TcpStream::connect(target)) {
                    relay(tls, plain);
                }
            });
        }
    });
    port
}

/// Carries bytes both ways, until one side ends. TLS cannot be split, so each side is read for a millisecond in turn.
fn relay(mut tls: native_tls::TlsStream<TcpStream>, mut plain: TcpStream) {
    let turn = Some(Duration::from_millis(1));
    tls.get_ref().set_read_timeout(turn).expect("a socket");
    plain.set_read_timeout(turn).expect("a socket");
    let mut buffer = vec![0; 64 * 1024];
    while carry(&mut tls, &mut plain, &mut buffer).is_ok() && carry(&mut plain, &mut tls, &mut buffer).is_ok() {}
}

fn carry(from: &mut impl Read, to: &mut impl Write, buffer: &mut [u8]) -> io::Result<()> {
    match from.read(buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => to.write_all(&buffer[..count]),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

fn config(port: u16) -> Config {
    let policy = Reconnect::default().max_delay(Duration::from_millis(20));
    Config::host("app-key", "localhost").port(port).reconnect(policy)
}

#[test]
fn c8_events_flow_both_ways_over_tls_with_the_users_root() {
    let folder = Folder::new("flow");
    let certificates = Certificates::for_name("localhost", &folder.0);
    let server = server();
    let port = terminate_tls(&certificates, &server);
    let pusher =
        Pusher::new(config(port).root_certificate_pem(certificates.authority.clone())).connect().expect("trusted");
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
fn c8_an_unknown_issuer_and_a_wrong_host_are_refused_with_distinct_errors() {
    let folder = Folder::new("refused");
    let certificates = Certificates::for_name("elsewhere.example", &folder.0);
    let server = server();
    let port = terminate_tls(&certificates, &server);
    let unknown = Pusher::new(config(port)).connect().expect_err("nobody knows this authority");
    let trusted = config(port).root_certificate_pem(certificates.authority.clone());
    let wrong_host = Pusher::new(trusted).connect().expect_err("another name");
    assert!(matches!(unknown, Error::Tls { problem: TlsProblem::UnknownIssuer, .. }), "{unknown:?}");
    assert!(matches!(wrong_host, Error::Tls { problem: TlsProblem::WrongHost, .. }), "{wrong_host:?}");
    assert_ne!(unknown.to_string(), wrong_host.to_string());
    assert_eq!(server.accepted(), 0, "nothing was sent in plain text");
}

#[test]
fn a_root_that_is_no_certificate_is_a_config_error() {
    let server = server();
    let error = Pusher::new(config(server.port()).root_certificate_pem("junk")).connect().expect_err("not PEM");
    assert!(matches!(error, Error::Config { option: "root_certificate_pem", .. }), "{error:?}");
    assert_eq!(server.attempts(), 0, "before any packet leaves");
}
