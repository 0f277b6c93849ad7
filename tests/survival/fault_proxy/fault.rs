//! What can go wrong on the way between a client and its server, and where.

use std::time::Duration;

/// One row of a table of faults: the connection that comes to this point meets this action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) stage: Stage,
    pub(crate) cut: Cut,
    pub(crate) action: Action,
}

/// How far a connection has come. From `Request` on, all but `Idle` are named by the message that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The port is being connected to.
    Connecting,
    /// TCP is connected, and nothing has been sent.
    Accepted,
    /// The client asks for a WebSocket.
    Request,
    /// The server agrees to it.
    Response,
    /// `pusher:connection_established`.
    Established,
    /// `pusher:subscribe`, from the client.
    Subscribing,
    /// `pusher_internal:subscription_succeeded`.
    Confirming,
    /// Nothing is on its way.
    Idle,
    /// An application's event, from the server.
    Event,
    /// The client's close frame.
    Closing,
}

/// How much of the message passes before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
    /// So many bytes, and never more than there are.
    Byte(usize),
    /// A place inside, drawn by this seed.
    Drawn(u64),
}

/// What happens to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The connection ends by RST.
    Reset,
    /// The connection ends by FIN.
    Finish,
    /// Nothing passes any more, in neither direction, and both sockets stay open.
    Stall,
    /// One-way loss: what the server sends is swallowed.
    LoseToClient,
    /// One-way loss: what the client sends is swallowed.
    LoseToServer,
    /// The first byte after the cut has a bit flipped that HTTP and WebSocket both forbid.
    Corrupt,
    /// From now on a byte at a time goes to the client, after this pause.
    Drip(Duration),
    /// From now on everything that goes to the client is this late.
    Delay(Duration),
    /// The connection ends by RST and the port is closed, until [`reopen`](super::FaultProxy::reopen).
    Refuse,
    /// Nothing passes until [`release`](super::FaultProxy::release).
    Hold,
}

impl Cut {
    /// How many bytes of a message of this length pass.
    pub(super) fn of(self, length: usize) -> usize {
        match self {
            Self::Before => 0,
            Self::After => length,
            Self::Byte(n) => n.min(length),
            Self::Drawn(seed) => usize::try_from(seed % length.max(1) as u64).unwrap_or_default(),
        }
    }
}
