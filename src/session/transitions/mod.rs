//! The reactions of the session to calls of the program, messages of the server, answers of authorizers, and time.

mod connection;
mod inbound;
mod refusals;
mod user;
