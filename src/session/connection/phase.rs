//! The phase of the connection, with the data of each phase.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::liveness::Liveness;
use crate::{ConnectPhase, Error, session::Generation};

/// A connection of at least this length counts as a success. A shorter one counts as a failure, so that a server that
/// accepts and closes at once is not called again and again (R1).
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A `pusher:error` explains the end of the socket if the end follows within this time (R3).
const EXPLAINS_WITHIN: Duration = Duration::from_secs(5);

pub(crate) enum Phase {
    /// The client has no connection, and makes no attempt to connect.
    Idle,
    /// An attempt to connect is in progress, from the resolution of the name to the first message.
    Connecting(Attempt),
    /// The server has confirmed the connection.
    Connected(Online),
    /// The client waits before the next attempt to connect.
    Waiting { until: Instant },
}

pub(crate) struct Attempt {
    pub generation: Generation,
    /// The deadline for all phases together (C3).
    pub deadline: Instant,
    pub phase: ConnectPhase,
}

pub(crate) struct Online {
    pub generation: Generation,
    pub since: Instant,
    pub liveness: Liveness,
    pub last_error: Option<RememberedError>,
}

/// The last `pusher:error` that was not given to a subscription, a sign-in or a client event.
pub(crate) struct RememberedError {
    /// The code, if it explains the end of a connection.
    pub code: Option<u16>,
    pub message: String,
    pub at: Instant,
}

/// The effect of a failed first attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// The client stops, and `connect` returns the error.
    Once,
    /// The client tries again by the policy.
    ForGood,
}

/// A time without a connection while the program wants one.
pub(crate) struct Outage {
    /// The time at which the state becomes `Unavailable`, as in the official clients.
    due_at: Instant,
    /// Whether the state `Unavailable` has been reported in this outage.
    pub is_reported: bool,
    /// The error of the last attempt to connect.
    pub cause: Option<Arc<Error>>,
}

impl Phase {
    /// The generation of the current socket.
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Self::Connecting(attempt) => Some(attempt.generation),
            Self::Connected(online) => Some(online.generation),
            Self::Idle | Self::Waiting { .. } => None,
        }
    }

    pub fn reached(&mut self, phase: ConnectPhase) {
        if let Self::Connecting(attempt) = self {
            attempt.phase = phase;
        }
    }
}

impl Online {
    pub fn was_stable(&self, now: Instant) -> bool {
        self.since + STABLE_AFTER <= now
    }

    /// Remembers an error that belongs to no message. Servers send 4000-4099, and 4300 and above, on sockets that stay
    /// open, so only 4100-4299 explain an end.
    pub fn remember(&mut self, code: Option<u16>, message: &str, at: Instant) {
        // An error that waited for its attribution is older than one that was reported at once.
        if self.last_error.as_ref().is_none_or(|last| last.at <= at) {
            let code = code.filter(|code| (4100..4300).contains(code));
            self.last_error = Some(RememberedError { code, message: message.to_owned(), at });
        }
    }

    /// R3: the code of the last `pusher:error` replaces a close code that is missing or not one of Pusher. If the
    /// client has ended the connection, its own error stays.
    pub fn explain(&self, error: Error, now: Instant) -> Error {
        let is_unexplained = match &error {
            Error::ConnectionLost { .. } => true,
            Error::ConnectionClosed { .. } => error.code().is_none(),
            _ => false,
        };
        match &self.last_error {
            Some(RememberedError { code: Some(code), message, at })
                if is_unexplained && now <= *at + EXPLAINS_WITHIN =>
            {
                Error::ConnectionClosed { code: *code, message: message.clone() }
            }
            _ => error,
        }
    }
}

impl Outage {
    /// An outage that begins now, and is reported after this time.
    pub fn begin(now: Instant, unavailable_timeout: Duration) -> Self {
        Self { due_at: now + unavailable_timeout, is_reported: false, cause: None }
    }

    pub fn due_at(&self) -> Instant {
        self.due_at
    }

    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_reported && self.due_at() <= now
    }
}
