//! The channels that the user knows, and the requests of user calls to the session.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Weak},
};

use crate::{
    Name, SubscribeOptions,
    event::{Interest, Ticket},
    session::{Input, OwnOptions, ReadyAuth, Wish},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// The session follows up to this many wishes in one turn, so that neither the reader nor `disconnect` waits long for
/// the lock of the link.
const WISHES_PER_TURN: usize = 1000;

/// The calls and the wishes of all threads. Wishes are merged: a turn takes the last wish for each channel (S1),
/// however often it was changed meanwhile.
#[derive(Default)]
pub(crate) struct Registry {
    wishes: Mutex<Wishes>,
    /// Whether a turn has something to take: every turn asks, and most find nothing. Set before a user call returns.
    has_posted: AtomicBool,
}

#[derive(Default)]
struct Wishes {
    /// Every channel that a handle, a handler, a subscription or a queued event still names.
    known: HashMap<Name, Weak<Interest>>,
    /// By their numbers, so that a list of them has the order in which they became known.
    wanted: BTreeMap<u64, Arc<Interest>>,
    changed: BTreeMap<u64, Wish>,
    /// Calls to connect, to disconnect and to trigger, in their order.
    calls: Vec<Input<'static>>,
    /// The last call to sign in.
    sign_in: Option<Ticket>,
    last_id: u64,
    /// The options of wanted channels that have some of their own.
    own: HashMap<Name, Own>,
    last_options: u64,
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
        self.wishes.lock().want(self, interest, ready)
    }

    /// Wants a channel with options of its own. True when the heartbeat has to be told. Returns the earlier options, too:
    /// the caller drops them at the end, because the destructors of the program's closures may panic.
    pub(crate) fn want_with(&self, interest: &Arc<Interest>, options: SubscribeOptions) -> (bool, Option<Own>) {
        let options = Arc::new(options);
        let mut wishes = self.wishes.lock();
        wishes.last_options += 1;
        let own = Own { number: wishes.last_options, options };
        let replaced = wishes.own.insert(interest.name().clone(), own);
        (wishes.want(self, interest, None), replaced)
    }

    /// The own options of a wanted channel, if it has any.
    pub(crate) fn own_options(&self, channel: &str) -> Option<LentOptions> {
        self.wishes.lock().own.get(channel).map(|own| LentOptions(Some(Arc::clone(&own.options))))
    }

    /// Posts a call for the session. The caller notifies the heartbeat.
    pub(super) fn post(&self, call: Input<'static>) {
        let mut wishes = self.wishes.lock();
        wishes.calls.push(call);
        self.has_posted.store(true, Ordering::SeqCst);
    }

    /// Wants to be signed in. True when the heartbeat has to be told.
    pub(crate) fn want_sign_in(&self, ticket: Ticket) -> bool {
        let mut wishes = self.wishes.lock();
        // The last call, whichever of two threads comes here last.
        wishes.sign_in = wishes.sign_in.max(Some(ticket));
        self.is_first()
    }

    /// Does not want a channel any more. True when the heartbeat has to be told. The caller drops the options at the end.
    pub(crate) fn forget(&self, interest: &Arc<Interest>) -> (bool, Option<Own>) {
        let mut wishes = self.wishes.lock();
        wishes.wanted.remove(&interest.id());
        let options = wishes.own.remove(&**interest.name());
        (interest.forget() && self.note(&mut wishes, interest, None), options)
    }

    /// Withdraws all channels.
    pub(crate) fn forget_all(&self) -> Withdrawn {
        let mut wishes = self.wishes.lock();
        let withdrawn: Vec<_> = std::mem::take(&mut wishes.wanted).into_values().collect();
        let mut tell = false;
        for interest in &withdrawn {
            tell |= interest.forget() && self.note(&mut wishes, interest, None);
        }
        let options = std::mem::take(&mut wishes.own).into_values().collect();
        Withdrawn { interests: withdrawn, tell, options }
    }

    /// Whether there is something to [`take`](Self::take). Locks nothing.
    pub(super) fn has_posted(&self) -> bool {
        self.has_posted.load(Ordering::SeqCst)
    }

    /// Takes everything that user calls have posted, in the order in which the session is fed with it: the calls first,
    /// because a client event that was triggered before `unsubscribe` is sent before the channel is given up.
    pub(super) fn take(&self) -> Vec<Input<'static>> {
        let (mut inputs, sign_in, changed) = {
            let mut wishes = self.wishes.lock();
            self.has_posted.store(false, Ordering::SeqCst);
            (std::mem::take(&mut wishes.calls), wishes.sign_in.take(), std::mem::take(&mut wishes.changed))
        };
        inputs.extend(sign_in.map(Input::SignIn));
        let mut changed = changed.into_values().peekable();
        while changed.peek().is_some() {
            inputs.push(Input::Wishes(changed.by_ref().take(WISHES_PER_TURN).collect()));
        }
        inputs
    }

    pub(crate) fn wanted(&self) -> Vec<Arc<Interest>> {
        self.wishes.lock().wanted.values().cloned().collect()
    }

    fn note(&self, wishes: &mut Wishes, interest: &Arc<Interest>, ready: Option<ReadyAuth>) -> bool {
        let before = wishes.changed.remove(&interest.id()).and_then(|wish| wish.ready);
        // A permission stays good while the channel is wanted again and again, and goes with the wish.
        let ready = ready.or(before).filter(|_| interest.is_wanted());
        let own = wishes.own.get(&**interest.name()).map(Own::summary).unwrap_or_default();
        wishes.changed.insert(interest.id(), Wish { interest: Arc::clone(interest), ready, own });
        self.is_first()
    }

    /// Lets the next turn find the posted requests. True if they are the first ones, so that the heartbeat must be
    /// notified.
    fn is_first(&self) -> bool {
        !self.has_posted.swap(true, Ordering::SeqCst)
    }
}

/// The channels that were wanted until now.
pub(crate) struct Withdrawn {
    pub(crate) interests: Vec<Arc<Interest>>,
    /// The heartbeat has to be told.
    pub(crate) tell: bool,
    /// The caller drops them at the end.
    pub(crate) options: Vec<Own>,
}

/// The options of one channel, and the number that distinguishes them from earlier ones.
pub(crate) struct Own {
    number: u64,
    options: Arc<SubscribeOptions>,
}

impl Own {
    /// The part of the options that the session needs.
    fn summary(&self) -> OwnOptions {
        OwnOptions {
            authorizer: self.options.can_authorize().then_some(self.number),
            has_decoder: self.options.own_decoder().is_some(),
        }
    }
}

/// Options in use. If they were replaced meanwhile, this is the last owner of the program's closures.
pub(crate) struct LentOptions(Option<Arc<SubscribeOptions>>);

impl LentOptions {
    pub(crate) fn as_options(&self) -> Option<&SubscribeOptions> {
        self.0.as_deref()
    }
}

impl Drop for LentOptions {
    /// A panic in a destructor of the program must not end a thread of the client.
    fn drop(&mut self) {
        let options = self.0.take();
        if panic::catch_unwind(AssertUnwindSafe(|| drop(options))).is_err() {
            log::error!("the destructor of a closure in SubscribeOptions panicked");
        }
    }
}

impl Wishes {
    fn want(&mut self, registry: &Registry, interest: &Arc<Interest>, ready: Option<ReadyAuth>) -> bool {
        interest.want();
        self.wanted.insert(interest.id(), Arc::clone(interest));
        registry.note(self, interest, ready)
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
        assert!(!registry.forget(&room).0);
        assert!(!registry.want(&room, None));
        let changed = changed(&registry);
        assert_eq!(changed.len(), 1);
        assert!(changed[0].interest.is_wanted());
        assert!(!registry.has_posted() && registry.take().is_empty());
    }

    /// The wishes that a turn would take.
    fn changed(registry: &Registry) -> Vec<Wish> {
        let wishes = registry.take().into_iter().map(|input| match input {
            Input::Wishes(wishes) => wishes,
            other => panic!("nothing but wishes was posted: {other:?}"),
        });
        wishes.flatten().collect()
    }

    #[test]
    fn s11_calls_come_before_wishes_and_wishes_in_slices() {
        let registry = Registry::default();
        for n in 0..=WISHES_PER_TURN {
            registry.want(&registry.interest(&format!("room-{n}")), None);
        }
        registry.want_sign_in(Ticket(1));
        registry.post(Input::ReconnectNow);
        assert!(registry.has_posted());
        let taken = registry.take();
        let [Input::ReconnectNow, Input::SignIn(Ticket(1)), Input::Wishes(first), Input::Wishes(rest)] = &taken[..]
        else {
            panic!("{taken:?}");
        };
        assert_eq!((first.len(), rest.len()), (WISHES_PER_TURN, 1));
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
        assert!(changed(&registry)[0].ready.is_some());
        registry.want(&room, Some(ready()));
        registry.forget(&room);
        registry.want(&room, None);
        assert!(changed(&registry)[0].ready.is_none());
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
