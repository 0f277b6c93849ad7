//! The contents of a queue, without locks and without bounds, and the parts in which it hands them out.

use std::sync::Arc;

use super::segment::Segment;
use crate::event::Batch;

/// The counters of a store.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// How many notifications wait.
    pub len: usize,
    /// About how many bytes of memory they hold.
    pub bytes: usize,
    /// How many notifications were dropped so far.
    pub dropped: u64,
    /// How many events were replaced by newer ones before anybody took them.
    pub superseded: u64,
}

/// What waits, and what was lost of it. How much may wait is the queue's affair.
pub(crate) trait Store: Send {
    fn push(&mut self, batch: Arc<Batch>);

    /// The next notification.
    fn pop(&mut self) -> Option<Item>;

    /// All that is left of the oldest batch.
    fn take(&mut self) -> Option<Taken>;

    /// The loss that comes next, if the next is one.
    fn take_loss(&mut self) -> Option<u64>;

    /// What was not used of a batch that was taken comes first again.
    fn put_back(&mut self, unused: Taken);

    /// Drops one notification, state changes last. False when nothing is left.
    fn drop_one(&mut self) -> bool;

    fn counts(&self) -> &Counts;

    /// Whether a loss is still to be told.
    fn has_loss(&self) -> bool;

    /// How many notifications wait. A report of a loss counts only when nothing else waits, so that a queue that has
    /// something to hand out is never empty.
    fn waiting(&self) -> usize {
        self.counts().len.max(usize::from(self.has_loss()))
    }
}

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
