//! The intents of the program for channels, and the requests of its calls to the session.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use crate::{
    Name,
    config::ChannelPlan,
    delivery::SignInId,
    event::{Intent, IntentId},
    io::guard::user_code,
    session::{Input, IntentChange, OptionsVersion, OwnOptions, ReadyAuth},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// The session follows up to this many changes of intents in one turn, so that neither the reader nor `disconnect`
/// waits long for the lock of the driver.
const CHANGES_PER_TURN: usize = 1000;

/// The posted calls and changes of intents of all threads. Changes are merged: a turn takes the last one for each
/// channel (S1). [`Core::post`](super::Core::post) is the way to change it.
#[derive(Default)]
pub(crate) struct Intents {
    table: Mutex<IntentTable>,
    /// Whether there is something to take. Every turn reads it, mostly in vain. It is set before a call of the program
    /// returns.
    has_posted: AtomicBool,
}

#[derive(Default)]
struct IntentTable {
    /// Every channel that a handle, a handler, a subscription or a queued event names.
    known: HashMap<Name, Weak<Intent>>,
    /// The active intents by id, which is the order in which the program named the channels.
    active: BTreeMap<IntentId, Arc<Intent>>,
    changed: BTreeMap<IntentId, IntentChange>,
    /// Calls to connect, to disconnect and to trigger, in their order.
    calls: Vec<Input<'static>>,
    /// The last call to sign in.
    sign_in: Option<SignInId>,
    /// The number of the channel that was named last.
    last_number: u64,
    /// The options of active channels that have some of their own.
    own: HashMap<Name, NumberedOptions>,
    last_options: OptionsVersion,
    /// The size of `known` at which it is swept.
    sweep_at: usize,
}

impl Intents {
    /// The intent of the channel with this name.
    pub fn intent(&self, name: &str) -> Arc<Intent> {
        let mut table = self.table.lock();
        if let Some(intent) = table.known.get(name).and_then(Weak::upgrade) {
            return intent;
        }
        table.last_number += 1;
        let intent = Intent::of_channel(table.last_number, name);
        table.sweep();
        table.known.insert(intent.name().clone(), Arc::downgrade(&intent));
        intent
    }

    /// Activates the intent for a channel, perhaps with a permission of the program.
    pub fn activate(&self, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> Posted<()> {
        self.table.lock().activate(self, intent, ready)
    }

    /// Activates the intent for a channel, with options of its own. Returns the earlier options. The caller drops these
    /// at the end, because the destructors of the program's closures may panic.
    pub fn activate_with(&self, intent: &Arc<Intent>, options: ChannelPlan) -> Posted<Option<NumberedOptions>> {
        let options = Arc::new(options);
        let mut table = self.table.lock();
        table.last_options = table.last_options.next();
        let own = NumberedOptions { version: table.last_options, options };
        let replaced = table.own.insert(intent.name().clone(), own);
        table.activate(self, intent, None).with(replaced)
    }

    /// The options of an active channel, if it has some of its own.
    pub fn own_options(&self, channel: &str) -> Option<LentOptions> {
        self.table.lock().own.get(channel).map(|own| LentOptions(Some(Arc::clone(&own.options))))
    }

    /// Posts a call for the session. The heartbeat is woken for each call, because it ends only if no wake-up is left.
    pub fn post_call(&self, call: Input<'static>) -> Posted<()> {
        let mut table = self.table.lock();
        table.calls.push(call);
        self.has_posted.store(true, Ordering::SeqCst);
        Posted { must_wake: true, value: () }
    }

    /// Posts a call to sign in.
    pub fn post_sign_in(&self, call: SignInId) -> Posted<()> {
        let mut table = self.table.lock();
        // The call with the highest id counts, in whatever order threads come here.
        table.sign_in = table.sign_in.max(Some(call));
        self.mark_posted()
    }

    /// Withdraws the intent for a channel. Returns the options, which the caller drops at the end.
    pub fn withdraw(&self, intent: &Arc<Intent>) -> Posted<Option<NumberedOptions>> {
        let mut table = self.table.lock();
        table.active.remove(&intent.id());
        let options = table.own.remove(&**intent.name());
        self.record_withdrawal(&mut table, intent).with(options)
    }

    /// Withdraws the intents for all channels.
    pub fn withdraw_all(&self) -> Posted<Withdrawn> {
        let mut table = self.table.lock();
        let intents: Vec<_> = std::mem::take(&mut table.active).into_values().collect();
        let mut must_wake = false;
        for intent in &intents {
            must_wake |= self.record_withdrawal(&mut table, intent).must_wake;
        }
        let options = std::mem::take(&mut table.own).into_values().collect();
        Posted { must_wake, value: Withdrawn { intents, options } }
    }

    /// Whether there is something to [`take`](Self::take). Takes no lock.
    pub fn has_posted(&self) -> bool {
        self.has_posted.load(Ordering::SeqCst)
    }

    /// Takes everything that was posted, in the order in which the session is fed with it. Calls come first, because a
    /// client event that was triggered before `unsubscribe` is sent before it.
    pub fn take(&self) -> Vec<Input<'static>> {
        let (mut inputs, sign_in, changed) = {
            let mut table = self.table.lock();
            self.has_posted.store(false, Ordering::SeqCst);
            (std::mem::take(&mut table.calls), table.sign_in.take(), std::mem::take(&mut table.changed))
        };
        inputs.extend(sign_in.map(Input::SignIn));
        let mut changed = changed.into_values().peekable();
        while changed.peek().is_some() {
            inputs.push(Input::IntentChanges(changed.by_ref().take(CHANGES_PER_TURN).collect()));
        }
        inputs
    }

    /// The active intents, in the order in which the program named their channels.
    pub fn active(&self) -> Vec<Arc<Intent>> {
        self.table.lock().active.values().cloned().collect()
    }

    /// Withdraws the intent. The session learns of it, unless it was withdrawn before.
    fn record_withdrawal(&self, table: &mut IntentTable, intent: &Arc<Intent>) -> Posted<()> {
        if intent.withdraw() { self.record(table, intent, None) } else { Posted { must_wake: false, value: () } }
    }

    fn record(&self, table: &mut IntentTable, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> Posted<()> {
        let before = table.changed.remove(&intent.id()).and_then(|change| change.ready);
        // A permission stays valid over repeated calls of `subscribe`, and is dropped with the intent.
        let ready = ready.or(before).filter(|_| intent.is_active());
        let own = table.own.get(&**intent.name()).map(NumberedOptions::summary).unwrap_or_default();
        table.changed.insert(intent.id(), IntentChange { channel: intent.stamp(), ready, own });
        self.mark_posted()
    }

    /// Lets the next turn find the posted requests. The first of them wakes the heartbeat.
    fn mark_posted(&self) -> Posted<()> {
        Posted { must_wake: !self.has_posted.swap(true, Ordering::SeqCst), value: () }
    }
}

/// The result of posting a request.
#[must_use = "the heartbeat may have to be woken"]
pub(crate) struct Posted<T> {
    pub must_wake: bool,
    pub value: T,
}

impl Posted<()> {
    fn with<T>(self, value: T) -> Posted<T> {
        Posted { must_wake: self.must_wake, value }
    }
}

/// The withdrawn intents of all channels, and the options of these channels.
pub(crate) struct Withdrawn {
    pub intents: Vec<Arc<Intent>>,
    /// The caller drops them at the end.
    pub options: Vec<NumberedOptions>,
}

/// The options of one channel, with a version that distinguishes them from earlier ones.
pub(crate) struct NumberedOptions {
    version: OptionsVersion,
    options: Arc<ChannelPlan>,
}

impl NumberedOptions {
    /// The part of the options that the session needs.
    fn summary(&self) -> OwnOptions {
        OwnOptions {
            authorizer: self.options.can_authorize().then_some(self.version),
            has_decoder: self.options.decoder.is_some(),
        }
    }
}

/// Options in use. If they were replaced meanwhile, this is the last owner of the closures of the program.
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
            record!(error, "the destructor of a closure in SubscribeOptions panicked");
        }
    }
}

impl IntentTable {
    fn activate(&mut self, intents: &Intents, intent: &Arc<Intent>, ready: Option<ReadyAuth>) -> Posted<()> {
        intent.activate();
        self.active.insert(intent.id(), Arc::clone(intent));
        intents.record(self, intent, ready)
    }

    /// Forgets unused names. It runs so rarely that it costs nothing on average.
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
    fn s1_the_last_change_of_an_intent_counts() {
        let intents = Intents::default();
        let room = intents.intent("room");
        assert!(intents.activate(&room, None).must_wake, "the heartbeat is woken once");
        assert!(!intents.withdraw(&room).must_wake);
        assert!(!intents.activate(&room, None).must_wake);
        let changed = changed(&intents);
        assert_eq!(changed.len(), 1);
        assert!(changed[0].channel.epoch.was_active());
        assert!(!intents.has_posted() && intents.take().is_empty());
    }

    /// The changes that a turn would take.
    fn changed(intents: &Intents) -> Vec<IntentChange> {
        let changes = intents.take().into_iter().map(|input| match input {
            Input::IntentChanges(changes) => changes,
            other => panic!("only changes of intents were posted: {other:?}"),
        });
        changes.flatten().collect()
    }

    #[test]
    fn s11_calls_come_before_changes_of_intents_which_come_in_slices() {
        let intents = Intents::default();
        for n in 0..=CHANGES_PER_TURN {
            let _ = intents.activate(&intents.intent(&format!("room-{n}")), None);
        }
        let _ = intents.post_sign_in(SignInId(1));
        assert!(intents.post_call(Input::ReconnectNow).must_wake);
        assert!(intents.has_posted());
        let taken = intents.take();
        let [Input::ReconnectNow, Input::SignIn(SignInId(1)), Input::IntentChanges(first), Input::IntentChanges(rest)] =
            &taken[..]
        else {
            panic!("{taken:?}");
        };
        assert_eq!((first.len(), rest.len()), (CHANGES_PER_TURN, 1));
    }

    fn ready() -> ReadyAuth {
        ReadyAuth { auth: crate::ChannelAuth::new("k:s"), socket_id: None }
    }

    #[test]
    fn a4_a_ready_permission_is_dropped_with_its_intent() {
        let intents = Intents::default();
        let room = intents.intent("private-room");
        let _ = intents.activate(&room, Some(ready()));
        let _ = intents.activate(&room, None);
        assert!(changed(&intents)[0].ready.is_some());
        let _ = intents.activate(&room, Some(ready()));
        let _ = intents.withdraw(&room);
        let _ = intents.activate(&room, None);
        assert!(changed(&intents)[0].ready.is_none());
    }

    #[test]
    fn s2_one_name_is_one_channel() {
        let intents = Intents::default();
        let (a, b) = (intents.intent("room"), intents.intent("room"));
        assert!(Arc::ptr_eq(&a, &b));
    }

    #[test]
    fn unused_names_are_forgotten() {
        let intents = Intents::default();
        let kept = intents.intent("kept");
        for n in 0..10_000 {
            intents.intent(&format!("room-{n}"));
        }
        assert!(intents.table.lock().known.len() < 100);
        assert!(Arc::ptr_eq(&kept, &intents.intent("kept")));
    }
}
