//! Parses and writes messages. Pure functions: no state, no time, no I/O.
//!
//! The protocol is Pusher Channels protocol 7, as in its documentation
//! (<https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/>) and as the servers implement
//! it. The client is strict in what it sends, and tolerant in what it accepts.

pub(crate) mod auth_response;
pub(crate) mod channel_name;
pub(crate) mod close_code;
pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod percent;
pub(crate) mod presence;
pub(crate) mod secretbox;
pub(crate) mod signature;
