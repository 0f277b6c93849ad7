//! Brings events from the session to the program, by queues for handlers and receivers, and by the snapshot for public
//! calls.

pub(crate) mod fan_out;
pub(crate) mod queue;
pub(crate) mod snapshot;
pub(crate) mod snapshot_state;
