//! What waits in the order in which it came, and what is dropped of it when it is too much. A plain data structure.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Item, Segment, Step, Taken,
    store::{Counts, Store},
};
use crate::event::Batch;

/// The notifications that wait, batch by batch, and what was lost between them.
pub(crate) struct Backlog {
    drops: Drops,
    /// Each has something to hand out.
    segments: VecDeque<Segment>,
    counts: Counts,
    /// Dropped, and not yet told, before the first segment and after the last.
    lost_first: u64,
    lost_last: u64,
}

/// What makes room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drops {
    Oldest,
    Newest,
}

impl Backlog {
    pub fn new(drops: Drops) -> Self {
        Self { drops, segments: VecDeque::new(), counts: Counts::default(), lost_first: 0, lost_last: 0 }
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
        self.counts.bytes -= segment.share();
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
        // What was lost meanwhile was lost after it.
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
        let mut places = 0..self.segments.len();
        let found = match self.drops {
            Drops::Oldest => places.find(|&place| self.segments[place].drop_first()),
            Drops::Newest => places.rfind(|&place| self.segments[place].drop_last()),
        };
        match found {
            Some(place) => self.dropped_in(place),
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

    /// One entry of that segment has been dropped. Of a segment that has nothing more to hand out, only the loss is kept.
    fn dropped_in(&mut self, place: usize) {
        let segment = &mut self.segments[place];
        self.counts.bytes -= segment.share();
        self.counts.len -= 1;
        self.counts.dropped += 1;
        if segment.left() == 0 {
            let lost = segment.cut_loss_at_the_end();
            self.segments.remove(place);
            match self.segments.get_mut(place) {
                Some(after) => after.lose_before(lost),
                None => self.lost_last += lost,
            }
        }
    }

    /// Even state changes go when nothing else is left, because a consumer that never looks must not cost ever more.
    fn drop_front(&mut self) -> bool {
        match self.pop() {
            Some(Item::Entry(..)) => {
                self.lost_first += 1;
                self.counts.dropped += 1;
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
}
