//! The log records of the client and of the libraries below it, and a logger that calls the client.

mod support;

use std::{
    iter,
    sync::{Mutex, Once, OnceLock, PoisonError, mpsc},
};

use pusher_channels::{
    ConnectionState, Error, Pusher, Stats,
    testing::{AuthFault, TestServer},
};
use support::{PATIENCE, connected, next_state, quick, server};

const LOSS: &str = "reconnecting: ";

/// Keeps the records of every crate up to `debug`, and calls the client for each of its records.
struct CallingLogger {
    client: OnceLock<(Pusher, mpsc::Sender<Logged>)>,
    records: Mutex<Vec<String>>,
}

/// A record, and the results of calls of the client while it was logged.
struct Logged {
    level: log::Level,
    line: String,
    stats: Stats,
    /// Only for a record of a loss, which is logged on a thread that the client needs.
    connected: Option<Result<Pusher, Error>>,
}

static LOGGER: CallingLogger = CallingLogger { client: OnceLock::new(), records: Mutex::new(Vec::new()) };

/// Installs the logger. All tests call this, in any order.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&LOGGER).expect("no other logger");
        log::set_max_level(log::LevelFilter::Debug);
    });
}

impl log::Log for CallingLogger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        let text = format!("{}: {line}", record.target());
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        let is_ours = record.target().starts_with("pusher_channels::io");
        if let Some((pusher, lines)) = self.client.get().filter(|_| is_ours) {
            let connected = line.starts_with(LOSS).then(|| pusher.connect());
            let level = record.level();
            let _ = lines.send(Logged { level, line, stats: pusher.stats(), connected });
        }
    }

    fn flush(&self) {}
}

fn pusher_of_the_logger() -> &'static Pusher {
    &LOGGER.client.get().expect("it was set").0
}

#[test]
fn h1_a_logger_may_call_the_client_and_calls_that_would_wait_for_it_are_errors() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let (lines, logged) = mpsc::channel();
    assert!(LOGGER.client.set((pusher, lines)).is_ok(), "once");
    install();
    // No handler is bound.
    pusher_of_the_logger().subscribe("private-room").expect("a valid name");
    server.send_raw("junk");
    server.send_raw(r#"{"event":"pusher:error","data":{"code":4300,"message":"canary"}}"#);
    let mut beginnings = vec!["auth: private-room", "message: skipped", "server error 4300"];
    while !beginnings.is_empty() {
        let record = logged.recv_timeout(PATIENCE).expect("H11: refusals and malformed messages are logged");
        if let Some(index) = beginnings.iter().position(|beginning| record.line.starts_with(beginning)) {
            assert_eq!(record.level, log::Level::Warn, "{}", record.line);
            assert!(!record.line.contains("canary"), "X1: {}", record.line);
            beginnings.remove(index);
        }
    }
    server.drop_all();
    // Records of earlier events may come first.
    let loss = iter::from_fn(|| logged.recv_timeout(PATIENCE).ok())
        .find(|record| record.line.starts_with(LOSS))
        .expect("a loss is logged");
    assert_eq!(loss.stats.connections, 1);
    assert!(matches!(loss.connected, Some(Err(Error::WouldDeadlock { call: "connect" }))), "{:?}", loss.connected);
    next_state(&receiver, ConnectionState::Connected);
}

/// Subscribes to a channel, with secrets in all parts of the auth request.
fn authorised_with_secrets(server: &TestServer, url: &str, json: bool) {
    let secret = |place: &str| vec![(format!("X-{place}"), format!("canary-{place}"))];
    let config = quick(server)
        .auth_endpoint(format!("{url}?token=canary-query"))
        .auth_json(json)
        .auth_header("Authorization", "Bearer canary-header")
        .auth_header("User-Agent", "canary-agent")
        .auth_header("Accept", "canary-accept")
        .auth_header("Location", "canary-location")
        .auth_headers_with(move || secret("header"))
        .auth_param("token", "canary-param")
        .auth_params_with(move || secret("param"));
    let pusher = Pusher::new(config).connect().expect("accepted");
    let channel = pusher.subscribe("private-room").expect("a valid name");
    // The result does not matter.
    let _ = channel.wait_subscribed(PATIENCE);
}

#[test]
fn x1_at_debug_no_crate_logs_a_secret() {
    install();
    let (server, endpoint) = (server(), server());
    let headers = |name: &str| vec![(name.to_owned(), "canary-answer".to_owned())];
    let refusal = |status, name| AuthFault::Status { status, body: "canary-body".to_owned(), headers: headers(name) };
    let faults = [
        refusal(403, "Set-Cookie"),
        refusal(307, "Location"),
        refusal(200, "Server"),
        refusal(404, "Content-Type"),
        AuthFault::Body("canary-body".to_owned()),
    ];
    for json in [false, true] {
        for fault in faults.clone() {
            endpoint.push_auth_fault(fault);
            authorised_with_secrets(&server, &endpoint.auth_endpoint(), json);
        }
        authorised_with_secrets(&server, &server.auth_endpoint(), json);
        authorised_with_secrets(&server, &format!("{}/canary-path", endpoint.auth_endpoint()), json);
    }
    let requests = server.auth_requests();
    assert!(!requests.is_empty(), "the endpoint has received requests");
    let records = LOGGER.records.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(records.iter().any(|line| line.starts_with("ureq")), "the library below logs at this level");
    let seen: Vec<_> = records.iter().filter(|line| line.contains("canary")).collect();
    assert!(seen.is_empty(), "{seen:#?}");
    // The endpoint's answers contain signatures.
    let signatures = requests.iter().filter_map(|request| {
        server
            .sign_channel(request.socket_id(), "private-room", None)
            .split_once(':')
            .map(|(_, signature)| signature.to_owned())
    });
    for signature in signatures {
        assert!(!records.iter().any(|line| line.contains(&signature)), "{signature}");
    }
}

#[test]
fn x1_events_are_logged_only_with_log_events() {
    install();
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port on loopback");
    let lines = |text: &str| {
        let records = LOGGER.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().filter(|line| line.contains(text)).cloned().collect::<Vec<_>>()
    };
    for (log, text) in [(false, "never-logged"), (true, "logged-on-request")] {
        let config = quick(&server).auth_endpoint(server.auth_endpoint()).log_events(log);
        let pusher = Pusher::new(config).connect().expect("accepted");
        let receiver = pusher.receiver();
        for channel in ["room", "private-room", "private-encrypted-room"] {
            support::subscribed(&pusher, channel);
            server.trigger(channel, "placed", text);
            assert_eq!(support::next_event(&receiver).1, text);
        }
        pusher.trigger("private-room", "client-moved", text).expect("the event is sent");
        let client_event = |received: &pusher_channels::testing::Received| received.text.contains(text);
        assert!(server.wait_for_received(client_event, PATIENCE));
        let expected: &[&str] = if log {
            &[
                "received placed on room: logged-on-request",
                "received placed on private-room: logged-on-request",
                "received placed on private-encrypted-room: logged-on-request",
                "sending client-moved on private-room: \"logged-on-request\"",
            ]
        } else {
            &[]
        };
        // A receiver may get the event before it is logged.
        support::eventually("the records", || lines(text).len() >= expected.len());
        let found = lines(text);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        // Records of different threads have no order.
        for expected in expected {
            let is_it = |line: &&String| line.starts_with("pusher_channels") && line.ends_with(expected);
            assert_eq!(found.iter().filter(is_it).count(), 1, "{expected}: {found:#?}");
        }
    }
}
