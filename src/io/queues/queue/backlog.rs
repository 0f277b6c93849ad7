//! The contents of a queue in the order of arrival, and a policy for drops. A plain data structure.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Item, Segment, Step, Taken,
    store::{Counts, Store},
};
use crate::event::Batch;

/// The waiting notifications, batch by batch, and the losses between them.
pub(crate) struct Backlog {
    drop_policy: DropPolicy,
    /// Each segment has at least one entry.
    segments: VecDeque<Segment>,
    counts: Counts,
    /// Losses that are not reported yet, before the first segment and after the last.
    lost_first: u64,
    lost_last: u64,
}

/// The notifications that are dropped to make room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DropPolicy {
    Oldest,
    Newest,
}

impl Backlog {
    pub fn new(drop_policy: DropPolicy) -> Self {
        Self { drop_policy, segments: VecDeque::new(), counts: Counts::default(), lost_first: 0, lost_last: 0 }
    }
}

impl Store for Backlog {
    fn push(&mut self, batch: Arc<Batch>) {
        let segment = Segment::new(batch, std::mem::take(&mut self.lost_last));
        self.counts.len += segment.left();
        self.counts.bytes += segment.bytes();
        self.segments.push_back(segment);
    }

    fn pop(&mut self) -> Option<Item> {
        let Some(segment) = self.segments.front_mut() else { return self.loss_at_the_end().map(Item::Lagged) };
        segment.lose_before(std::mem::take(&mut self.lost_first));
        let index = match segment.step()? {
            Step::Lost(count) => return Some(Item::Lagged(count)),
            Step::Entry(index) => index,
        };
        let batch = Arc::clone(segment.batch());
        self.counts.len -= 1;
        self.counts.bytes -= segment.entry_bytes();
        if segment.left() == 0 {
            self.lost_first = segment.cut_loss_at_the_end();
            self.segments.pop_front();
        }
        Some(Item::Entry(batch, index))
    }

    fn take(&mut self) -> Option<Taken> {
        let Some(mut segment) = self.segments.pop_front() else { return self.loss_at_the_end().map(Taken::Lagged) };
        segment.lose_before(std::mem::take(&mut self.lost_first));
        self.lost_first = segment.cut_loss_at_the_end();
        self.counts.bytes -= segment.bytes();
        self.counts.len -= segment.left();
        Some(Taken::Segment(segment))
    }

    fn take_loss(&mut self) -> Option<u64> {
        let Some(segment) = self.segments.front_mut() else { return self.loss_at_the_end() };
        segment.lose_before(std::mem::take(&mut self.lost_first));
        segment.take_loss()
    }

    fn put_back(&mut self, unused: Taken) {
        let segment = match unused {
            Taken::Lagged(count) => return self.lost_first += count,
            Taken::Segment(mut segment) if segment.left() == 0 => {
                return self.lost_first += segment.cut_loss_at_the_end();
            }
            Taken::Segment(segment) => segment,
        };
        // A loss since then comes after it.
        let lost = std::mem::take(&mut self.lost_first);
        match self.segments.front_mut() {
            Some(after) => after.lose_before(lost),
            None => self.lost_last += lost,
        }
        self.counts.len += segment.left();
        self.counts.bytes += segment.bytes();
        self.segments.push_front(segment);
    }

    fn drop_one(&mut self) -> bool {
        let mut indices = 0..self.segments.len();
        let found = match self.drop_policy {
            DropPolicy::Oldest => indices.find(|&index| self.segments[index].drop_first()),
            DropPolicy::Newest => indices.rfind(|&index| self.segments[index].drop_last()),
        };
        match found {
            Some(index) => self.dropped_in(index),
            None => return self.drop_front(),
        }
        true
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn has_loss(&self) -> bool {
        self.lost_first > 0 || self.lost_last > 0
    }
}

impl Backlog {
    fn loss_at_the_end(&mut self) -> Option<u64> {
        let lost = std::mem::take(&mut self.lost_first) + std::mem::take(&mut self.lost_last);
        (lost > 0).then_some(lost)
    }

    /// One entry of that segment was dropped. If no entry is left in it, only its loss is kept.
    fn dropped_in(&mut self, index: usize) {
        let segment = &mut self.segments[index];
        self.counts.bytes -= segment.entry_bytes();
        self.counts.len -= 1;
        self.counts.dropped += 1;
        if segment.left() == 0 {
            let lost = segment.cut_loss_at_the_end();
            self.segments.remove(index);
            match self.segments.get_mut(index) {
                Some(after) => after.lose_before(lost),
                None => self.lost_last += lost,
            }
        }
    }

    /// Drops state changes when nothing else is left, because a consumer that never reads must not use more and more
    /// memory.
    fn drop_front(&mut self) -> bool {
        match self.pop() {
            Some(Item::Entry(..)) => {
                self.lost_first += 1;
                self.counts.dropped += 1;
                true
            }
            Some(Item::Lagged(lost)) => {
                // This loss merges with the loss that is about to be added.
                let more = self.drop_front();
                self.lost_first += lost;
                more
            }
            None => false,
        }
    }
}
