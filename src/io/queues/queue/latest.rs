//! The contents of a queue that keeps only the newest event of each name. A plain data structure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{
    Item, Segment, Taken,
    segment::is_kept,
    store::{Counts, Store},
};
use crate::event::{Batch, IntentId};

/// The waiting notifications, in the order of arrival. Of the events with the same channel, name and sender, or with
/// the same key from the program, only the newest is kept. The sender counts because players who share a channel send
/// their positions by the same name. A client event without a sender may come from any user, so it replaces nothing.
///
/// Each event has a block of its own, so that a single old position does not keep the thousand events that arrived with
/// it.
#[derive(Default)]
pub(crate) struct Latest {
    waiting: BTreeMap<Place, Queued>,
    /// The place of the event that the next one with the same key replaces.
    newest: HashMap<ByKey, Place>,
    last: Place,
    counts: Counts,
}

/// A place in this queue. Later arrivals have higher numbers.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Place {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }

    fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

/// An event that is compared by its key alone.
struct ByKey(Arc<Batch>);

/// A waiting entry or a loss.
enum Queued {
    /// A batch of one entry.
    Entry(Arc<Batch>),
    /// This number of notifications was dropped here.
    Lost(u64),
}

impl Store for Latest {
    fn push(&mut self, batch: Arc<Batch>) {
        let survives = survivors(&batch);
        for (index, survives) in survives.into_iter().enumerate() {
            if survives {
                let single = if batch.len() == 1 { Arc::clone(&batch) } else { Arc::new(batch.single(index)) };
                self.add(single);
            } else {
                self.counts.superseded += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<Item> {
        match self.waiting.pop_first()?.1 {
            Queued::Lost(count) => Some(Item::Lagged(count)),
            Queued::Entry(single) => {
                self.forget(&single);
                Some(Item::Entry(single, 0))
            }
        }
    }

    fn take(&mut self) -> Option<Taken> {
        self.pop().map(|item| match item {
            Item::Entry(single, _) => Taken::Segment(Segment::new(single, 0)),
            Item::Lagged(count) => Taken::Lagged(count),
        })
    }

    fn take_loss(&mut self) -> Option<u64> {
        let first = self.waiting.first_entry().filter(|first| matches!(first.get(), Queued::Lost(_)))?;
        match first.remove() {
            Queued::Lost(count) => Some(count),
            Queued::Entry(_) => None,
        }
    }

    fn put_back(&mut self, unused: Taken) {
        // The entry was the first when it was taken, so the places before are free.
        let place = self.waiting.first_key_value().map_or(self.last, |(first, _)| first.previous());
        match unused {
            Taken::Segment(segment) if segment.left() == 0 => {}
            Taken::Segment(segment) => {
                let single = Arc::clone(segment.batch());
                if key(&single, 0).is_some() && self.newest.contains_key(&ByKey(Arc::clone(&single))) {
                    self.counts.superseded += 1;
                } else {
                    self.insert(place, single);
                }
            }
            Taken::Lagged(0) => {}
            Taken::Lagged(count) => {
                self.waiting.insert(place, Queued::Lost(count));
                self.merge_losses_at(place);
            }
        }
    }

    fn drop_one(&mut self) -> bool {
        let entry = |may: fn(&Batch) -> bool| {
            let mut entries = self.waiting.iter();
            entries.find_map(|(place, slot)| matches!(slot, Queued::Entry(single) if may(single)).then_some(*place))
        };
        let Some(place) = entry(|single| !is_kept(single, 0)).or_else(|| entry(|_| true)) else { return false };
        if let Some(Queued::Entry(single)) = self.waiting.insert(place, Queued::Lost(1)) {
            self.forget(&single);
            self.counts.dropped += 1;
        }
        self.merge_losses_at(place);
        true
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn has_loss(&self) -> bool {
        self.waiting.len() > self.counts.len
    }
}

impl Latest {
    fn add(&mut self, single: Arc<Batch>) {
        self.last = self.last.next();
        let older = key(&single, 0).is_some().then(|| self.newest.remove(&ByKey(Arc::clone(&single)))).flatten();
        if let Some(Queued::Entry(old)) = older.and_then(|place| self.waiting.remove(&place)) {
            self.counts.bytes -= entry_bytes(&old);
            self.counts.len -= 1;
            self.counts.superseded += 1;
        }
        self.insert(self.last, single);
    }

    fn insert(&mut self, place: Place, single: Arc<Batch>) {
        if key(&single, 0).is_some() {
            self.newest.insert(ByKey(Arc::clone(&single)), place);
        }
        self.counts.bytes += entry_bytes(&single);
        self.counts.len += 1;
        self.waiting.insert(place, Queued::Entry(single));
    }

    /// Updates the counters for an entry that was removed.
    fn forget(&mut self, single: &Arc<Batch>) {
        self.counts.bytes -= entry_bytes(single);
        self.counts.len -= 1;
        if key(single, 0).is_some() {
            self.newest.remove(&ByKey(Arc::clone(single)));
        }
    }

    /// Merges a loss with adjacent losses.
    fn merge_losses_at(&mut self, place: Place) {
        let before = self.waiting.range(..place).next_back().map(|(place, _)| *place);
        let after = self.waiting.range(place.next()..).next().map(|(place, _)| *place);
        for neighbour in [before, after].into_iter().flatten() {
            if let Some(Queued::Lost(count)) = self.waiting.get(&neighbour) {
                let count = *count;
                self.waiting.remove(&neighbour);
                if let Some(Queued::Lost(own)) = self.waiting.get_mut(&place) {
                    *own += count;
                }
            }
        }
    }
}

impl ByKey {
    fn key(&self) -> Option<Key<'_>> {
        key(&self.0, 0)
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The key by which a newer event replaces an older one.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    /// A key from the program.
    Own(&'a str),
    Alike {
        channel: Option<IntentId>,
        name: &'a str,
        sender: Option<&'a str>,
    },
}

/// `None` for entries that are never replaced: notices, and client events without a sender.
fn key(batch: &Batch, index: usize) -> Option<Key<'_>> {
    if batch.notice(index).is_some() {
        return None;
    }
    if let Some(key) = batch.own_key() {
        return Some(Key::Own(key));
    }
    let (name, sender) = (batch.name(index), batch.user_id(index));
    if name.starts_with("client-") && sender.is_none() {
        return None;
    }
    Some(Key::Alike { channel: batch.intent(index).map(|intent| intent.id()), name, sender })
}

/// For each entry of a batch, whether no later entry of the batch replaces it.
fn survivors(batch: &Batch) -> Vec<bool> {
    let mut newer = HashSet::new();
    let is_newest = |index| key(batch, index).is_none_or(|key| newer.insert(key));
    let mut survives: Vec<bool> = (0..batch.len()).rev().map(is_newest).collect();
    survives.reverse();
    survives
}

/// The size of an entry, including the nodes of the maps.
fn entry_bytes(single: &Batch) -> usize {
    const NODES: usize = 128;
    NODES + single.bytes()
}
