//! The channels that the user knows, and what is wished of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use crate::{
    Name,
    event::{Interest, Ticket},
    session::{ReadyAuth, Wish},
    sync::Mutex,
};

/// The wishes of all threads, merged: what the heartbeat takes is the last wish for each channel (S1), however often it
/// was changed meanwhile.
#[derive(Default)]
pub(crate) struct Registry {
    wishes: Mutex<Wishes>,
}

#[derive(Default)]
struct Wishes {
    /// Every channel that a handle, a handler, a subscription or a queued event still names.
    known: HashMap<Name, Weak<Interest>>,
    /// By their numbers, so that a list of them has the order in which they became known.
    wanted: BTreeMap<u64, Arc<Interest>>,
    changed: BTreeMap<u64, Wish>,
    /// The last call to sign in.
    sign_in: Option<Ticket>,
    last_id: u64,
    /// `known` is swept when it has grown to this.
    sweep_at: usize,
}

impl Registry {
    /// The one interest of that name.
    pub(crate) fn interest(&self, name: &str) -> Arc<Interest> {
        let mut wishes = self.wishes.lock();
        if let Some(interest) = wishes.known.get(name).and_then(Weak::upgrade) {
            return interest;
        }
        wishes.last_id += 1;
        let interest = Interest::new(Interest::USER + wishes.last_id, name);
        wishes.sweep();
        wishes.known.insert(interest.name().clone(), Arc::downgrade(&interest));
        interest
    }

    /// Wants a channel, perhaps with a permission that the user has already. True when the heartbeat has to be told.
    pub(crate) fn want(&self, interest: &Arc<Interest>, ready: Option<ReadyAuth>) -> bool {
        let mut wishes = self.wishes.lock();
        interest.want();
        wishes.wanted.insert(interest.id(), Arc::clone(interest));
        wishes.note(interest, ready)
    }

    /// Wants to be signed in. True when the heartbeat has to be told.
    pub(crate) fn want_sign_in(&self, ticket: Ticket) -> bool {
        let mut wishes = self.wishes.lock();
        let first = wishes.is_empty();
        // The last call, whichever of two threads comes here last.
        wishes.sign_in = wishes.sign_in.max(Some(ticket));
        first
    }

    /// Does not want a channel any more. True when the heartbeat has to be told.
    pub(crate) fn forget(&self, interest: &Arc<Interest>) -> bool {
        let mut wishes = self.wishes.lock();
        wishes.wanted.remove(&interest.id());
        interest.forget() && wishes.note(interest, None)
    }

    /// Wants no channel any more. Returns those that were wanted, and true when the heartbeat has to be told.
    pub(crate) fn forget_all(&self) -> (Vec<Arc<Interest>>, bool) {
        let mut wishes = self.wishes.lock();
        let withdrawn: Vec<_> = std::mem::take(&mut wishes.wanted).into_values().collect();
        let mut tell = false;
        for interest in &withdrawn {
            tell |= interest.forget() && wishes.note(interest, None);
        }
        (withdrawn, tell)
    }

    /// The last wishes that have not been followed yet: to sign in, and about channels.
    pub(super) fn take_changed(&self) -> (Option<Ticket>, Vec<Wish>) {
        let mut wishes = self.wishes.lock();
        let changed = std::mem::take(&mut wishes.changed).into_values().collect();
        (wishes.sign_in.take(), changed)
    }

    pub(crate) fn wanted(&self) -> Vec<Arc<Interest>> {
        self.wishes.lock().wanted.values().cloned().collect()
    }
}

impl Wishes {
    fn note(&mut self, interest: &Arc<Interest>, ready: Option<ReadyAuth>) -> bool {
        let first = self.is_empty();
        let before = self.changed.remove(&interest.id()).and_then(|wish| wish.ready);
        // A permission stays good while the channel is wanted again and again, and goes with the wish.
        let ready = ready.or(before).filter(|_| interest.is_wanted());
        self.changed.insert(interest.id(), Wish { interest: Arc::clone(interest), ready });
        first
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.sign_in.is_none()
    }

    /// Forgets the names that nobody uses any more, so often that it costs nothing on average.
    fn sweep(&mut self) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, interest| interest.strong_count() > 0);
            self.sweep_at = 2 * self.known.len() + 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_the_last_wish_wins() {
        let registry = Registry::default();
        let room = registry.interest("room");
        assert!(registry.want(&room, None), "the heartbeat is told once");
        assert!(!registry.forget(&room));
        assert!(!registry.want(&room, None));
        let (_, changed) = registry.take_changed();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].interest.is_wanted());
        assert!(registry.take_changed().1.is_empty());
    }

    fn ready() -> ReadyAuth {
        ReadyAuth { auth: crate::ChannelAuth::new("k:s"), socket_id: None }
    }

    #[test]
    fn a4_a_ready_permission_goes_with_its_wish() {
        let registry = Registry::default();
        let room = registry.interest("private-room");
        registry.want(&room, Some(ready()));
        registry.want(&room, None);
        assert!(registry.take_changed().1[0].ready.is_some());
        registry.want(&room, Some(ready()));
        registry.forget(&room);
        registry.want(&room, None);
        assert!(registry.take_changed().1[0].ready.is_none());
    }

    #[test]
    fn s2_one_name_is_one_channel() {
        let registry = Registry::default();
        let (a, b) = (registry.interest("room"), registry.interest("room"));
        assert!(Arc::ptr_eq(&a, &b));
    }

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let registry = Registry::default();
        let kept = registry.interest("kept");
        for n in 0..10_000 {
            registry.interest(&format!("room-{n}"));
        }
        assert!(registry.wishes.lock().known.len() < 100);
        assert!(Arc::ptr_eq(&kept, &registry.interest("kept")));
    }
}
