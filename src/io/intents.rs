//! The channels that the user knows, and the requests of user calls to the session.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use crate::{
    Name,
    config::ChannelPlan,
    delivery::CallId,
    event::Intent,
    io::guard::user_code,
    session::{Input, IntentChange, OwnOptions, ReadyAuth},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// The session follows up to this many wishes in one turn, so that neither the reader nor `disconnect` waits long for
/// the lock of the driver.
const WISHES_PER_TURN: usize = 1000;

/// The calls and the wishes of all threads. IntentTable are merged: a turn takes the last wish for each channel (S1),
/// however often it was changed meanwhile.
#[derive(Default)]
pub(crate) struct Intents {
    wishes: Mutex<IntentTable>,
    /// Whether a turn has something to take: every turn asks, and most find nothing. Set before a user call returns.
    has_posted: AtomicBool,
}

#[derive(Default)]
struct IntentTable {
    /// Every channel that a handle, a handler, a subscription or a queued event still names.
    known: HashMap<Name, Weak<Intent>>,
    /// By their numbers, so that a list of them has the order in which they became known.
    wanted: BTreeMap<u64, Arc<Intent>>,
    changed: BTreeMap<u64, IntentChange>,
    /// Calls to connect, to disconnect and to trigger, in their order.
    calls: Vec<Input<'static>>,
    /// The last call to sign in.
    sign_in: Option<CallId>,
    last_id: u64,
    /// The options of wanted channels that have some of their own.
    own: HashMap<Name, Own>,
    last_options: u64,
    /// `known` is swept when it has grown to this.
    sweep_at: usize,
}

impl Intents {
    /// The one intent of that name.
    pub fn intent(&self, name: &str) -> Arc<Intent> {
        let mut wishes = self.wishes.lock();
        if let Some(intent) = wishes.known.get(name).and_then(Weak::upgrade) {
            return intent;
        }
        wishes.last_id += 1;
        let intent = Intent::new(Intent::USER + wishes.last_id, name);
        wishes.sweep();
        wishes.known.insert(intent.name().clone(), Arc::downgrade(&intent));
        intent
    }

    /// Wants a channel, perhaps with a permission that the user has already. True when the heartbeat has to be told.
    pub fn want(&self, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> bool {
        self.wishes.lock().want(self, intent, ready)
    }

    /// Wants a channel with options of its own. True when the heartbeat has to be told. Returns the earlier options, too:
    /// the caller drops them at the end, because the destructors of the program's closures may panic.
    pub fn want_with(&self, intent: &Arc<Intent>, options: ChannelPlan) -> (bool, Option<Own>) {
        let options = Arc::new(options);
        let mut wishes = self.wishes.lock();
        wishes.last_options += 1;
        let own = Own { number: wishes.last_options, options };
        let replaced = wishes.own.insert(intent.name().clone(), own);
        (wishes.want(self, intent, None), replaced)
    }

    /// The own options of a wanted channel, if it has any.
    pub fn own_options(&self, channel: &str) -> Option<LentOptions> {
        self.wishes.lock().own.get(channel).map(|own| LentOptions(Some(Arc::clone(&own.options))))
    }

    /// Posts a call for the session. The caller notifies the heartbeat.
    pub fn post(&self, call: Input<'static>) {
        let mut wishes = self.wishes.lock();
        wishes.calls.push(call);
        self.has_posted.store(true, Ordering::SeqCst);
    }

    /// Wants to be signed in. True when the heartbeat has to be told.
    pub fn want_sign_in(&self, call: CallId) -> bool {
        let mut wishes = self.wishes.lock();
        // The last call, whichever of two threads comes here last.
        wishes.sign_in = wishes.sign_in.max(Some(call));
        self.is_first()
    }

    /// Does not want a channel any more. True when the heartbeat has to be told. The caller drops the options at the end.
    pub fn forget(&self, intent: &Arc<Intent>) -> (bool, Option<Own>) {
        let mut wishes = self.wishes.lock();
        wishes.wanted.remove(&intent.id());
        let options = wishes.own.remove(&**intent.name());
        (intent.withdraw() && self.note(&mut wishes, intent, None), options)
    }

    /// Withdraws all channels.
    pub fn forget_all(&self) -> Withdrawn {
        let mut wishes = self.wishes.lock();
        let withdrawn: Vec<_> = std::mem::take(&mut wishes.wanted).into_values().collect();
        let mut tell = false;
        for intent in &withdrawn {
            tell |= intent.withdraw() && self.note(&mut wishes, intent, None);
        }
        let options = std::mem::take(&mut wishes.own).into_values().collect();
        Withdrawn { intents: withdrawn, tell, options }
    }

    /// Whether there is something to [`take`](Self::take). Locks nothing.
    pub fn has_posted(&self) -> bool {
        self.has_posted.load(Ordering::SeqCst)
    }

    /// Takes everything that user calls have posted, in the order in which the session is fed with it: the calls first,
    /// because a client event that was triggered before `unsubscribe` is sent before the channel is given up.
    pub fn take(&self) -> Vec<Input<'static>> {
        let (mut inputs, sign_in, changed) = {
            let mut wishes = self.wishes.lock();
            self.has_posted.store(false, Ordering::SeqCst);
            (std::mem::take(&mut wishes.calls), wishes.sign_in.take(), std::mem::take(&mut wishes.changed))
        };
        inputs.extend(sign_in.map(Input::SignIn));
        let mut changed = changed.into_values().peekable();
        while changed.peek().is_some() {
            inputs.push(Input::IntentChanges(changed.by_ref().take(WISHES_PER_TURN).collect()));
        }
        inputs
    }

    pub fn wanted(&self) -> Vec<Arc<Intent>> {
        self.wishes.lock().wanted.values().cloned().collect()
    }

    fn note(&self, wishes: &mut IntentTable, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> bool {
        let before = wishes.changed.remove(&intent.id()).and_then(|wish| wish.ready);
        // A permission stays good while the channel is wanted again and again, and goes with the wish.
        let ready = ready.or(before).filter(|_| intent.is_active());
        let own = wishes.own.get(&**intent.name()).map(Own::summary).unwrap_or_default();
        wishes.changed.insert(intent.id(), IntentChange { channel: intent.stamp(), ready, own });
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
    pub intents: Vec<Arc<Intent>>,
    /// The heartbeat has to be told.
    pub tell: bool,
    /// The caller drops them at the end.
    pub options: Vec<Own>,
}

/// The options of one channel, and the number that distinguishes them from earlier ones.
pub(crate) struct Own {
    number: u64,
    options: Arc<ChannelPlan>,
}

impl Own {
    /// The part of the options that the session needs.
    fn summary(&self) -> OwnOptions {
        OwnOptions {
            authorizer: self.options.can_authorize().then_some(self.number),
            has_decoder: self.options.decoder.is_some(),
        }
    }
}

/// Options in use. If they were replaced meanwhile, this is the last owner of the program's closures.
pub(crate) struct LentOptions(Option<Arc<ChannelPlan>>);

impl LentOptions {
    pub fn as_options(&self) -> Option<&ChannelPlan> {
        self.0.as_deref()
    }
}

impl Drop for LentOptions {
    /// A panic in a destructor of the program must not end a thread of the client.
    fn drop(&mut self) {
        let options = self.0.take();
        if user_code::catch(|| drop(options)).is_err() {
            log::error!("the destructor of a closure in SubscribeOptions panicked");
        }
    }
}

impl IntentTable {
    fn want(&mut self, intents: &Intents, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> bool {
        intent.activate();
        self.wanted.insert(intent.id(), Arc::clone(intent));
        intents.note(self, intent, ready)
    }

    /// Forgets the names that nobody uses any more, so often that it costs nothing on average.
    fn sweep(&mut self) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, intent| intent.strong_count() > 0);
            self.sweep_at = 2 * self.known.len() + 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_the_last_wish_wins() {
        let intents = Intents::default();
        let room = intents.intent("room");
        assert!(intents.want(&room, None), "the heartbeat is told once");
        assert!(!intents.forget(&room).0);
        assert!(!intents.want(&room, None));
        let changed = changed(&intents);
        assert_eq!(changed.len(), 1);
        assert!(changed[0].channel.epoch.is_active());
        assert!(!intents.has_posted() && intents.take().is_empty());
    }

    /// The wishes that a turn would take.
    fn changed(intents: &Intents) -> Vec<IntentChange> {
        let wishes = intents.take().into_iter().map(|input| match input {
            Input::IntentChanges(wishes) => wishes,
            other => panic!("nothing but wishes was posted: {other:?}"),
        });
        wishes.flatten().collect()
    }

    #[test]
    fn s11_calls_come_before_wishes_and_wishes_in_slices() {
        let intents = Intents::default();
        for n in 0..=WISHES_PER_TURN {
            intents.want(&intents.intent(&format!("room-{n}")), None);
        }
        intents.want_sign_in(CallId(1));
        intents.post(Input::ReconnectNow);
        assert!(intents.has_posted());
        let taken = intents.take();
        let [Input::ReconnectNow, Input::SignIn(CallId(1)), Input::IntentChanges(first), Input::IntentChanges(rest)] =
            &taken[..]
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
        let intents = Intents::default();
        let room = intents.intent("private-room");
        intents.want(&room, Some(ready()));
        intents.want(&room, None);
        assert!(changed(&intents)[0].ready.is_some());
        intents.want(&room, Some(ready()));
        intents.forget(&room);
        intents.want(&room, None);
        assert!(changed(&intents)[0].ready.is_none());
    }

    #[test]
    fn s2_one_name_is_one_channel() {
        let intents = Intents::default();
        let (a, b) = (intents.intent("room"), intents.intent("room"));
        assert!(Arc::ptr_eq(&a, &b));
    }

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let intents = Intents::default();
        let kept = intents.intent("kept");
        for n in 0..10_000 {
            intents.intent(&format!("room-{n}"));
        }
        assert!(intents.wishes.lock().known.len() < 100);
        assert!(Arc::ptr_eq(&kept, &intents.intent("kept")));
    }
}
