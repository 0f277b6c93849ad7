//! What the client logs, and that a logger is code like any other.

mod support;

use std::{
    iter,
    sync::{OnceLock, mpsc},
};

use pusher_channels::{ConnectionState, Pusher, Stats};
use support::{PATIENCE, connected, next_state, server};

/// Asks the client about which a line is logged.
struct Asking {
    client: OnceLock<(Pusher, mpsc::Sender<(String, Stats)>)>,
}

static LOGGER: Asking = Asking { client: OnceLock::new() };

impl log::Log for Asking {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("pusher_channels::io")
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some((pusher, lines)) = self.client.get().filter(|_| self.enabled(record.metadata())) {
            let _ = lines.send((record.args().to_string(), pusher.stats()));
        }
    }

    fn flush(&self) {}
}

#[test]
fn h1_a_logger_may_call_the_client() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let (lines, logged) = mpsc::channel();
    assert!(LOGGER.client.set((pusher, lines)).is_ok(), "once");
    log::set_logger(&LOGGER).expect("no other logger");
    log::set_max_level(log::LevelFilter::Debug);
    server.drop_all();
    // What happened before may still be on its way to the log.
    let (_, stats) = iter::from_fn(|| logged.recv_timeout(PATIENCE).ok())
        .find(|(line, _)| line.starts_with("reconnecting: "))
        .expect("a loss is logged");
    assert_eq!(stats.connections, 1);
    next_state(&receiver, ConnectionState::Connected);
}
