//! From the session to the consumers: queues for handlers and receivers, and the snapshot for user calls.

pub(crate) mod facts;
pub(crate) mod fan_out;
pub(crate) mod queue;
pub(crate) mod snapshot;
