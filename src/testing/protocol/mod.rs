//! The messages of clients and of the server, without sockets and without state.

pub(crate) mod channel_kind;
pub(crate) mod client_event;
pub(crate) mod client_message;
pub(crate) mod frames;
pub(crate) mod presence;
pub(crate) mod refusal;
pub(crate) mod watchlist;
