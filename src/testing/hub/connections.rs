//! Connections: beginning, end, messages and switches.

use std::{
    net::{Shutdown, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tungstenite::Bytes;

use super::{
    core::{Change, Hub},
    settings::MessageLimit,
    state::{
        Socket,
        client::{Client, Connection},
        journal::UpgradeRequest,
    },
};
use crate::testing::{
    http::{
        auth_endpoint::EndpointRequest,
        fault::{AuthFault, Fault},
        upgrade::Greeting,
    },
    protocol::frames,
};

/// Each connection has two threads and a descriptor. A test with more connections has a mistake.
const MAX_SOCKETS: usize = 4096;

/// Connections.
impl Hub {
    /// Counts a TCP connection and returns its number. `None` above the limit.
    pub fn admit(&self, stream: &Arc<TcpStream>) -> Option<u64> {
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

    pub fn mark_backend(&self, id: u64) {
        if let Some(socket) = self.state.lock().sockets.get_mut(&id) {
            socket.is_backend = true;
        }
    }

    /// Records an upgrade request, and takes the fault for it.
    pub fn upgrade_requested(&self, request: UpgradeRequest) -> Option<Fault> {
        let mut state = self.change();
        state.journal.request(request);
        state.faults.take()
    }

    /// Records a request to the auth endpoint, and takes the fault for it.
    pub fn auth_requested(&self, request: &EndpointRequest) -> Option<AuthFault> {
        let mut state = self.change();
        state.journal.auth_request(request.clone());
        state.auth_faults.take()
    }

    /// Opens a WebSocket: from now on it receives messages to all connections. `head` is sent first.
    pub fn open(&self, connection: &Arc<Connection>, head: Bytes, greeting: Greeting) {
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
                outbox.push(frames::error(code, &message));
            }
            match close {
                Some((code, reason)) => {
                    outbox.close(frames::close(code, &reason));
                }
                None => outbox.end(),
            }
        } else if !self.is_silent() {
            let first = match greeting {
                Greeting::Established => frames::established(&connection.socket_id, &self.settings.activity_timeout),
                Greeting::Text(text) => frames::text(&text),
                _ => return,
            };
            outbox.push(first);
        }
    }

    /// Removes a WebSocket from all lists. It receives no more messages.
    pub fn leave(&self, id: u64) {
        self.change().leave(id);
    }

    /// Ends a TCP connection at once. Its threads end as a result.
    pub fn cut(&self, id: u64) {
        self.change().cut(id);
    }

    /// Ends all TCP connections at once.
    pub fn cut_all(&self) {
        let mut state = self.change();
        while let Some((&id, _)) = state.sockets.first_key_value() {
            state.cut(id);
        }
    }

    /// Ends the TCP connections of clients, and returns the number of open WebSockets among them.
    pub fn drop_clients(&self) -> usize {
        let mut state = self.change();
        let open = state.open.len();
        let clients = state.sockets.iter().filter(|(_, s)| !s.is_backend);
        let ids: Vec<u64> = clients.map(|(&id, _)| id).collect();
        for id in ids {
            state.cut(id);
        }
        open
    }

    /// Sends a close frame to every open WebSocket. Returns the number of connections that were not closing yet.
    pub fn close_all(&self, code: u16, reason: &str) -> usize {
        let frame = frames::close(code, reason);
        let state = self.state.lock();
        let closed = state.open.values().filter(|client| client.connection.outbox.close(frame.clone()));
        closed.count()
    }
}

/// Messages.
impl Hub {
    /// Sends bytes to every open WebSocket, and returns their number.
    pub fn send_to_all(&self, bytes: &Bytes) -> usize {
        self.quiet_change().send_to_all(bytes)
    }

    /// Sends a reply to one client, unless the server is silent.
    pub fn answer(&self, connection: &Connection, bytes: Bytes) {
        self.quiet_change().send(connection, bytes);
    }

    pub fn record(&self, connection: u64, text: &str) {
        self.change().journal.message(connection, text);
    }

    /// Counts a message of any kind. False if it is over the limit.
    pub fn admit_message(&self, connection: u64, limit: &MessageLimit) -> bool {
        let mut state = self.state.lock();
        let client = state.open.get_mut(&connection);
        client.is_some_and(|client| client.messages.admit(limit.messages, limit.window, Instant::now()))
    }

    /// Counts a message that the server cannot use.
    pub fn ignore(&self) {
        self.change().ignored += 1;
    }
}

/// Switches.
impl Hub {
    pub fn set_silent(&self, silent: bool) {
        let _state = self.change();
        self.silent.store(silent, Ordering::Release);
    }

    pub fn set_stalled(&self, stalled: bool) {
        let _state = self.change();
        self.stalled.store(stalled, Ordering::Release);
    }

    pub fn push_fault(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().faults.set(fault);
    }

    pub fn push_auth_fault(&self, fault: AuthFault) {
        self.state.lock().auth_faults.push(fault);
    }

    pub fn set_auth_fault(&self, fault: Option<AuthFault>) {
        self.state.lock().auth_faults.set(fault);
    }
}

/// Ending.
impl Change<'_> {
    /// Ends a TCP connection at once.
    pub fn cut(&mut self, id: u64) {
        if let Some(socket) = self.sockets.remove(&id) {
            // It may be closed already.
            let _ = socket.stream.shutdown(Shutdown::Both);
        }
        self.leave(id);
    }

    /// Removes a WebSocket from all lists, and notifies the clients concerned.
    pub fn leave(&mut self, id: u64) {
        if let Some(client) = self.open.remove(&id) {
            for channel in &client.channels {
                self.depart(id, channel);
            }
            self.sign_out(id);
        }
    }
}
