//! The state of the connection, as programs see it. Both errors and events name it.

use std::fmt;

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
    /// No connection could be made for [`Config::unavailable_timeout`](crate::Config::unavailable_timeout), 10 s by
    /// default. From then on this state replaces [`Reconnecting`](Self::Reconnecting) until there is a connection.
    /// Attempts go on by the [`Reconnect`](crate::Reconnect) policy.
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
