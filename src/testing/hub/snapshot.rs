//! The state as tests see it.

use super::State;
use crate::testing::auth::EndpointRequest;
use crate::testing::journal::{Received, UpgradeRequest};

/// The state of the server at one moment, see [`TestServer::wait_for`](crate::testing::TestServer::wait_for).
pub struct Snapshot<'a>(pub(super) &'a State);

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
