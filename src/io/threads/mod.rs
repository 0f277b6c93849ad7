//! The threads of a client, and their beginning and end.

mod dispatch;
pub(crate) mod heartbeat;
pub(crate) mod lifecycle;
#[cfg_attr(all(test, shuttle), path = "../interleavings/reader.rs")]
pub(crate) mod reader;
