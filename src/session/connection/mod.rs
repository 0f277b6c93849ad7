//! The state of the connection: its phase, the delays between attempts, the signs of life.

pub(crate) mod backoff;
pub(crate) mod liveness;
pub(crate) mod phase;
