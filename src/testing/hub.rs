//! What the server knows: its connections, who subscribed to what, and what happened so far.
//!
//! All of it is behind one lock. Nothing blocks while holding it: sending is to put shared bytes into a queue, and a
//! socket is only ever shut down under it. Whatever changes wakes those who wait for a condition.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tungstenite::Bytes;

use super::app::App;
use super::connection::Connection;
use super::fault::Fault;
use super::journal::{Journal, Received, UpgradeRequest};
use super::outbox::Push;
use super::subscription::Refusal;
use super::upgrade::Greeting;
use super::wire;

/// Each has two threads and a descriptor; a test that has more has gone wrong.
const MAX_SOCKETS: usize = 4096;
/// More than any test subscribes to, and little enough that one client cannot fill the memory.
const MAX_SUBSCRIPTIONS: usize = 100_000;

/// The shared state of the server.
pub(super) struct Hub {
    pub(super) app: App,
    /// JSON text of the activity timeout.
    activity_timeout: String,
    /// How many bytes may wait for one client.
    pub(super) queue_limit: usize,
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
    open: BTreeMap<u64, Member>,
    /// No channel in here is without subscribers.
    channels: HashMap<String, BTreeMap<u64, Arc<Connection>>>,
    faults: VecDeque<Fault>,
    standing_fault: Option<Fault>,
    journal: Journal,
    attempts: u64,
    accepted: u64,
    ignored: u64,
}

struct Socket {
    stream: Arc<TcpStream>,
    /// Whether it has sent a request to the HTTP API. Such a connection is not a client's.
    publishes: bool,
}

struct Member {
    connection: Arc<Connection>,
    channels: HashSet<String>,
}

/// The state of the server at one moment, see [`TestServer::wait_for`](super::TestServer::wait_for).
pub struct Snapshot<'a>(&'a State);

impl Snapshot<'_> {
    /// Number of open WebSocket connections.
    pub fn connections(&self) -> usize {
        self.0.open.len()
    }

    /// Number of TCP connections so far.
    pub fn attempts(&self) -> u64 {
        self.0.attempts
    }

    /// Number of upgrades to WebSocket so far.
    pub fn accepted(&self) -> u64 {
        self.0.accepted
    }

    /// Number of messages so far that the server could not use.
    pub fn ignored(&self) -> u64 {
        self.0.ignored
    }

    /// Number of connections that are subscribed to a channel.
    pub fn subscribers(&self, channel: &str) -> usize {
        self.0.channels.get(channel).map_or(0, BTreeMap::len)
    }

    /// The newest text messages from clients, oldest first.
    pub fn received(&self) -> impl Iterator<Item = &Received> {
        self.0.journal.received()
    }

    /// The newest upgrade requests, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &UpgradeRequest> {
        self.0.journal.requests()
    }
}

/// Connections.
impl Hub {
    pub(super) fn new(app: App, activity_timeout: String, queue_limit: usize) -> Hub {
        Hub {
            app,
            activity_timeout,
            queue_limit,
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
        let socket = Socket { stream: stream.clone(), publishes: false };
        state.sockets.insert(id, socket);
        Some(id)
    }

    pub(super) fn mark_publisher(&self, id: u64) {
        if let Some(socket) = self.state.lock().sockets.get_mut(&id) {
            socket.publishes = true;
        }
    }

    /// Notes an upgrade request, and takes the fault that it meets.
    pub(super) fn upgrade_requested(&self, request: UpgradeRequest) -> Option<Fault> {
        let mut state = self.change();
        state.journal.request(request);
        let queued = state.faults.pop_front();
        queued.or_else(|| state.standing_fault.clone())
    }

    /// Opens a WebSocket: from now on it gets what is sent to all. `head` is what has to be sent before.
    pub(super) fn open(&self, connection: &Arc<Connection>, head: Bytes, greeting: Greeting) {
        let mut state = self.change();
        let outbox = &connection.outbox;
        outbox.push(head);
        state.accepted += 1;
        if state.sockets.contains_key(&connection.id) {
            let member = Member { connection: connection.clone(), channels: HashSet::new() };
            state.open.insert(connection.id, member);
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
                Greeting::Established => wire::established(&connection.socket_id, &self.activity_timeout),
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
        let clients = state.sockets.iter().filter(|(_, s)| !s.publishes);
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
        let closed = state.open.values().filter(|member| member.connection.outbox.close(frame.clone()));
        closed.count()
    }
}

/// Channels and messages.
impl Hub {
    /// Subscribes and confirms in one step, so that no event comes before the confirmation.
    pub(super) fn subscribe(&self, connection: &Connection, channel: &str) {
        let mut state = self.change();
        let state = &mut *state;
        let Some(member) = state.open.get_mut(&connection.id) else {
            return;
        };
        let answer = if member.channels.len() >= MAX_SUBSCRIPTIONS {
            wire::subscription_error(channel, &Refusal::LIMIT_REACHED)
        } else {
            if member.channels.insert(channel.to_owned()) {
                let subscribers = state.channels.entry(channel.to_owned()).or_default();
                subscribers.insert(connection.id, member.connection.clone());
            }
            wire::subscription_succeeded(channel)
        };
        if connection.outbox.push(answer) == Push::Full {
            state.cut(connection.id);
        }
    }

    pub(super) fn unsubscribe(&self, connection: &Connection, channel: &str) {
        let mut state = self.change();
        if let Some(member) = state.open.get_mut(&connection.id) {
            member.channels.remove(channel);
            state.unlist(connection.id, channel);
        }
    }

    /// Delivers an event to the subscribers of a channel, and tells to how many.
    pub(super) fn trigger(&self, channel: &str, event: &str, data: &str, except: Option<&str>) -> usize {
        if self.is_silent() {
            return 0;
        }
        let frame = wire::event(channel, event, data);
        let mut state = self.state.lock();
        let Some(subscribers) = state.channels.get(channel) else {
            return 0;
        };
        let receivers = subscribers.values().filter(|connection| except != Some(connection.socket_id.as_str()));
        let (sent, full) = push_to_all(receivers, &frame);
        self.drop_slow(&mut state, &full);
        sent
    }

    /// Sends bytes to every open WebSocket, and tells to how many.
    pub(super) fn send_to_all(&self, bytes: &Bytes) -> usize {
        let mut state = self.state.lock();
        let receivers = state.open.values().map(|member| &member.connection);
        let (sent, full) = push_to_all(receivers, bytes);
        self.drop_slow(&mut state, &full);
        sent
    }

    /// Sends a reply to one client, unless the server is silent.
    pub(super) fn answer(&self, connection: &Connection, bytes: Bytes) {
        if !self.is_silent() && connection.outbox.push(bytes) == Push::Full {
            self.cut(connection.id);
        }
    }

    pub(super) fn record(&self, connection: u64, text: &str) {
        self.change().journal.message(connection, text);
    }

    /// Counts a message that the server cannot use.
    pub(super) fn ignore(&self) {
        self.change().ignored += 1;
    }

    fn drop_slow(&self, state: &mut State, ids: &[u64]) {
        for &id in ids {
            log::debug!("test server: connection {id} does not read fast enough and is dropped");
            state.cut(id);
        }
        if !ids.is_empty() {
            self.changed.notify_all();
        }
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
        self.state.lock().faults.push_back(fault);
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().standing_fault = fault;
    }
}

/// Waiting.
impl Hub {
    pub(super) fn snapshot<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        read(&Snapshot(&self.state.lock()))
    }

    /// Waits until the predicate holds; false if it does not within the timeout.
    pub(super) fn wait_for(&self, timeout: Duration, mut predicate: impl FnMut(&Snapshot<'_>) -> bool) -> bool {
        self.wait_until(timeout, |state| predicate(&Snapshot(state)))
    }

    /// Like [`Hub::wait_for`], for a message. Looks at each message once.
    pub(super) fn wait_for_received(&self, timeout: Duration, mut predicate: impl FnMut(&Received) -> bool) -> bool {
        let mut seen = 0;
        self.wait_until(timeout, |state| {
            let (mut news, next) = state.journal.received_since(seen);
            seen = next;
            news.any(&mut predicate)
        })
    }

    /// Returns when the sockets may be read; false when this one has been cut.
    pub(super) fn wait_while_stalled(&self, id: u64) -> bool {
        if !self.stalled.load(Ordering::Acquire) {
            return true;
        }
        let mut state = self.state.lock();
        while self.stalled.load(Ordering::Acquire) && state.sockets.contains_key(&id) {
            self.changed.wait(&mut state);
        }
        state.sockets.contains_key(&id)
    }

    /// Passes some time; false when the connection is cut meanwhile.
    pub(super) fn pause(&self, id: u64, time: Duration) -> bool {
        !self.wait_until(time, |state| !state.sockets.contains_key(&id))
    }

    fn wait_until(&self, timeout: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        // A deadline that no clock reaches is none.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock();
        loop {
            if done(&state) {
                return true;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() {
                        return done(&state);
                    }
                }
            }
        }
    }

    /// The lock, for a change that others wait for. They wake up when it is released.
    fn change(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock();
        self.changed.notify_all();
        state
    }
}

impl State {
    fn cut(&mut self, id: u64) {
        if let Some(socket) = self.sockets.remove(&id) {
            // It may be closed already.
            let _ = socket.stream.shutdown(Shutdown::Both);
        }
        self.leave(id);
    }

    fn leave(&mut self, id: u64) {
        if let Some(member) = self.open.remove(&id) {
            for channel in &member.channels {
                self.unlist(id, channel);
            }
        }
    }

    fn unlist(&mut self, id: u64, channel: &str) {
        if let Some(subscribers) = self.channels.get_mut(channel) {
            subscribers.remove(&id);
            if subscribers.is_empty() {
                self.channels.remove(channel);
            }
        }
    }
}

/// How many got the bytes, and the numbers of those whose queue was full.
fn push_to_all<'a>(receivers: impl Iterator<Item = &'a Arc<Connection>>, bytes: &Bytes) -> (usize, Vec<u64>) {
    let mut sent = 0;
    let mut full = Vec::new();
    for connection in receivers {
        match connection.outbox.push(bytes.clone()) {
            Push::Queued => sent += 1,
            Push::Closing => {}
            Push::Full => full.push(connection.id),
        }
    }
    (sent, full)
}
