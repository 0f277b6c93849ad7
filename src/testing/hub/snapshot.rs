//! The state as tests see it, and waiting for a condition.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    core::Hub,
    state::{
        State,
        journal::{Received, UpgradeRequest},
    },
};
use crate::testing::http::auth_endpoint::EndpointRequest;

/// The state of the server at one moment, see [`TestServer::wait_for`](crate::testing::TestServer::wait_for).
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
        self.0.channels.subscribers(channel)
    }

    /// Number of members of a presence channel: users, each with one or more connections.
    pub fn members(&self, channel: &str) -> usize {
        self.0.channels.members(channel)
    }

    /// Number of connections on which a user is signed in.
    pub fn signed_in(&self, user_id: &str) -> usize {
        self.0.users.connections(user_id).count()
    }

    /// The newest text messages from clients, oldest first.
    pub fn received(&self) -> impl Iterator<Item = &Received> {
        self.0.journal.received()
    }

    /// The newest upgrade requests, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &UpgradeRequest> {
        self.0.journal.requests()
    }

    /// The newest requests to the auth endpoint, oldest first.
    pub fn auth_requests(&self) -> impl Iterator<Item = &EndpointRequest> {
        self.0.journal.auth_requests()
    }
}

impl Hub {
    pub fn snapshot<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        read(&Snapshot(&self.state.lock()))
    }

    /// Waits until the predicate holds. False if it does not hold within the timeout.
    pub fn wait_for(&self, timeout: Duration, mut predicate: impl FnMut(&Snapshot<'_>) -> bool) -> bool {
        self.wait_until(timeout, |state| predicate(&Snapshot(state)))
    }

    /// Like [`Hub::wait_for`], for a message. Calls the predicate once for each message.
    pub fn wait_for_received(&self, timeout: Duration, mut predicate: impl FnMut(&Received) -> bool) -> bool {
        let mut seen = 0;
        self.wait_until(timeout, |state| {
            let (mut news, next) = state.journal.received_since(seen);
            seen = next;
            news.any(&mut predicate)
        })
    }

    /// Waits until the sockets may be read. False if this connection was cut.
    pub fn wait_while_stalled(&self, id: u64) -> bool {
        if !self.stalled.load(Ordering::Acquire) {
            return true;
        }
        let mut state = self.state.lock();
        while self.stalled.load(Ordering::Acquire) && state.sockets.contains_key(&id) {
            self.changed.wait(&mut state);
        }
        state.sockets.contains_key(&id)
    }

    /// Waits for this time. False if the connection is cut meanwhile.
    pub fn pause(&self, id: u64, time: Duration) -> bool {
        !self.wait_until(time, |state| !state.sockets.contains_key(&id))
    }

    fn wait_until(&self, timeout: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        // Without a deadline if the clock cannot represent it.
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
}
