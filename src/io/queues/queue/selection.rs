//! Which notifications a receiver is for.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Notification, NotificationKind,
    event::{Batch, Intent, Kinds},
};

/// What a receiver wants of all that happens. What it does not want never gets into its queue.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// Kept, not only its number, so that the number is not given to another channel.
    channel: Option<Arc<Intent>>,
    kinds: Kinds,
    /// The names of the application events that are wanted; `None` for all.
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

    /// The part of a batch that is wanted, in a block of its own: a queue should not hold what nobody will get from it.
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
        // The user's decoder may fail on it when it is handed out.
        let may_fail = batch.encoded(index).is_some() && self.kinds.has(NotificationKind::DecryptionFailure);
        self.kinds.has(kind) || may_fail
    }

    /// Whether it is wanted, now that it is known what it is.
    pub fn wants(&self, notification: &Notification) -> bool {
        self.kinds.has(notification.kind())
    }
}
