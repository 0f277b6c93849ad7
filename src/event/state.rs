//! The state of the connection, as it is shown to users.

use std::{fmt, sync::Arc, time::Duration};

use crate::Error;

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConnectionState {
    /// There is no connection and none is being made. Every client begins here.
    #[default]
    Disconnected,
    /// An attempt to connect is being made.
    Connecting,
    /// The server has confirmed the connection.
    Connected,
    /// No connection could be made for 10 s. From then on it takes the place of [`Reconnecting`](Self::Reconnecting) until
    /// there is a connection: attempts go on by the [`Reconnect`](crate::Reconnect) policy.
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
    /// Why, where something went wrong: what ended the last connection, or the last attempt. A change to
    /// [`Unavailable`](ConnectionState::Unavailable) carries the last cause there was, also when it comes in the middle of an
    /// attempt; there it is `None` only where the first attempt has taken all of the 10 s.
    pub cause: Option<Arc<Error>>,
    /// The number of the attempt that is being made, or will be made next; counts from 1 and starts again once a
    /// connection has been stable for 10 s. With [`Failed`](ConnectionState::Failed) and
    /// [`Disconnected`](ConnectionState::Disconnected) it is the number of the attempt that would be next.
    pub attempt: u32,
    /// How long the client waits before that attempt; `None` when it does not wait.
    pub retry_in: Option<Duration>,
}

/// `connected -> reconnecting: CAUSE; attempt 2 in 1.5s`
impl fmt::Display for ConnectionStateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(self.cause.as_ref().map(ToString::to_string).as_deref()))
    }
}

impl ConnectionStateChange {
    /// The line that is printed, with this text for the cause.
    pub(crate) fn line(&self, cause: Option<&str>) -> String {
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let wait = self.retry_in.map(|delay| format!("; attempt {} in {delay:.1?}", self.attempt));
        format!("{} -> {}{cause}{}", self.previous, self.current, wait.unwrap_or_default())
    }
}
