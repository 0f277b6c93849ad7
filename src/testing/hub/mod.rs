//! The state of the server: its connections, its subscriptions, and its records for tests.
//!
//! One lock protects all of it. No code blocks while it holds the lock: a message to a client goes to a queue, and a
//! socket is at most shut down. Each change wakes the threads that wait for a condition.

mod client_events;
mod connections;
pub(crate) mod core;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod state;
mod subscriptions;
mod users;
