//! The changes of the snapshot that one delivery brings.

use std::{sync::Arc, time::Duration};

use crate::{ConnectionState, Error, Name};

/// The changes of the snapshot, which the public calls read.
#[derive(Debug, Default, Clone)]
pub(crate) struct SnapshotUpdate {
    /// The state at the end of the batch, if it changed.
    pub state: Option<ConnectionState>,
    /// The socket id at the end of the batch, if it changed.
    pub socket_id: Option<Option<Arc<str>>>,
    /// The last call to connect that the session has accepted, if there was one.
    pub accepted_connect: Option<ConnectId>,
    /// The results for waiting calls to connect.
    pub outcomes: Vec<(ConnectId, Result<(), Arc<Error>>)>,
    /// The outcome of the sign-in, with the last call to sign in, if it changed.
    pub user: Option<(SignInId, UserOutcome)>,
    /// The end of the last connection, if one ended.
    pub last_close: Option<LastClose>,
    /// The counters at the end of the batch, if they changed.
    pub counters: Option<Counters>,
}

/// The outcome of a sign-in.
#[derive(Debug, Clone, Default)]
pub(crate) enum UserOutcome {
    /// The program does not want to be signed in.
    #[default]
    Out,
    /// The sign-in is in progress, or waits for a connection.
    Pending,
    In(Name),
    Failed(Error),
}

impl SnapshotUpdate {
    pub fn is_empty(&self) -> bool {
        !self.is_news() && self.counters.is_none()
    }

    /// Whether the update has anything but counters.
    pub fn is_news(&self) -> bool {
        let Self { state, socket_id, accepted_connect, outcomes, user, last_close, counters: _ } = self;
        let nothing = state.is_none() && socket_id.is_none() && accepted_connect.is_none() && user.is_none();
        let nothing = nothing && last_close.is_none();
        !nothing || !outcomes.is_empty()
    }
}

/// The id of a call to connect. Ids are in the order of the calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectId(pub u64);

impl ConnectId {
    /// The id of the call that follows.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The id of a call to sign in. Ids are in the order of the calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SignInId(pub u64);

impl SignInId {
    /// The id of the call that follows.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The counters of the session, since the client was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Attempts to connect.
    pub attempts: u64,
    pub reconnect_attempts: u64,
    pub connections: u64,
    pub messages: u64,
    pub messages_sent: u64,
    pub events: u64,
    pub ignored: u64,
    pub bad_messages: u64,
    /// The time from the last ping to its answer.
    pub round_trip: Option<Duration>,
}

/// The end of a connection that this client did not close.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LastClose {
    pub code: Option<u16>,
    pub reason: String,
}

impl LastClose {
    pub fn by(error: &Error) -> Self {
        match error {
            Error::ConnectionClosed { code, message } => Self { code: Some(*code), reason: message.clone() },
            other => Self { code: None, reason: other.to_string() },
        }
    }
}
