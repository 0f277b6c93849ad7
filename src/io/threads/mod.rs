//! The threads of a client.

pub(crate) mod heartbeat;
pub(crate) mod lifecycle;
#[cfg_attr(all(test, shuttle), path = "../interleavings/reader.rs")]
pub(crate) mod reader;
mod run_handlers;
