//! What waits when only the newest event of each name counts. A plain data structure.

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
use crate::event::Batch;

/// The notifications that wait, in the order in which they came; of the events with one channel, one name and one sender, or
/// with one key of the program's own, only the newest. Senders are told apart because players who share a channel send their
/// positions by the same name. A client event whose sender the server does not name may be anybody's, so that none supersedes
/// it.
///
/// Each lies in a block of its own, so that a single position that nobody replaces does not hold the thousand that arrived
/// with it.
#[derive(Default)]
pub(crate) struct Latest {
    waiting: BTreeMap<u64, Slot>,
    /// Where the event waits that the next one like it supersedes.
    newest: HashMap<Like, u64>,
    last: u64,
    counts: Counts,
}

/// An event, equal to all events that supersede it.
struct Like(Arc<Batch>);

/// What waits in one place.
enum Slot {
    /// A batch of one.
    Entry(Arc<Batch>),
    /// So many were dropped here.
    Lost(u64),
}

impl Store for Latest {
    fn push(&mut self, batch: Arc<Batch>) {
        let survives = survivors(&batch);
        for (index, survives) in survives.into_iter().enumerate() {
            if survives {
                let alone = if batch.len() == 1 { Arc::clone(&batch) } else { Arc::new(batch.single(index)) };
                self.add(alone);
            } else {
                self.counts.superseded += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<Item> {
        match self.waiting.pop_first()?.1 {
            Slot::Lost(count) => Some(Item::Lagged(count)),
            Slot::Entry(alone) => {
                self.forget(&alone);
                Some(Item::Entry(alone, 0))
            }
        }
    }

    fn take(&mut self) -> Option<Taken> {
        self.pop().map(|item| match item {
            Item::Entry(alone, _) => Taken::Segment(Segment::new(alone, 0)),
            Item::Lagged(count) => Taken::Lagged(count),
        })
    }

    fn take_loss(&mut self) -> Option<u64> {
        let first = self.waiting.first_entry().filter(|first| matches!(first.get(), Slot::Lost(_)))?;
        match first.remove() {
            Slot::Lost(count) => Some(count),
            Slot::Entry(_) => None,
        }
    }

    fn put_back(&mut self, unused: Taken) {
        // What is put back was the first when it was taken out, so that the numbers before are free.
        let number = self.waiting.first_key_value().map_or(self.last, |(first, _)| first - 1);
        match unused {
            Taken::Segment(segment) if segment.left() == 0 => {}
            Taken::Segment(segment) => {
                let alone = Arc::clone(segment.batch());
                if key(&alone, 0).is_some() && self.newest.contains_key(&Like(Arc::clone(&alone))) {
                    self.counts.superseded += 1;
                } else {
                    self.insert(number, alone);
                }
            }
            Taken::Lagged(0) => {}
            Taken::Lagged(count) => {
                self.waiting.insert(number, Slot::Lost(count));
                self.merge_losses_at(number);
            }
        }
    }

    fn drop_one(&mut self) -> bool {
        let entry = |may: fn(&Batch) -> bool| {
            let mut entries = self.waiting.iter();
            entries.find_map(|(number, slot)| matches!(slot, Slot::Entry(alone) if may(alone)).then_some(*number))
        };
        let Some(number) = entry(|alone| !is_kept(alone, 0)).or_else(|| entry(|_| true)) else { return false };
        if let Some(Slot::Entry(alone)) = self.waiting.insert(number, Slot::Lost(1)) {
            self.forget(&alone);
            self.counts.dropped += 1;
        }
        self.merge_losses_at(number);
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
    fn add(&mut self, alone: Arc<Batch>) {
        self.last += 1;
        let older = key(&alone, 0).is_some().then(|| self.newest.remove(&Like(Arc::clone(&alone)))).flatten();
        if let Some(Slot::Entry(old)) = older.and_then(|number| self.waiting.remove(&number)) {
            self.counts.bytes -= weight(&old);
            self.counts.len -= 1;
            self.counts.superseded += 1;
        }
        self.insert(self.last, alone);
    }

    fn insert(&mut self, number: u64, alone: Arc<Batch>) {
        if key(&alone, 0).is_some() {
            self.newest.insert(Like(Arc::clone(&alone)), number);
        }
        self.counts.bytes += weight(&alone);
        self.counts.len += 1;
        self.waiting.insert(number, Slot::Entry(alone));
    }

    /// An entry does not wait any more.
    fn forget(&mut self, alone: &Arc<Batch>) {
        self.counts.bytes -= weight(alone);
        self.counts.len -= 1;
        if key(alone, 0).is_some() {
            self.newest.remove(&Like(Arc::clone(alone)));
        }
    }

    /// A loss next to another one is told in one.
    fn merge_losses_at(&mut self, number: u64) {
        let before = self.waiting.range(..number).next_back().map(|(number, _)| *number);
        let after = self.waiting.range(number + 1..).next().map(|(number, _)| *number);
        for neighbour in [before, after].into_iter().flatten() {
            if let Some(Slot::Lost(count)) = self.waiting.get(&neighbour) {
                let count = *count;
                self.waiting.remove(&neighbour);
                if let Some(Slot::Lost(own)) = self.waiting.get_mut(&number) {
                    *own += count;
                }
            }
        }
    }
}

impl Like {
    fn key(&self) -> Option<Key<'_>> {
        key(&self.0, 0)
    }
}

impl PartialEq for Like {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Like {}

impl Hash for Like {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The key by which a newer event supersedes an older one.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    /// The program says so.
    Own(&'a str),
    Alike {
        channel: Option<u64>,
        name: &'a str,
        sender: Option<&'a str>,
    },
}

/// `None` for entries that nothing supersedes: notices, and client events without a sender.
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

/// Which entries of a batch no later one of the same batch supersedes.
fn survivors(batch: &Batch) -> Vec<bool> {
    let mut newer = HashSet::new();
    let is_newest = |index| key(batch, index).is_none_or(|key| newer.insert(key));
    let mut survives: Vec<bool> = (0..batch.len()).rev().map(is_newest).collect();
    survives.reverse();
    survives
}

/// With the nodes of the maps.
fn weight(alone: &Batch) -> usize {
    const NODES: usize = 128;
    NODES + alone.bytes()
}
