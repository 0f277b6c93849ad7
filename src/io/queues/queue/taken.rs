//! What a queue hands out, and why it hands out nothing.

use std::sync::Arc;

use super::Segment;
use crate::event::Batch;

/// What a queue hands out.
#[derive(Debug)]
pub(crate) enum Item {
    /// One entry of a batch.
    Entry(Arc<Batch>, usize),
    /// So many were dropped here.
    Lagged(u64),
}

/// What a queue hands out to a consumer that takes whole batches.
#[derive(Debug)]
pub(crate) enum Taken {
    Segment(Segment),
    Lagged(u64),
}

/// Why a queue hands out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing waits.
    Empty,
    /// Nothing waits, and nothing will come any more.
    Closed,
    /// Nothing waits, but the consumer was called by [`Queue::wake`](super::Queue::wake).
    Woken,
}

impl Taken {
    /// Whether there is nothing more to come of it.
    pub fn is_used_up(&self) -> bool {
        match self {
            Self::Segment(segment) => segment.is_used_up(),
            Self::Lagged(count) => *count == 0,
        }
    }
}
