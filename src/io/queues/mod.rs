//! The way of events from the session to the program: queues for handlers and receivers, and the snapshot for public
//! calls.

pub(crate) mod fan_out;
pub(crate) mod queue;
pub(crate) mod snapshot;
pub(crate) mod snapshot_state;
