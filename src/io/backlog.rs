//! What waits in a queue, and what is dropped of it when it is too much. A plain data structure.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use crate::{Notification, event::Batch};

/// The notifications that wait, batch by batch, and what was lost between them.
#[derive(Default)]
pub(super) struct Backlog {
    segments: VecDeque<Segment>,
    len: usize,
    bytes: usize,
    dropped: u64,
    /// Dropped, and not yet told, before the first segment and after the last.
    lost_first: u64,
    lost_last: u64,
}

/// What is left of one batch.
#[derive(Debug)]
pub(crate) struct Segment {
    batch: Arc<Batch>,
    /// How many entries are still to be handed out.
    left: usize,
    /// The bytes of one entry on average. They count as given back with the entry, although the batch goes as a whole:
    /// otherwise nothing less than a whole batch could be dropped.
    share: usize,
    next: usize,
    /// The entries outside this range are dropped, unless they must be kept.
    live: Range<usize>,
    /// How many notifications were dropped between this segment and the one before.
    lost_before: u64,
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

impl Taken {
    /// How many notifications that is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.left,
            Self::Lagged(_) => 1,
        }
    }
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many notifications were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn push(&mut self, batch: &Arc<Batch>) {
        let lost_before = std::mem::take(&mut self.lost_last);
        let (batch, left) = (Arc::clone(batch), batch.len());
        let share = batch.bytes() / left.max(1);
        self.segments.push_back(Segment { batch, left, share, next: 0, live: 0..left, lost_before });
        self.len += left;
        self.bytes += share * left;
    }

    /// How many notifications wait. A report of a loss counts only when nothing else waits, so that a queue that has
    /// something to hand out is never empty.
    pub(super) fn waiting(&self) -> usize {
        self.len.max(usize::from(self.lost_first > 0 || self.lost_last > 0))
    }

    /// The next notification.
    pub(super) fn pop(&mut self) -> Option<Item> {
        while let Some(segment) = self.segments.front_mut() {
            if let Some(lost) = lost(&mut self.lost_first, segment) {
                return Some(Item::Lagged(lost));
            }
            let Some(index) = segment.entries().next() else {
                self.finish_front();
                continue;
            };
            segment.next = index + 1;
            segment.left -= 1;
            self.len -= 1;
            self.bytes -= segment.share;
            let batch = Arc::clone(&segment.batch);
            if segment.is_spent() {
                self.finish_front();
            }
            return Some(Item::Entry(batch, index));
        }
        self.lost_at_the_end().map(Item::Lagged)
    }

    /// All that is left of the oldest batch.
    pub(super) fn take(&mut self) -> Option<Taken> {
        if let Some(segment) = self.segments.front_mut() {
            if let Some(lost) = lost(&mut self.lost_first, segment) {
                return Some(Taken::Lagged(lost));
            }
        }
        match self.segments.pop_front() {
            Some(segment) => {
                self.bytes -= segment.share * segment.left;
                self.len -= segment.left;
                Some(Taken::Segment(segment))
            }
            None => self.lost_at_the_end().map(Taken::Lagged),
        }
    }

    fn lost_at_the_end(&mut self) -> Option<u64> {
        let lost = std::mem::take(&mut self.lost_first) + std::mem::take(&mut self.lost_last);
        (lost > 0).then_some(lost)
    }

    fn finish_front(&mut self) {
        self.segments.pop_front();
    }

    /// Drops the oldest entry that may be dropped; when there is none, the oldest of all. False when nothing is left.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let Some(found) = self.segments.iter().position(Segment::has_droppable) else { return self.drop_front() };
        let segment = &mut self.segments[found];
        segment.drop_first();
        segment.lost_before += 1;
        self.bytes -= segment.share;
        self.len -= 1;
        self.dropped += 1;
        if segment.is_spent() {
            self.remove(found);
        }
        true
    }

    /// Even state changes go when nothing else is left, because a consumer that never looks must not cost ever more.
    fn drop_front(&mut self) -> bool {
        match self.pop() {
            Some(Item::Entry(..)) => {
                self.lost_first += 1;
                self.dropped += 1;
                true
            }
            Some(Item::Lagged(lost)) => {
                // Reports of losses merge with the loss that is about to be added.
                let more = self.drop_front();
                self.lost_first += lost;
                more
            }
            None => false,
        }
    }

    /// Drops the newest entry that may be dropped; when there is none, the oldest of all.
    pub(super) fn drop_newest(&mut self) -> bool {
        let Some(found) = self.segments.iter().rposition(Segment::has_droppable) else { return self.drop_front() };
        self.segments[found].drop_last();
        self.bytes -= self.segments[found].share;
        self.len -= 1;
        self.dropped += 1;
        match self.segments.get_mut(found + 1) {
            Some(after) => after.lost_before += 1,
            None => self.lost_last += 1,
        }
        if self.segments[found].is_spent() {
            self.remove(found);
        }
        true
    }

    /// Removes a segment of which nothing is left; what was lost is told where it stood.
    fn remove(&mut self, found: usize) {
        let Some(segment) = self.segments.remove(found) else { return };
        match self.segments.get_mut(found) {
            Some(after) => after.lost_before += segment.lost_before,
            None => self.lost_last += segment.lost_before,
        }
    }
}

impl Segment {
    pub(crate) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The entries that are still to be handed out.
    pub(crate) fn entries(&self) -> impl Iterator<Item = usize> {
        let kept = |range: Range<usize>| range.filter(|index| is_kept(&self.batch, *index));
        let live = self.live.start.max(self.next)..self.live.end.max(self.next);
        kept(self.next..live.start).chain(live.clone()).chain(kept(live.end..self.batch.len()))
    }

    /// The entries that may be dropped and have neither been dropped nor handed out.
    fn droppable(&self) -> impl DoubleEndedIterator<Item = usize> {
        let range = self.live.start.max(self.next)..self.live.end;
        range.filter(|index| !is_kept(&self.batch, *index))
    }

    fn has_droppable(&self) -> bool {
        self.droppable().next().is_some()
    }

    fn drop_first(&mut self) {
        let first = self.droppable().next();
        self.left -= usize::from(first.is_some());
        self.live.start = first.map_or(self.live.end, |index| index + 1);
    }

    fn drop_last(&mut self) {
        let last = self.droppable().next_back();
        self.left -= usize::from(last.is_some());
        self.live.end = last.unwrap_or(self.live.start);
    }

    /// Nothing of the batch will be handed out any more.
    fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// The loss that is to be told before the next entry of the first segment, if there is one.
fn lost(lost_first: &mut u64, segment: &mut Segment) -> Option<u64> {
    let lost = std::mem::take(lost_first) + std::mem::take(&mut segment.lost_before);
    (lost > 0).then_some(lost)
}

/// State changes are not dropped before anything else.
fn is_kept(batch: &Batch, index: usize) -> bool {
    matches!(batch.notice(index), Some(Notification::ConnectionStateChange(_)))
}
