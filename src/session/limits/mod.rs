//! Limits of servers: the pace of requests, and the messages without an answer.

pub(crate) mod pacing;
pub(crate) mod unanswered;
