//! The rest of one batch, and the record of the entries that were dropped from it.

use std::{ops::Range, sync::Arc};

use crate::{Notification, event::Batch};

/// The entries of a batch that still wait, to be taken step by step.
#[derive(Debug)]
pub(crate) struct Segment {
    batch: Arc<Batch>,
    /// The number of entries that wait.
    left: usize,
    /// The average size of an entry in bytes. An entry that is taken or dropped frees this size, although the memory is
    /// freed with the whole batch. Otherwise only a whole batch could be dropped.
    entry_bytes: usize,
    /// The index of the next entry. The entries before it were taken, or reported as lost.
    next: usize,
    /// The end. Losses after it are reported by the next segment.
    end: usize,
    /// Entries outside this range were dropped, unless they must be kept.
    live: Range<usize>,
    /// The number of notifications that were dropped between the segment before and this one.
    lost_before: u64,
}

/// A step through a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The entry with this index in the batch.
    Entry(usize),
    /// This number of notifications was dropped here.
    Lost(u64),
}

impl Segment {
    pub fn new(batch: Arc<Batch>, lost_before: u64) -> Self {
        let left = batch.len();
        let entry_bytes = batch.bytes() / left.max(1);
        Self { batch, left, entry_bytes, next: 0, end: left, live: 0..left, lost_before }
    }

    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The number of entries that wait.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Whether there are no more steps.
    pub fn is_used_up(&self) -> bool {
        self.left == 0 && self.lost_before == 0 && self.next == self.end
    }

    pub fn bytes(&self) -> usize {
        self.entry_bytes * self.left
    }

    pub fn entry_bytes(&self) -> usize {
        self.entry_bytes
    }

    /// The next entry, or the loss before it. Adjacent losses are one loss, at the place where they happened.
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

    /// The loss, if the next step is one.
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

    /// Drops the oldest entry that may be dropped. Returns false if there is none.
    pub fn drop_first(&mut self) -> bool {
        let first = self.droppable().next();
        self.live.start = first.map_or(self.live.end, |index| index + 1);
        self.left -= usize::from(first.is_some());
        first.is_some()
    }

    /// Drops the newest entry that may be dropped. Returns false if there is none.
    pub fn drop_last(&mut self) -> bool {
        let last = self.droppable().next_back();
        self.live.end = last.unwrap_or(self.live.start);
        self.left -= usize::from(last.is_some());
        last.is_some()
    }

    /// Removes the loss after the last entry from this segment, and returns it. The next segment reports it.
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

    /// The entries that may be dropped and still wait.
    fn droppable(&self) -> impl DoubleEndedIterator<Item = usize> {
        let range = self.live.start.max(self.next)..self.live.end;
        range.filter(|index| !is_kept(&self.batch, *index))
    }

    /// Whether the entry is still to be delivered.
    fn waits(&self, index: usize) -> bool {
        self.live.contains(&index) || is_kept(&self.batch, index)
    }
}

/// State changes are dropped last.
pub(crate) fn is_kept(batch: &Batch, index: usize) -> bool {
    matches!(batch.notice(index), Some(Notification::ConnectionStateChange(_)))
}
