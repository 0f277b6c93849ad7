//! The reactions of the session: to user calls, to the messages of the server, to answers and to time.

mod connection;
mod inbound;
mod refusals;
mod user;
