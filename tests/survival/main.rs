//! What the client survives: broken networks, hostile servers, time. Run by `tests/survival/run`, in release, because a run
//! takes minutes.

#[path = "../support/mod.rs"]
mod support;

mod figures;
mod names;
