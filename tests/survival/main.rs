//! The survival suite: the client on broken networks, against hostile servers, and over a long time. Run it with
//! `tests/run survival`, in release, because a run takes minutes.

#[path = "../support/calls.rs"]
mod calls;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/mod.rs"]
mod support;

mod figures;

mod allocations;
mod attempts;
mod callers;
mod close_codes;
mod delivery;
mod fault_proxy;
mod faults;
mod hostile;
mod hostile_auth;
mod hostile_endpoint;
mod hostile_publisher;
mod hostile_server;
mod names;
mod netns;
mod resubscription;
mod secrets;
mod soak;
mod source;
mod test_client;
