//! What the client logs, and that a logger is code like any other.

mod support;

use std::{
    iter,
    sync::{OnceLock, mpsc},
};

use pusher_channels::{ConnectionState, Error, Pusher, Stats};
use support::{PATIENCE, connected, next_state, server};

const LOSS: &str = "reconnecting: ";

/// Asks the client about which a line is logged.
struct Asking {
    client: OnceLock<(Pusher, mpsc::Sender<Asked>)>,
}

/// A line, and what the client answered while it was logged.
struct Asked {
    level: log::Level,
    line: String,
    stats: Stats,
    /// Only where a loss is logged, which is done on a thread that the client needs.
    connected: Option<Result<Pusher, Error>>,
}

static LOGGER: Asking = Asking { client: OnceLock::new() };

impl log::Log for Asking {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("pusher_channels::io")
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some((pusher, lines)) = self.client.get().filter(|_| self.enabled(record.metadata())) {
            let line = record.args().to_string();
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
    log::set_logger(&LOGGER).expect("no other logger");
    log::set_max_level(log::LevelFilter::Debug);
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
