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

/// Keeps the records of every crate up to `debug`, and asks the client about the line that is logged.
struct Asking {
    client: OnceLock<(Pusher, mpsc::Sender<Asked>)>,
    heard: Mutex<Vec<String>>,
}

/// A line, and what the client answered while it was logged.
struct Asked {
    level: log::Level,
    line: String,
    stats: Stats,
    /// Only where a loss is logged, which is done on a thread that the client needs.
    connected: Option<Result<Pusher, Error>>,
}

static LOGGER: Asking = Asking { client: OnceLock::new(), heard: Mutex::new(Vec::new()) };

/// Both tests call it, in any order.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&LOGGER).expect("no other logger");
        log::set_max_level(log::LevelFilter::Debug);
    });
}

impl log::Log for Asking {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        let heard = format!("{}: {line}", record.target());
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        let is_ours = record.target().starts_with("pusher_channels::io");
        if let Some((pusher, lines)) = self.client.get().filter(|_| is_ours) {
            let connected = line.starts_with(LOSS).then(|| pusher.connect());
            let level = record.level();
            let _ = lines.send(Asked { level, line, stats: pusher.stats(), connected });
        }
    }

    fn flush(&self) {}
}

fn pusher_of_the_logger() -> &'static Pusher {
    &LOGGER.client.get().expect("it was set").0
}

#[test]
fn h1_a_logger_may_call_the_client_and_is_told_where_it_would_wait_for_itself() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let (lines, logged) = mpsc::channel();
    assert!(LOGGER.client.set((pusher, lines)).is_ok(), "once");
    install();
    // Nobody has bound a handler.
    pusher_of_the_logger().subscribe("private-room").expect("a valid name");
    server.send_raw("junk");
    server.send_raw(r#"{"event":"pusher:error","data":{"code":4300,"message":"canary"}}"#);
    let mut beginnings = vec!["auth: private-room", "message: skipped", "server error 4300"];
    while !beginnings.is_empty() {
        let asked = logged.recv_timeout(PATIENCE).expect("H11: what is refused or bad is logged");
        if let Some(index) = beginnings.iter().position(|beginning| asked.line.starts_with(beginning)) {
            assert_eq!(asked.level, log::Level::Warn, "{}", asked.line);
            assert!(!asked.line.contains("canary"), "X1: {}", asked.line);
            beginnings.remove(index);
        }
    }
    server.drop_all();
    // What happened before may still be on its way to the log.
    let loss = iter::from_fn(|| logged.recv_timeout(PATIENCE).ok())
        .find(|asked| asked.line.starts_with(LOSS))
        .expect("a loss is logged");
    assert_eq!(loss.stats.connections, 1);
    assert!(matches!(loss.connected, Some(Err(Error::WouldDeadlock { call: "connect" }))), "{:?}", loss.connected);
    next_state(&receiver, ConnectionState::Connected);
}

/// Subscribes a channel, with secrets wherever an endpoint can be given some.
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
    assert!(!requests.is_empty(), "the endpoint was asked");
    let heard = LOGGER.heard.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(heard.iter().any(|line| line.starts_with("ureq")), "the library below logs at this level");
    let seen: Vec<_> = heard.iter().filter(|line| line.contains("canary")).collect();
    assert!(seen.is_empty(), "{seen:#?}");
    // A signature is one of the answers.
    let signatures = requests.iter().filter_map(|request| {
        server
            .sign_channel(request.socket_id(), "private-room", None)
            .split_once(':')
            .map(|(_, signature)| signature.to_owned())
    });
    for signature in signatures {
        assert!(!heard.iter().any(|line| line.contains(&signature)), "{signature}");
    }
}

#[test]
fn x1_events_are_logged_if_the_program_asks_for_it_and_only_then() {
    install();
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port on loopback");
    let lines = |text: &str| {
        let heard = LOGGER.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|line| line.contains(text)).cloned().collect::<Vec<_>>()
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
        pusher.trigger("private-room", "client-moved", text).expect("it is sent");
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
        // A receiver may be faster than the log.
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
