//! Connections: the port, the requests of each TCP connection, and WebSockets.

#[cfg(any(fuzzing, test))]
pub(crate) mod in_memory;
pub(crate) mod listener;
mod messages;
mod requests;
mod websocket;
