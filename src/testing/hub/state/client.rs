//! One client.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::outbox::Outbox;

/// A client, as the hub and the threads of the connection know it.
pub(crate) struct Connection {
    /// Number of the TCP connection.
    pub id: u64,
    pub socket_id: String,
    pub outbox: Outbox,
}

pub(crate) struct Client {
    pub connection: Arc<Connection>,
    pub channels: BTreeSet<String>,
    /// Of its messages of every kind.
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

/// A count that begins anew with the first message after the end of a window.
#[derive(Default)]
pub(crate) struct Rate {
    since: Option<Instant>,
    count: u32,
}

impl Rate {
    /// Counts a message; false if it is one more than `limit` in this window.
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
