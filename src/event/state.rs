//! The state of the connection, as programs see it.

use std::{fmt, sync::Arc, time::Duration};

use log::Level;

use crate::Error;

/// The state of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConnectionState {
    /// There is no connection, and no attempt to make one. Every client begins here.
    #[default]
    Disconnected,
    /// An attempt to connect is being made.
    Connecting,
    /// The server has confirmed the connection.
    Connected,
    /// No connection could be made for 10 s. From then on this state replaces [`Reconnecting`](Self::Reconnecting)
    /// until there is a connection. Attempts go on by the [`Reconnect`](crate::Reconnect) policy.
    Unavailable,
    /// The connection is down, and the client waits before the next attempt.
    Reconnecting,
    /// `disconnect` was called and the connection is being closed.
    Disconnecting,
    /// The connection was refused for good, or the policy's attempts are used up. Only `connect` leaves this state.
    Failed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Unavailable => "unavailable",
            Self::Reconnecting => "reconnecting",
            Self::Disconnecting => "disconnecting",
            Self::Failed => "failed",
        })
    }
}

/// One change of the [`ConnectionState`]. Changes arrive in order, and `previous` never equals `current`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionStateChange {
    /// The state that was left.
    pub previous: ConnectionState,
    /// The state that was entered.
    pub current: ConnectionState,
    /// The reason, if there was an error: it ended the last connection or the last attempt. A change to
    /// [`Unavailable`](ConnectionState::Unavailable) has the last known cause, also in the middle of an attempt. There
    /// it is `None` only if the first attempt has taken all of the 10 s.
    pub cause: Option<Arc<Error>>,
    /// The number of the current attempt, or of the next one. It counts from 1, and starts again once a connection has
    /// been stable for 10 s. With [`Failed`](ConnectionState::Failed) and
    /// [`Disconnected`](ConnectionState::Disconnected) it is the number that the next attempt would have.
    pub attempt: u32,
    /// The delay before that attempt; `None` if there is no delay.
    pub retry_in: Option<Duration>,
}

/// `connected -> reconnecting: CAUSE; attempt 2 in 1.5s`
impl fmt::Display for ConnectionStateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(self.cause.as_ref().map(ToString::to_string).as_deref()))
    }
}

impl ConnectionStateChange {
    /// The record for the log: a warning for a change with a cause, which is shown without text from outside (X1).
    pub(crate) fn log_record(&self) -> (Level, String) {
        let current = self.current;
        match (&self.cause, current) {
            (Some(cause), _) => {
                let wait = self.retry_in.map(|delay| format!("; attempt {} in {delay:.1?}", self.attempt));
                (Level::Warn, format!("{current}: {}{}", cause.redacted(), wait.unwrap_or_default()))
            }
            (None, ConnectionState::Connected | ConnectionState::Disconnected) => (Level::Info, current.to_string()),
            (None, _) => (Level::Debug, current.to_string()),
        }
    }

    /// The line that is printed, with this text for the cause.
    pub(crate) fn line(&self, cause: Option<&str>) -> String {
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let wait = self.retry_in.map(|delay| format!("; attempt {} in {delay:.1?}", self.attempt));
        format!("{} -> {}{cause}{}", self.previous, self.current, wait.unwrap_or_default())
    }
}
