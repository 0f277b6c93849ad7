//! Everything that blocks or spawns. `docs/architecture.md` has the threads, the locks and the order of events.
//!
//! | module | contents |
//! |---|---|
//! | `core` | the state that all handles and threads of one client share |
//! | `driver` | the socket and the session under one lock |
//! | `intents` | the active intents for channels, and the posted requests of calls |
//! | `calls` | the calls of handles that post a request |
//! | `threads` | the reader, the heartbeat, the dispatch thread; their beginning and end |
//! | `dispatch` | handlers, and the way to run them |
//! | `queues` | from the session to the consumers: queues, and the snapshot for public calls |
//! | `auth` | permissions: endpoints, closures, signatures |
//! | `connect` | from a host name to an open WebSocket |
//! | `transport` | byte streams, TLS and WebSocket |
//! | `guard` | protection against user code: panics, forks, re-entrant calls, threads that do not end |

pub(crate) mod auth;
mod calls;
pub(crate) mod connect;
mod core;
mod dispatch;
mod driver;
pub(crate) mod guard;
mod intents;
#[cfg(all(test, shuttle))]
mod interleavings;
pub(crate) mod queues;
mod threads;
pub(crate) mod transport;

pub(crate) use core::Core;
pub(crate) use dispatch::{bindings::Scope, handlers};
pub(crate) use queues::snapshot_state::ChannelState;
