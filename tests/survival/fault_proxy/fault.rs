//! The faults of a connection between a client and its server, and their places.

use std::time::Duration;

/// One row of a table of faults: the connection that reaches this point suffers this action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProxyFault {
    pub(crate) phase: Phase,
    pub(crate) cut: Cut,
    pub(crate) action: Action,
}

/// The progress of a connection. From `Request` on, each phase except `Idle` is the message that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The client connects to the port.
    Connecting,
    /// TCP is connected, and nothing was sent.
    Accepted,
    /// The client's upgrade request.
    Request,
    /// The server's answer to the upgrade request.
    Response,
    /// `pusher:connection_established`.
    Established,
    /// `pusher:subscribe` of the client.
    Subscribing,
    /// `pusher_internal:subscription_succeeded`.
    Confirming,
    /// No message is being sent.
    Idle,
    /// An application event of the server.
    Event,
    /// The close frame of the client.
    Closing,
}

/// The part of the message that passes before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
    /// This number of bytes, or the whole message if it is shorter.
    Byte(usize),
    /// A position in the message, chosen by this seed.
    Drawn(u64),
}

/// The action on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The connection ends by RST.
    Reset,
    /// The connection ends by FIN.
    Finish,
    /// No bytes pass in either direction, and both sockets stay open.
    Stall,
    /// One-way loss: bytes of the server are dropped.
    LoseToClient,
    /// One-way loss: bytes of the client are dropped.
    LoseToServer,
    /// A bit of the first byte after the cut is flipped. Both HTTP and WebSocket forbid the result.
    Corrupt,
    /// From now on, bytes pass to the client one at a time, each after this pause.
    Drip(Duration),
    /// From now on, all bytes to the client are late by this time.
    Delay(Duration),
    /// The connection ends by RST and the port is closed, until [`reopen`](super::FaultProxy::reopen).
    Refuse,
    /// No bytes pass until [`release`](super::FaultProxy::release).
    Hold,
}

impl Cut {
    /// The number of bytes of a message of this length that pass.
    pub(super) fn of(self, length: usize) -> usize {
        match self {
            Self::Before => 0,
            Self::After => length,
            Self::Byte(n) => n.min(length),
            Self::Drawn(seed) => usize::try_from(seed % length.max(1) as u64).unwrap_or_default(),
        }
    }
}
