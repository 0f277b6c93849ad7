//! What is left of one batch, and what of it was dropped.

use std::{ops::Range, sync::Arc};

use crate::{Notification, event::Batch};

/// The entries of a batch that are still to be handed out, one step after another.
#[derive(Debug)]
pub(crate) struct Segment {
    batch: Arc<Batch>,
    /// How many entries are still to be handed out.
    left: usize,
    /// The bytes of one entry on average. They count as given back with the entry, although the batch goes as a whole:
    /// otherwise nothing less than a whole batch could be dropped.
    share: usize,
    /// The entries before this one have been handed out, or told as lost.
    next: usize,
    /// What follows is told as lost elsewhere.
    end: usize,
    /// The entries outside this range are dropped, unless they must be kept.
    live: Range<usize>,
    /// How many notifications were dropped between this segment and the one before.
    lost_before: u64,
}

/// What a segment hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The entry with this index in the batch.
    Entry(usize),
    /// So many were dropped here.
    Lost(u64),
}

impl Segment {
    pub fn new(batch: Arc<Batch>, lost_before: u64) -> Self {
        let left = batch.len();
        let share = batch.bytes() / left.max(1);
        Self { batch, left, share, next: 0, end: left, live: 0..left, lost_before }
    }

    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// How many entries are still to be handed out.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Whether all steps have been made.
    pub fn is_used_up(&self) -> bool {
        self.left == 0 && self.lost_before == 0 && self.next == self.end
    }

    pub fn bytes(&self) -> usize {
        self.share * self.left
    }

    pub fn share(&self) -> usize {
        self.share
    }

    /// The next entry, or the loss that is to be told before it. A loss is told in one, where it happened.
    pub fn step(&mut self) -> Option<Step> {
        let mut lost = std::mem::take(&mut self.lost_before);
        while self.next < self.end {
            if !self.waits(self.next) {
                lost += 1;
                self.next += 1;
            } else if lost > 0 {
                break;
            } else {
                self.left -= 1;
                self.next += 1;
                return Some(Step::Entry(self.next - 1));
            }
        }
        (lost > 0).then_some(Step::Lost(lost))
    }

    /// The loss that comes next, if the next step is one.
    pub fn take_loss(&mut self) -> Option<u64> {
        let has_lost = self.lost_before > 0 || (self.next < self.end && !self.waits(self.next));
        match has_lost.then(|| self.step())? {
            Some(Step::Lost(count)) => Some(count),
            _ => None,
        }
    }

    pub fn lose_before(&mut self, count: u64) {
        self.lost_before += count;
    }

    /// Drops the oldest entry that may be dropped. False when there is none.
    pub fn drop_first(&mut self) -> bool {
        let first = self.droppable().next();
        self.live.start = first.map_or(self.live.end, |index| index + 1);
        self.left -= usize::from(first.is_some());
        first.is_some()
    }

    /// Drops the newest entry that may be dropped. False when there is none.
    pub fn drop_last(&mut self) -> bool {
        let last = self.droppable().next_back();
        self.live.end = last.unwrap_or(self.live.start);
        self.left -= usize::from(last.is_some());
        last.is_some()
    }

    /// What was dropped after the last entry that is handed out, to be told before what follows.
    pub fn cut_loss_at_the_end(&mut self) -> u64 {
        let first = (self.next..self.end).rev().take_while(|index| !self.waits(*index)).last();
        let Some(first) = first else { return 0 };
        let mut lost = (self.end - first) as u64;
        self.end = first;
        if self.left == 0 {
            lost += std::mem::take(&mut self.lost_before);
        }
        lost
    }

    /// The entries that may be dropped and have neither been dropped nor handed out.
    fn droppable(&self) -> impl DoubleEndedIterator<Item = usize> {
        let range = self.live.start.max(self.next)..self.live.end;
        range.filter(|index| !is_kept(&self.batch, *index))
    }

    /// Whether the entry is to be handed out.
    fn waits(&self, index: usize) -> bool {
        self.live.contains(&index) || is_kept(&self.batch, index)
    }
}

/// State changes are not dropped before anything else.
pub(crate) fn is_kept(batch: &Batch, index: usize) -> bool {
    matches!(batch.notice(index), Some(Notification::ConnectionStateChange(_)))
}
