//! One client: its connection, its subscriptions and its rates.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::outbox::Outbox;

/// The connection of a client, shared by the state and by the threads of the connection.
pub(crate) struct Connection {
    /// Number of the TCP connection.
    pub id: u64,
    pub socket_id: String,
    pub outbox: Outbox,
}

pub(crate) struct Client {
    pub connection: Arc<Connection>,
    pub channels: BTreeSet<String>,
    /// The rate of messages of all kinds.
    pub messages: Rate,
    pub client_events: Rate,
}

impl Client {
    pub fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: connection.clone(),
            channels: BTreeSet::new(),
            messages: Rate::default(),
            client_events: Rate::default(),
        }
    }
}

/// Counts the messages within a window of time. A new window begins with the first message after the end of the last
/// one.
#[derive(Default)]
pub(crate) struct Rate {
    since: Option<Instant>,
    count: u32,
}

impl Rate {
    /// Counts a message. False if it is over the limit of this window.
    pub fn admit(&mut self, limit: u32, window: Duration, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= window) {
            self.since = Some(now);
            self.count = 0;
        }
        let admitted = self.count < limit;
        self.count += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_its_messages() {
        const WINDOW: Duration = Duration::from_secs(1);
        let start = Instant::now();
        let mut rate = Rate::default();
        for expected in [true, true, false, false] {
            assert_eq!(rate.admit(2, WINDOW, start), expected);
        }
        assert!(!rate.admit(2, WINDOW, start + Duration::from_millis(999)));
        assert!(rate.admit(2, WINDOW, start + WINDOW));
        assert!(!rate.admit(0, WINDOW, start + 2 * WINDOW));
    }
}
