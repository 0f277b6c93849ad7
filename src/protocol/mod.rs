//! Bytes to meaning and back. Pure functions: no state, no time, no I/O.
//!
//! The protocol is Pusher Channels protocol 7, as its documentation has it
//! (<https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/>) and as the servers speak it:
//! strict in what is sent, tolerant in what is accepted.

pub(crate) mod close;
mod escape;
pub(crate) mod finite;
mod flat;
pub(crate) mod frame;
pub(crate) mod grant;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod percent;
pub(crate) mod presence;
mod scalar;
mod scan;
pub(crate) mod sealed;
pub(crate) mod sign;
