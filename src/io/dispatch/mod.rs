//! Runs the handlers.

pub(crate) mod bindings;
pub(crate) mod dispatcher;
pub(crate) mod handlers;
pub(crate) mod remaining;
