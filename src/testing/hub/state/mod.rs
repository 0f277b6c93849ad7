//! The data that the server's lock protects.

pub(crate) mod cache;
pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod journal;
pub(crate) mod outbox;
pub(crate) mod users;

use std::{collections::BTreeMap, net::TcpStream, sync::Arc};

use super::state::{cache::Cache, channels::Channels, client::Client, journal::Journal, users::Users};
use crate::testing::http::fault::{AuthFault, Fault, Faults};

#[derive(Default)]
pub(crate) struct State {
    /// Every TCP connection that has not been cut.
    pub sockets: BTreeMap<u64, Socket>,
    /// Every open WebSocket.
    pub open: BTreeMap<u64, Client>,
    pub channels: Channels,
    pub cache: Cache,
    pub users: Users,
    pub faults: Faults<Fault>,
    pub auth_faults: Faults<AuthFault>,
    pub journal: Journal,
    pub attempts: u64,
    pub accepted: u64,
    pub ignored: u64,
}

pub(crate) struct Socket {
    pub stream: Arc<TcpStream>,
    /// Whether it has sent a request to the HTTP API or the auth endpoint, and so belongs to a backend.
    pub is_backend: bool,
}
