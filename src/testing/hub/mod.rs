//! What the server knows: its connections, who subscribed to what, and what happened so far.
//!
//! All of it is behind one lock. Nothing blocks while holding it: sending is to put shared bytes into a queue, and a
//! socket is only ever shut down under it. Whatever changes wakes those who wait for a condition.

mod change;
mod channels;
mod client_events;
mod snapshot;
mod users;
mod waiting;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tungstenite::Bytes;

pub use snapshot::Snapshot;

use super::auth::EndpointRequest;
use super::cache::Cache;
use super::connection::Connection;
use super::encryption::Encryption;
use super::fault::{AuthFault, Fault, Faults};
use super::journal::{Journal, UpgradeRequest};
use super::message_limit::MessageLimit;
use super::rate::Rate;
use super::settings::Settings;
use super::upgrade::Greeting;
use super::users::Users;
use super::wire;
use change::Change;
use channels::Channels;

/// Each has two threads and a descriptor; a test that has more has gone wrong.
const MAX_SOCKETS: usize = 4096;

/// The shared state of the server.
pub(super) struct Hub {
    pub(super) settings: Settings,
    pub(super) encryption: Encryption,
    /// First half of every socket id; differs from server to server, so that a stale id is a wrong id.
    socket_prefix: u64,
    silent: AtomicBool,
    stalled: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Every TCP connection. One that is not in here has been cut.
    sockets: BTreeMap<u64, Socket>,
    /// Every open WebSocket.
    open: BTreeMap<u64, Client>,
    channels: Channels,
    cache: Cache,
    users: Users,
    faults: Faults<Fault>,
    auth_faults: Faults<AuthFault>,
    journal: Journal,
    attempts: u64,
    accepted: u64,
    ignored: u64,
}

struct Socket {
    stream: Arc<TcpStream>,
    /// Whether it has sent a request to the HTTP API or the auth endpoint. Such a connection is not a WebSocket to be.
    is_backend: bool,
}

struct Client {
    connection: Arc<Connection>,
    channels: BTreeSet<String>,
    /// Of its messages of every kind.
    messages: Rate,
    client_events: Rate,
}

impl Client {
    fn new(connection: &Arc<Connection>) -> Client {
        Client {
            connection: connection.clone(),
            channels: BTreeSet::new(),
            messages: Rate::default(),
            client_events: Rate::default(),
        }
    }
}

/// Connections.
impl Hub {
    pub(super) fn new(settings: Settings, encryption: Encryption) -> Hub {
        Hub {
            settings,
            encryption,
            socket_prefix: RandomState::new().build_hasher().finish() % 10_000_000_000,
            silent: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn socket_id(&self, id: u64) -> String {
        format!("{}.{id}", self.socket_prefix)
    }

    /// Counts a TCP connection and gives it its number; `None` if there are too many.
    pub(super) fn admit(&self, stream: &Arc<TcpStream>) -> Option<u64> {
        let mut state = self.change();
        state.attempts += 1;
        if state.sockets.len() >= MAX_SOCKETS {
            return None;
        }
        let id = state.attempts;
        let socket = Socket { stream: stream.clone(), is_backend: false };
        state.sockets.insert(id, socket);
        Some(id)
    }

    pub(super) fn mark_backend(&self, id: u64) {
        if let Some(socket) = self.state.lock().sockets.get_mut(&id) {
            socket.is_backend = true;
        }
    }

    /// Notes an upgrade request, and takes the fault that it meets.
    pub(super) fn upgrade_requested(&self, request: UpgradeRequest) -> Option<Fault> {
        let mut state = self.change();
        state.journal.request(request);
        state.faults.take()
    }

    /// Notes a request to the auth endpoint, and takes the fault that it meets.
    pub(super) fn auth_requested(&self, request: &EndpointRequest) -> Option<AuthFault> {
        let mut state = self.change();
        state.journal.auth_request(request.clone());
        state.auth_faults.take()
    }

    /// Opens a WebSocket: from now on it gets what is sent to all. `head` is what has to be sent before.
    pub(super) fn open(&self, connection: &Arc<Connection>, head: Bytes, greeting: Greeting) {
        let mut state = self.change();
        let outbox = &connection.outbox;
        outbox.push(head);
        state.accepted += 1;
        if state.sockets.contains_key(&connection.id) {
            let client = Client::new(connection);
            state.open.insert(connection.id, client);
        }
        if let Greeting::Refusal { error, close } = greeting {
            if let Some((code, message)) = error {
                outbox.push(wire::error(code, &message));
            }
            match close {
                Some((code, reason)) => {
                    outbox.close(wire::close(code, &reason));
                }
                None => outbox.end(),
            }
        } else if !self.is_silent() {
            let first = match greeting {
                Greeting::Established => wire::established(&connection.socket_id, &self.settings.activity_timeout),
                Greeting::Text(text) => wire::text(&text),
                _ => return,
            };
            outbox.push(first);
        }
    }

    /// Takes a WebSocket out of all lists: it gets nothing any more.
    pub(super) fn leave(&self, id: u64) {
        self.change().leave(id);
    }

    /// Ends a TCP connection at once. Its threads notice.
    pub(super) fn cut(&self, id: u64) {
        self.change().cut(id);
    }

    /// Ends all TCP connections at once.
    pub(super) fn cut_all(&self) {
        let mut state = self.change();
        while let Some((&id, _)) = state.sockets.first_key_value() {
            state.cut(id);
        }
    }

    /// Ends those TCP connections that do not publish, and tells how many were open WebSockets.
    pub(super) fn drop_clients(&self) -> usize {
        let mut state = self.change();
        let open = state.open.len();
        let clients = state.sockets.iter().filter(|(_, s)| !s.is_backend);
        let ids: Vec<u64> = clients.map(|(&id, _)| id).collect();
        for id in ids {
            state.cut(id);
        }
        open
    }

    /// The number of connections that were not being closed already.
    pub(super) fn close_all(&self, code: u16, reason: &str) -> usize {
        let frame = wire::close(code, reason);
        let state = self.state.lock();
        let closed = state.open.values().filter(|client| client.connection.outbox.close(frame.clone()));
        closed.count()
    }
}

/// Messages.
impl Hub {
    /// Sends bytes to every open WebSocket, and tells to how many.
    pub(super) fn send_to_all(&self, bytes: &Bytes) -> usize {
        self.quiet_change().send_to_all(bytes)
    }

    /// Sends a reply to one client, unless the server is silent.
    pub(super) fn answer(&self, connection: &Connection, bytes: Bytes) {
        self.quiet_change().send(connection, bytes);
    }

    pub(super) fn record(&self, connection: u64, text: &str) {
        self.change().journal.message(connection, text);
    }

    /// Counts a message, of whatever kind; false if it is over the limit.
    pub(super) fn admit_message(&self, connection: u64, limit: &MessageLimit) -> bool {
        let mut state = self.state.lock();
        let client = state.open.get_mut(&connection);
        client.is_some_and(|client| client.messages.admit(limit.messages, limit.window, Instant::now()))
    }

    /// Counts a message that the server cannot use.
    pub(super) fn ignore(&self) {
        self.change().ignored += 1;
    }
}

/// Switches.
impl Hub {
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    pub(super) fn set_silent(&self, silent: bool) {
        let _state = self.change();
        self.silent.store(silent, Ordering::Release);
    }

    pub(super) fn set_stalled(&self, stalled: bool) {
        let _state = self.change();
        self.stalled.store(stalled, Ordering::Release);
    }

    pub(super) fn push_fault(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().faults.set(fault);
    }

    pub(super) fn push_auth_fault(&self, fault: AuthFault) {
        self.state.lock().auth_faults.push(fault);
    }

    pub(super) fn set_auth_fault(&self, fault: Option<AuthFault>) {
        self.state.lock().auth_faults.set(fault);
    }
}
