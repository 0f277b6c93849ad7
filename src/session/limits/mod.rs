//! Limits of servers: how fast requests are sent, and which request a refusal belongs to.

pub(crate) mod pacing;
pub(crate) mod refusals;
pub(crate) mod unanswered;
