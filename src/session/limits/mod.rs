//! Limits of servers: the pace of requests, and the requests without an answer.

pub(crate) mod pacing;
pub(crate) mod unanswered;
