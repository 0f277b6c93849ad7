//! What the client survives: broken networks, hostile servers, time. Run by `tests/survival/run`, in release, because a run
//! takes minutes.

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod close_codes;
mod figures;
mod hostile;
mod hostile_auth;
mod hostile_endpoint;
mod hostile_publisher;
mod hostile_server;
