//! The lock on the state, and sending under it.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tungstenite::Bytes;

use super::{
    settings::Settings,
    state::{State, client::Connection, outbox::Push},
};
use crate::testing::auth::encryption::Encryption;

/// The shared state of the server.
pub(crate) struct Hub {
    pub settings: Settings,
    pub encryption: Encryption,
    /// First half of every socket id. It differs between servers, so that the socket id of an earlier server is
    /// invalid.
    socket_prefix: u64,
    pub silent: AtomicBool,
    pub stalled: AtomicBool,
    pub state: Mutex<State>,
    pub changed: Condvar,
}

impl Hub {
    pub fn new(settings: Settings, encryption: Encryption) -> Self {
        Self {
            settings,
            encryption,
            socket_prefix: RandomState::new().build_hasher().finish() % 10_000_000_000,
            silent: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub fn socket_id(&self, id: u64) -> String {
        format!("{}.{id}", self.socket_prefix)
    }

    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }
}

/// The locked state. Its release drops clients that read too slowly, and wakes waiting threads.
pub(crate) struct Change<'a> {
    pub hub: &'a Hub,
    state: MutexGuard<'a, State>,
    /// The connections whose queue was full. Dropping one sends to others, whose queue may then be full.
    slow: Vec<u64>,
    /// Whether the release wakes waiting threads.
    wakes: bool,
}

impl Hub {
    /// Locks the state for a change that a thread may wait for.
    pub fn change(&self) -> Change<'_> {
        Change { hub: self, state: self.state.lock(), slow: Vec::new(), wakes: true }
    }

    /// Locks the state for sending. It wakes no waiting threads, because that would slow down publishing.
    pub fn quiet_change(&self) -> Change<'_> {
        let mut change = self.change();
        change.wakes = false;
        change
    }
}

impl Deref for Change<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        while let Some(id) = self.slow.pop() {
            log::debug!("test server: connection {id} does not read fast enough and is dropped");
            self.cut(id);
            self.wakes = true;
        }
        if self.wakes {
            self.hub.changed.notify_all();
        }
    }
}

/// Sending.
impl Change<'_> {
    /// Sends to one client, unless the server is silent.
    pub fn send(&mut self, connection: &Connection, bytes: Bytes) {
        if !self.hub.is_silent() && connection.outbox.push(bytes) == Push::Full {
            self.slow.push(connection.id);
        }
    }

    /// Sends to some clients, unless the server is silent, and returns their number. Skips connections without a
    /// WebSocket.
    pub fn send_to(&mut self, ids: &[u64], bytes: &Bytes) -> usize {
        if self.hub.is_silent() {
            return 0;
        }
        let open = &self.state.open;
        let receivers = ids.iter().filter_map(|id| open.get(id)).map(|client| &client.connection);
        push_to_all(receivers, bytes, &mut self.slow)
    }

    /// Sends to the subscribers of a channel for which `wanted` holds, unless the server is silent, and returns their
    /// number.
    pub fn deliver(&mut self, channel: &str, bytes: &Bytes, wanted: impl Fn(&Connection) -> bool) -> usize {
        if self.hub.is_silent() {
            return 0;
        }
        let subscribers = self.state.channels.of(channel);
        push_to_all(subscribers.filter(|connection| wanted(connection)), bytes, &mut self.slow)
    }

    /// Sends to every open WebSocket, and returns their number.
    pub fn send_to_all(&mut self, bytes: &Bytes) -> usize {
        push_to_all(self.state.open.values().map(|client| &client.connection), bytes, &mut self.slow)
    }
}

/// Returns the number of receivers, and adds the connections with a full queue to `slow`.
fn push_to_all<'a>(receivers: impl Iterator<Item = &'a Arc<Connection>>, bytes: &Bytes, slow: &mut Vec<u64>) -> usize {
    let mut sent = 0;
    for connection in receivers {
        match connection.outbox.push(bytes.clone()) {
            Push::Queued => sent += 1,
            Push::Closing => {}
            Push::Full => slow.push(connection.id),
        }
    }
    sent
}
