//! The contents of a queue, without locks and limits, and the types in which they are taken.

use std::sync::Arc;

use super::segment::Segment;
use crate::event::Batch;

/// The counters of a store.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The number of waiting notifications.
    pub len: usize,
    /// About how many bytes of memory they hold.
    pub bytes: usize,
    /// The number of dropped notifications.
    pub dropped: u64,
    /// The number of events that newer ones replaced before they were taken.
    pub superseded: u64,
}

/// The waiting notifications, and the losses among them. The queue enforces the limits.
pub(crate) trait Store: Send {
    fn push(&mut self, batch: Arc<Batch>);

    /// The next notification.
    fn pop(&mut self) -> Option<Item>;

    /// The rest of the oldest batch.
    fn take(&mut self) -> Option<Taken>;

    /// The loss, if a loss is next.
    fn take_loss(&mut self) -> Option<u64>;

    /// Returns the unused part of a batch to the front.
    fn put_back(&mut self, unused: Taken);

    /// Drops one notification, state changes last. Returns false if nothing is left.
    fn drop_one(&mut self) -> bool;

    fn counts(&self) -> &Counts;

    /// Whether a loss is still to be reported.
    fn has_loss(&self) -> bool;

    /// The number of waiting notifications. A loss counts only if nothing else waits, so that a queue with a loss to
    /// report is not empty.
    fn waiting(&self) -> usize {
        self.counts().len.max(usize::from(self.has_loss()))
    }
}

/// An item of a queue.
#[derive(Debug)]
pub(crate) enum Item {
    /// One entry of a batch.
    Entry(Arc<Batch>, usize),
    /// This number of notifications was dropped here.
    Lagged(u64),
}

/// A part of a queue, for a consumer that takes whole batches.
#[derive(Debug)]
pub(crate) enum Taken {
    Segment(Segment),
    Lagged(u64),
}

/// The reason why a queue has no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PopError {
    /// Nothing waits.
    Empty,
    /// Nothing waits, and nothing will come.
    Closed,
    /// Nothing waits, but [`Queue::wake`](super::Queue::wake) was called.
    Woken,
}

impl Taken {
    /// Whether everything of it was used.
    pub fn is_used_up(&self) -> bool {
        match self {
            Self::Segment(segment) => segment.is_used_up(),
            Self::Lagged(count) => *count == 0,
        }
    }
}
