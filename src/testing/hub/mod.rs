//! What the server knows: its connections, who subscribed to what, and what happened so far.
//!
//! All of it is behind one lock. Nothing blocks while holding it: sending is to put shared bytes into a queue, and a
//! socket is only ever shut down under it. Whatever changes wakes those who wait for a condition.

mod client_events;
mod connections;
pub(crate) mod core;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod state;
mod subscriptions;
mod users;
