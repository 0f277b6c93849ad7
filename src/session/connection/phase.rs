//! Where the connection stands, with what each stage needs to know.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::liveness::Liveness;
use crate::{ConnectPhase, Error, session::Generation};

/// A connection that lasted so long counts as a success. One that is accepted and then closed at once does not, so that
/// a server that does so is not hammered (R1).
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A `pusher:error` explains the end of the socket only when the end follows so soon (R3).
const EXPLAINS_WITHIN: Duration = Duration::from_secs(5);

pub(crate) enum Phase {
    /// No connection, and none wished for.
    Idle,
    /// An attempt is being made, from resolving the name to awaiting the first message.
    Connecting(Attempt),
    /// The server has confirmed the connection.
    Connected(Online),
    /// Backing off before the next attempt.
    Waiting { until: Instant },
}

pub(crate) struct Attempt {
    pub generation: Generation,
    /// Absolute, for all phases together (C3).
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
    /// A code that explains an end, if the error has one.
    pub code: Option<u16>,
    pub message: String,
    pub at: Instant,
}

/// What a failed first attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// The end: `connect` reports it.
    Once,
    /// Another attempt, by the policy.
    ForGood,
}

/// A time without a connection that is wished for.
pub(crate) struct Outage {
    /// When the state becomes `Unavailable`, as in the official clients.
    told_at: Instant,
    /// Whether the state `Unavailable` has been reported in this outage.
    pub told: bool,
    /// Why the last attempt failed.
    pub cause: Option<Arc<Error>>,
}

impl Phase {
    /// The generation whose socket may speak.
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

    /// Remembers an error that belongs to no message. Servers answer single messages on open sockets with 4000-4099, and from 4300
    /// on, too, so that only 4100-4299 explain an end.
    pub fn remember(&mut self, code: Option<u16>, message: &str, at: Instant) {
        // An error that waited for its attribution is older than one that was reported at once.
        if self.last_error.as_ref().is_none_or(|last| last.at <= at) {
            let code = code.filter(|code| (4100..4300).contains(code));
            self.last_error = Some(RememberedError { code, message: message.to_owned(), at });
        }
    }

    /// R3: the code of the last `pusher:error` stands in for a close code that is missing or not Pusher's. What this
    /// client ended by itself explains itself.
    pub fn explain(&self, error: Error, now: Instant) -> Error {
        let is_open = match &error {
            Error::ConnectionLost { .. } => true,
            Error::ConnectionClosed { .. } => error.code().is_none(),
            _ => false,
        };
        match &self.last_error {
            Some(RememberedError { code: Some(code), message, at }) if is_open && now <= *at + EXPLAINS_WITHIN => {
                Error::ConnectionClosed { code: *code, message: message.clone() }
            }
            _ => error,
        }
    }
}

impl Outage {
    /// An outage that begins now, and is reported after this time.
    pub fn begin(now: Instant, unavailable_timeout: Duration) -> Self {
        Self { told_at: now + unavailable_timeout, told: false, cause: None }
    }

    pub fn told_at(&self) -> Instant {
        self.told_at
    }

    pub fn is_to_be_told(&self, now: Instant) -> bool {
        !self.told && self.told_at() <= now
    }
}
