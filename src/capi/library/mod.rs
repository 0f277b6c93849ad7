//! The library itself: its version, and its log.

pub(crate) mod log;
mod version;
