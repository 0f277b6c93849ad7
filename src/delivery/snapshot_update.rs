//! The facts that user calls read, as the session publishes them.

use std::{sync::Arc, time::Duration};

use crate::{ConnectionState, Error, Name};

/// Facts for the snapshot that the public calls read.
#[derive(Debug, Default, Clone)]
pub(crate) struct SnapshotUpdate {
    /// The state at the end of the batch, where it changed.
    pub state: Option<ConnectionState>,
    /// The socket id at the end of the batch, where it changed.
    pub socket_id: Option<Option<Arc<str>>>,
    /// The last call to connect that was taken up, where there was one.
    pub taken_up: Option<CallId>,
    /// What became of calls that wait for the outcome of an attempt.
    pub settled: Vec<(CallId, Result<(), Arc<Error>>)>,
    /// What became of the last sign-in that was taken up, where that changed.
    pub user: Option<(CallId, UserOutcome)>,
    /// How the last connection ended, where one did.
    pub last_close: Option<LastClose>,
    /// The counters at the end of the batch, where they changed.
    pub counters: Option<Counters>,
}

/// How far a sign-in has come.
#[derive(Debug, Clone, Default)]
pub(crate) enum UserOutcome {
    /// Nobody wants to be signed in.
    #[default]
    Out,
    /// It is on its way, or waits for a connection.
    Pending,
    In(Name),
    Failed(Error),
}

impl SnapshotUpdate {
    pub fn is_empty(&self) -> bool {
        !self.is_news() && self.counters.is_none()
    }

    /// Whether there is anything in it beside counters.
    pub fn is_news(&self) -> bool {
        let Self { state, socket_id, taken_up, settled, user, last_close, counters: _ } = self;
        let nothing = state.is_none() && socket_id.is_none() && taken_up.is_none() && user.is_none();
        let nothing = nothing && last_close.is_none();
        !nothing || !settled.is_empty()
    }
}

/// Numbers the calls to connect, in the order in which they are taken up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub u64);

impl CallId {
    /// The id of the call that follows.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What the session counts. All numbers count from the making of the client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub attempts: u64,
    pub reconnect_attempts: u64,
    pub connections: u64,
    pub messages: u64,
    pub messages_sent: u64,
    pub events: u64,
    pub ignored: u64,
    pub bad_messages: u64,
    /// From the last ping to its answer.
    pub round_trip: Option<Duration>,
}

/// How a connection ended that nobody here ended.
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
