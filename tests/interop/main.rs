//! This client and the official libraries interoperate, over a real server and over the embedded one.
//!
//! `tests/run interop` installs the server (soketi), the server SDK (`pusher` for Node) and the client (`pusher-js`),
//! builds the example `listen` and runs these tests. Plain `cargo test` does not run them, because they need Node.

mod backend;
mod client_events;
mod encrypted;
mod endpoint;
mod member;
mod message;
mod official_client;
mod presence;
mod process;
mod publisher;
mod recorder;
mod refused;
mod restart;
mod server;
mod soketi;
mod users;
