//! Rules C: from `connect` to a confirmed connection, or to an error that names the problem.

mod support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{
    Config, ConnectPhase, ConnectionState, Error, Pusher, Reconnect,
    testing::{Fault, TestServer},
};
use support::{PATIENCE, next_state, quick, server};

fn error_of(config: Config) -> Error {
    Pusher::new(config).connect().expect_err("cannot be connected")
}

/// A server that runs a closure for each connection.
fn serve(mut conversation: impl FnMut(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || listener.incoming().flatten().for_each(&mut conversation));
    port
}

fn local(port: u16) -> Config {
    Config::host("app-key", "127.0.0.1").port(port).tls(false)
}

#[test]
fn c1_new_does_no_io() {
    let server = server();
    let pusher = Pusher::new(server.config());
    pusher.subscribe("room").expect("a valid name");
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
    assert_eq!(pusher.socket_id(), None);
    assert_eq!(server.attempts(), 0);
}

#[test]
fn c1_bad_options_are_an_error_before_any_packet_leaves() {
    let server = server();
    let bad = [
        Config::host("", "127.0.0.1").port(server.port()).tls(false),
        Config::host("a\r\nX: y", "127.0.0.1").port(server.port()).tls(false),
        Config::host("key", "127.0.0.1/x").port(server.port()).tls(false),
        server.config().header("X-A", "b\r\nX-C: d"),
        Config::url("http://127.0.0.1/app/key"),
        Config::cluster("key", ""),
    ];
    for config in bad {
        let pusher = Pusher::new(config.clone());
        assert!(matches!(pusher.connect(), Err(Error::Config { .. })), "{config:?}");
        assert!(matches!(pusher.connect_background(), Err(Error::Config { .. })), "{config:?}");
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
    }
    assert_eq!(server.attempts(), 0);
}

#[test]
fn c2_the_request_is_what_was_configured() {
    let server = server();
    let config = server.config().client_name("my client", "1.2.3");
    assert!(matches!(error_of(config), Error::Config { .. }), "a space is invalid in a name");
    let config = server.config().client_name("my+client", "1.2.3").origin("https://a.example").header("X-Token", "t");
    let _pusher = Pusher::new(config).connect().expect("accepted");
    let request = server.requests().pop().expect("one request");
    assert_eq!(request.target, "/app/app-key?protocol=7&client=my%2Bclient&version=1.2.3");
    assert_eq!(request.header("origin"), Some("https://a.example"));
    assert_eq!(request.header("x-token"), Some("t"));
    assert_eq!(request.header("host"), Some(format!("127.0.0.1:{}", server.port()).as_str()));
}

#[test]
fn c2_one_complete_url_is_enough() {
    let server = server();
    let pusher = Pusher::new(Config::url(server.url())).connect().expect("accepted");
    assert_eq!(pusher.state(), ConnectionState::Connected);
    let without = Pusher::new(server.config().without_metadata()).connect().expect("accepted");
    assert!(without.socket_id().is_some());
    assert_eq!(server.requests().pop().expect("a request").target, "/app/app-key");
}

#[test]
fn c3_one_deadline_covers_all_phases_and_the_error_names_the_phase() {
    let server = server();
    let cases = [
        (Fault::NoUpgradeAnswer, ConnectPhase::Upgrade),
        (Fault::NeverEstablished, ConnectPhase::Established),
        (Fault::DripHead(Duration::from_millis(40)), ConnectPhase::Upgrade),
    ];
    for (fault, phase) in cases {
        server.push_fault(fault.clone());
        let start = Instant::now();
        let error = error_of(server.config().connect_timeout(Duration::from_millis(300)));
        assert!(matches!(error, Error::ConnectTimeout { phase: p, .. } if p == phase), "{fault:?}: {error}");
        assert!(error.to_string().starts_with(&phase.to_string()), "{error}");
        assert!(error.is_timeout() && error.is_retryable());
        assert!(start.elapsed() < PATIENCE / 2, "{fault:?}");
    }
}

/// A port that silently drops packets, as the kernel does if the queue of a listener is full.
#[cfg(target_os = "linux")]
struct DeadPort {
    port: u16,
    _listener: socket2::Socket,
    _not_accepted: Vec<std::net::TcpStream>,
}

#[cfg(target_os = "linux")]
impl DeadPort {
    fn new() -> Self {
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        listener.bind(&loopback.into()).and_then(|()| listener.listen(0)).expect("a free port");
        let address = listener.local_addr().expect("bound").as_socket().expect("an IP address");
        let fill = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting = std::iter::from_fn(fill).collect();
        Self { port: address.port(), _listener: listener, _not_accepted: waiting }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn c3_a_port_that_drops_packets_is_a_timeout_and_does_not_delay_disconnect() {
    let dead = DeadPort::new();
    let error = error_of(local(dead.port).connect_timeout(Duration::from_millis(200)));
    assert!(matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Tcp, .. }), "{error}");
    let pusher = Pusher::new(local(dead.port));
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    next_state(&receiver, ConnectionState::Connecting);
    let start = Instant::now();
    pusher.disconnect();
    assert!(start.elapsed() <= Duration::from_millis(250), "{:?}", start.elapsed());
}

#[cfg(feature = "native-tls")]
#[test]
fn c3_a_tls_handshake_without_an_answer_is_a_timeout() {
    let (kept, keep) = mpsc::channel();
    let port = serve(move |stream| kept.send(stream).unwrap_or_default());
    let error = error_of(local(port).tls(true).connect_timeout(Duration::from_millis(200)));
    assert!(matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Tls, .. }), "{error}");
    drop(keep);
}

#[test]
fn c4_connect_returns_a_connected_client() {
    let server = server();
    let pusher = Pusher::new(server.config()).connect().expect("accepted");
    assert_eq!(pusher.state(), ConnectionState::Connected);
    assert!(pusher.socket_id().is_some_and(|id| id.contains('.')));
    let again = pusher.connect().expect("connected already");
    assert_eq!(again.socket_id(), pusher.socket_id());
    assert_eq!(server.accepted(), 1);
}

#[test]
fn c4_a_full_queue_does_not_block_connect() {
    let port = serve(|stream| {
        let mut web = tungstenite::accept(stream).expect("a WebSocket client");
        // The client sends nothing that would show that it waits for the first message already.
        thread::sleep(Duration::from_millis(50));
        let established = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2"}}"#;
        web.send(tungstenite::Message::text(established)).expect("the client is connected");
        while web.read().is_ok() {}
    });
    let pusher = Pusher::new(local(port).manual_dispatch().queue_capacity(1));
    pusher.connect().expect("it connects although the state change fills the queue");
}

#[test]
fn c4_connect_returns_when_another_thread_disconnects() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let disconnecting = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while disconnecting.load(Ordering::Relaxed) {
                pusher.disconnect();
            }
        });
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..50).map(|_| pusher.connect().err()).collect())).collect();
        let outcomes: Vec<Option<Error>> =
            calls.into_iter().flat_map(|call| -> Vec<_> { call.join().expect("no panic") }).collect();
        disconnecting.store(false, Ordering::Relaxed);
        for error in outcomes.into_iter().flatten() {
            assert!(matches!(error, Error::Disconnected), "{error}");
        }
    });
    pusher.connect().expect("no other thread disconnects");
    assert_eq!(pusher.state(), ConnectionState::Connected);
}

#[cfg(target_os = "linux")]
#[test]
fn c4_a_failed_connect_leaves_no_thread_behind() {
    support::run_alone("alone_a_failed_connect_leaves_no_thread_behind");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by c4_a_failed_connect_leaves_no_thread_behind in a process of its own"]
fn alone_a_failed_connect_leaves_no_thread_behind() {
    let server = server();
    server.set_fault(Some(Fault::CloseAfterUpgrade { code: 4001, reason: "no such app".into() }));
    let refused = Pusher::new(server.config());
    assert_eq!(refused.connect().expect_err("refused").code(), Some(4001));
    assert_eq!(refused.state(), ConnectionState::Failed);
    support::eventually("no thread is left", || support::client_threads() == 0);
    server.set_fault(Some(Fault::DropAfterUpgrade));
    let dropped = Pusher::new(server.config());
    assert!(dropped.connect().expect_err("dropped").is_retryable());
    assert_eq!(dropped.state(), ConnectionState::Disconnected);
    support::eventually("no thread is left", || support::client_threads() == 0);
}

#[test]
fn c4_connect_background_keeps_trying_when_the_first_attempt_fails() {
    let server = server();
    server.push_fault(Fault::HttpStatus { status: 503, body: "starting".into(), headers: Vec::new() });
    server.push_fault(Fault::DropAfterUpgrade);
    let pusher = Pusher::new(quick(&server));
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    let first = next_state(&receiver, ConnectionState::Reconnecting);
    assert!(matches!(first.cause.as_deref(), Some(Error::UpgradeStatus { status: 503, .. })));
    assert_eq!((first.attempt, first.retry_in.is_some()), (2, true));
    let second = next_state(&receiver, ConnectionState::Reconnecting);
    assert_eq!(second.attempt, 3);
    next_state(&receiver, ConnectionState::Connected);
    assert_eq!(pusher.state(), ConnectionState::Connected);
}

#[test]
fn c4_a_program_can_wait_for_a_connection_in_the_background() {
    let server = server();
    server.push_fault(Fault::DropAfterUpgrade);
    let pusher = Pusher::new(quick(&server));
    let none = pusher.wait_connected(PATIENCE).expect_err("the client does not connect");
    assert!(matches!(none, Error::Disconnected), "{none}");
    pusher.connect_background().expect("started");
    pusher.wait_connected(PATIENCE).expect("the second attempt succeeds");
    assert_eq!(pusher.state(), ConnectionState::Connected);

    server.stop_listening();
    server.drop_all();
    next_state(&pusher.receiver(), ConnectionState::Reconnecting);
    let late = pusher.wait_connected(Duration::from_millis(20)).expect_err("the server does not listen");
    assert!(matches!(late, Error::WaitTimeout { what: "connection", .. }), "{late}");
    pusher.disconnect();
    assert!(matches!(pusher.wait_connected(PATIENCE), Err(Error::Disconnected)));
}

#[test]
fn c6_the_answer_to_the_upgrade_is_checked() {
    let server = server();
    let faults = [
        Fault::WrongAccept,
        Fault::ExtraUpgradeHeader("Sec-WebSocket-Extensions".into(), "permessage-deflate".into()),
        Fault::ExtraUpgradeHeader("Sec-WebSocket-Protocol".into(), "chat".into()),
        Fault::RawHead("SSH-2.0-OpenSSH_9.2\r\n".into()),
        Fault::RawHead("HTTP/1.1 101 Switching Protocols\r\n\r\n".into()),
        Fault::RawHead(String::new()),
    ];
    for fault in faults {
        server.push_fault(fault.clone());
        let error = error_of(server.config());
        assert!(matches!(error, Error::Upgrade { .. }), "{fault:?}: {error:?}");
        assert!(error.to_string().starts_with("upgrade: "), "{error}");
    }
}

#[test]
fn c6_an_answer_of_http_1_0_is_an_error_with_its_status() {
    let server = server();
    server.push_fault(Fault::RawHead("HTTP/1.0 200 OK\r\n\r\n<html>Please log in</html>".into()));
    let error = error_of(server.config());
    assert!(matches!(&error, Error::UpgradeStatus { status: 200, body } if body.contains("log in")), "{error:?}");
}

#[test]
fn c6_a_chunked_refusal_shows_its_text_without_the_sizes() {
    let server = server();
    for body in ["9\r\nforbidden\r\n0\r\n\r\n", "4;x=y\r\nforb\r\n5\r\nidden\r\n0\r\nTrailer: x\r\n\r\n"] {
        let answer = format!("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        server.push_fault(Fault::RawHead(answer));
        let error = error_of(server.config());
        assert!(matches!(&error, Error::UpgradeStatus { status: 403, body } if body == "forbidden"), "{error:?}");
    }
}

#[test]
fn c6_an_http_status_is_an_error_with_that_status_and_redirects_are_not_followed() {
    let server = server();
    for status in [200, 301, 302, 307, 308, 400, 401, 403, 404, 500, 503] {
        let headers = vec![("Location".to_owned(), server.url())];
        server.push_fault(Fault::HttpStatus { status, body: "<html>portal</html>".into(), headers });
        let attempts = server.attempts();
        match error_of(server.config()) {
            Error::UpgradeStatus { status: reported, body } => {
                assert_eq!(reported, status);
                assert!(body.starts_with("<html>"), "{body:?}");
            }
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(server.attempts(), attempts + 1);
    }
}

#[test]
fn c9_a_loss_is_visible_when_it_is_reported() {
    let server = server();
    // The long delay keeps the client in the state `Reconnecting`.
    let policy = Reconnect::default().min_delay(Duration::from_secs(60)).max_delay(Duration::from_secs(60));
    let pusher = Pusher::new(server.config().reconnect(policy)).connect().expect("accepted");
    let (seen, states) = mpsc::channel();
    let handle = pusher.clone();
    let binding = pusher.on_connection_state_change(move |change| {
        if change.current == ConnectionState::Reconnecting {
            let _ = seen.send((handle.state(), handle.socket_id()));
        }
    });
    server.drop_all();
    let (state, socket_id) = states.recv_timeout(PATIENCE).expect("a state change");
    assert_eq!((state, socket_id), (ConnectionState::Reconnecting, None));
    // The handler has a handle of the client, and the client has the handler. Unbinding breaks that cycle.
    binding.unbind();
    pusher.disconnect();
}

#[test]
fn c10_state_changes_arrive_in_order_with_cause_attempt_and_delay() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let receiver = pusher.receiver();
    pusher.connect().expect("accepted");
    for _ in 0..3 {
        server.close_all(4200, "restarting");
        let lost = next_state(&receiver, ConnectionState::Reconnecting);
        assert_eq!(lost.cause.as_ref().and_then(|cause| cause.code()), Some(4200));
        assert!(lost.retry_in.is_some());
        next_state(&receiver, ConnectionState::Connected);
        assert!(server.wait_for_connections(1, PATIENCE));
    }
    pusher.disconnect();
    next_state(&receiver, ConnectionState::Disconnecting);
    next_state(&receiver, ConnectionState::Disconnected);
}

#[test]
fn the_error_names_a_port_that_refuses_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let error = error_of(local(port));
    assert!(matches!(error, Error::Tcp { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("tcp: 127.0.0.1:{port} ")), "{error}");
}

#[test]
fn the_error_names_a_host_that_does_not_resolve() {
    let error = error_of(Config::host("key", "does-not-exist.invalid").tls(false));
    assert!(matches!(error, Error::Dns { .. }), "{error:?}");
    assert!(error.to_string().contains("does-not-exist.invalid"), "{error}");
}

#[test]
fn r2_a_wrong_key_is_a_final_refusal_with_its_code() {
    let server = server();
    let pusher = Pusher::new(Config::host("wrong", "127.0.0.1").port(server.port()).tls(false));
    let error = pusher.connect().expect_err("refused");
    assert_eq!(error.code(), Some(4001));
    assert!(!error.is_retryable());
    assert_eq!(pusher.state(), ConnectionState::Failed);
}

#[test]
fn c6_an_http_server_without_websockets_is_an_error_with_its_status() {
    let port = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    });
    assert!(matches!(error_of(local(port)), Error::UpgradeStatus { status: 200, .. }));
}

#[cfg(feature = "native-tls")]
#[test]
fn c8_tls_to_a_plain_port_is_a_tls_error() {
    let server = server();
    let error = error_of(server.config().tls(true));
    assert!(matches!(error, Error::Tls { problem: pusher_channels::TlsProblem::NotTls, .. }), "{error:?}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn plain_text_to_a_tls_port_is_an_error_that_names_tls() {
    // A TLS server answers an HTTP request with this alert.
    let port = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]);
    });
    let error = error_of(local(port));
    assert!(matches!(error, Error::Upgrade { .. }), "{error:?}");
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[test]
fn a_connection_that_ends_before_the_answer_is_a_retryable_error() {
    for answer in ["", "HTTP/1.1 101 Swit"] {
        let port = serve(move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        let error = error_of(local(port));
        assert!(matches!(error, Error::Upgrade { source: Some(_), .. }) && error.is_retryable(), "{error:?}");
    }
}

#[test]
fn r5_another_first_message_is_a_failed_attempt() {
    let server = TestServer::start().expect("a free port");
    for text in ["null", "[]", "junk", r#"{"event":"pusher:ping","data":{}}"#] {
        server.push_fault(Fault::FirstFrame(text.into()));
        let error = error_of(server.config());
        assert!(matches!(error, Error::UnexpectedFirstMessage { .. }), "{text}: {error:?}");
    }
}

#[test]
fn the_confirmation_of_the_connection_is_an_event_of_the_client() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let (report, confirmations) = mpsc::channel();
    let all = report.clone();
    pusher.bind("pusher:connection_established", move |event| report.send(event.clone()).unwrap_or_default());
    pusher.bind_all(move |event| all.send(event.clone()).unwrap_or_default());
    pusher.connect().expect("accepted");
    for _ in 0..2 {
        let event = confirmations.recv_timeout(PATIENCE).expect("an event");
        let data: serde_json::Value = event.json().expect("the data of the server");
        assert_eq!(data["socket_id"].as_str(), pusher.socket_id().as_deref());
        assert_eq!((event.name(), event.channel()), ("pusher:connection_established", None));
    }
}
