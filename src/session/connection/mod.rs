//! The state of the connection: its phase, the delays between attempts to connect, and the detection of a dead peer.

pub(crate) mod backoff;
pub(crate) mod liveness;
pub(crate) mod phase;
