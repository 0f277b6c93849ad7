//! The selection of notifications for one receiver.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Notification, NotificationKind,
    event::{Batch, Intent, Kinds},
};

/// The notifications that a receiver wants. Others never get into its queue.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// The intent is kept, and not only its id, so that no other channel gets the same id.
    channel: Option<Arc<Intent>>,
    kinds: Kinds,
    /// The names of the wanted application events; `None` for all.
    events: Option<Arc<HashSet<Box<str>>>>,
}

impl Selection {
    pub fn new(channel: Option<Arc<Intent>>, kinds: Kinds) -> Self {
        Self { channel, kinds, events: None }
    }

    /// Limits the application events to those with these names.
    pub fn of_events(self, events: Option<Arc<HashSet<Box<str>>>>) -> Self {
        Self { events, ..self }
    }

    pub fn everything() -> Self {
        Self::new(None, Kinds::ALL)
    }

    /// The wanted part of a batch, in a block of its own, so that a queue does not keep unwanted entries.
    pub fn part_of(&self, batch: &Arc<Batch>) -> Option<Arc<Batch>> {
        if self.channel.is_none() && self.kinds == Kinds::ALL && self.events.is_none() {
            return Some(Arc::clone(batch)).filter(|batch| batch.len() > 0);
        }
        let wanted: Vec<usize> = (0..batch.len()).filter(|&index| self.admits(batch, index)).collect();
        match wanted.len() {
            0 => None,
            all if all == batch.len() => Some(Arc::clone(batch)),
            _ => Some(Arc::new(batch.pick(&wanted))),
        }
    }

    fn admits(&self, batch: &Batch, index: usize) -> bool {
        let channel = self.channel.as_ref().map(|channel| channel.id());
        if channel.is_some() && batch.intent(index).map(|intent| intent.id()) != channel {
            return false;
        }
        let is_event = batch.notice(index).is_none();
        if is_event && self.events.as_ref().is_some_and(|events| !events.contains(batch.name(index))) {
            return false;
        }
        let kind = batch.notice(index).map_or(NotificationKind::Event, Notification::kind);
        // The decoder of the program may fail when the event is taken.
        let may_fail = batch.encoded(index).is_some() && self.kinds.has(NotificationKind::DecryptionFailure);
        self.kinds.has(kind) || may_fail
    }

    /// Whether a notification is wanted, now that its kind is known.
    pub fn wants(&self, notification: &Notification) -> bool {
        self.kinds.has(notification.kind())
    }
}
