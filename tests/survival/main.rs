//! What the client survives: broken networks, hostile servers, time. Run by `tests/survival/run`, in release, because a run
//! takes minutes.

#[path = "../support/mod.rs"]
mod support;

mod figures;

mod allocations;
mod attempts;
mod callers;
mod delivery;
mod fault_proxy;
mod faults;
mod names;
mod netns;
mod resubscription;
mod secrets;
mod soak;
mod source;
mod subject;
