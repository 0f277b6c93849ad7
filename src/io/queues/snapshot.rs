//! What the public calls read instead of asking the threads.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::facts::{ChannelFacts, Channels, UserFacts};
use crate::{
    ConnectionState, Error, Name, Notification,
    delivery::{CallId, Counters, LastClose, SnapshotUpdate, UserOutcome},
    event::{Batch, Epoch, Intent},
    sync::{Condvar, Mutex, MutexGuard},
};

/// The state as of the last delivered batch, and a way to wait for a change of it.
#[derive(Default)]
pub(crate) struct Snapshot {
    facts: Mutex<Facts>,
    /// The queues have got what the facts show.
    changed: Condvar,
}

#[derive(Default)]
struct Facts {
    /// How many batches have changed something here, and how many of these are in the queues.
    applied: u64,
    handed_over: u64,
    state: ConnectionState,
    /// Why the last attempt failed.
    cause: Option<Arc<Error>>,
    socket_id: Option<Arc<str>>,
    /// The last call to connect, and the last one that the session has taken up. While they differ, the state says
    /// nothing about what the user wants now.
    last_call: CallId,
    taken_up: CallId,
    /// What became of calls that wait for it.
    settled: HashMap<CallId, Result<(), Arc<Error>>>,
    subscriptions: HashMap<u64, Subscription>,
    channels: Channels,
    user: UserFacts,
    counters: Counters,
    last_close: LastClose,
}

struct Subscription {
    /// The wish that was answered.
    epoch: Epoch,
    outcome: Result<(), Error>,
}

impl Snapshot {
    /// Learns what a batch brings. True when waiting calls are to be told once it is [handed over](Self::handed_over).
    #[must_use]
    pub fn apply(&self, batch: &Batch, update: &SnapshotUpdate) -> bool {
        let mut facts = self.facts.lock();
        facts.counters = update.counters.unwrap_or(facts.counters);
        if !batch.has_notices() && !update.is_news() {
            return false;
        }
        facts.applied += 1;
        facts.taken_up = update.accepted_call.unwrap_or(facts.taken_up);
        facts.settled.extend(update.outcomes.iter().cloned());
        if let Some(state) = update.state {
            facts.state = state;
            facts.cause = last_cause(batch);
        }
        if let Some(socket_id) = &update.socket_id {
            facts.socket_id.clone_from(socket_id);
        }
        if let Some(close) = &update.last_close {
            facts.last_close.clone_from(close);
        }
        for (channel, notice) in batch.notices_of_channels() {
            let outcome = match notice {
                Notification::SubscriptionSucceeded(_) => Ok(()),
                Notification::SubscriptionError(failure) => Err(failure.error.clone()),
                _ => continue,
            };
            facts.subscriptions.insert(channel.intent.id(), Subscription { epoch: channel.epoch, outcome });
        }
        facts.channels.apply(batch);
        facts.user.apply(update);
        // After what the same batch confirmed before it told the end.
        if update.state.is_some_and(|state| state != ConnectionState::Connected) {
            facts.subscriptions.retain(|_, subscription| subscription.outlives_the_connection());
        }
        true
    }

    /// The queues have got all that was learnt so far: calls that waited for it may return (H9).
    pub fn handed_over(&self) {
        let mut facts = self.facts.lock();
        facts.handed_over = facts.applied;
        drop(facts);
        self.changed.notify_all();
    }

    /// The known outcome is the answer of a waiting call, which returns when the queues have got it too. That never takes long,
    /// because pushing never blocks.
    fn wait_for_queues(&self, mut facts: MutexGuard<'_, Facts>) {
        let known = facts.applied;
        while facts.handed_over < known {
            self.changed.wait(&mut facts);
        }
    }

    pub fn state(&self) -> ConnectionState {
        self.facts.lock().state
    }

    pub fn socket_id(&self) -> Option<Arc<str>> {
        self.facts.lock().socket_id.clone()
    }

    pub fn counted(&self) -> (Counters, LastClose) {
        let facts = self.facts.lock();
        (facts.counters, facts.last_close.clone())
    }

    /// Numbers another call to connect. The caller serialises this with handing the call over.
    pub fn issue_call_id(&self) -> CallId {
        let mut facts = self.facts.lock();
        facts.last_call = facts.last_call.next();
        facts.last_call
    }

    /// Whether a call to connect was made that no turn has taken up yet.
    pub fn is_about_to_connect(&self) -> bool {
        let facts = self.facts.lock();
        facts.taken_up < facts.last_call
    }

    /// Waits for the outcome of the attempt that this call asked for.
    pub fn wait_for_outcome(&self, call: CallId) -> Result<(), Error> {
        let mut facts = self.facts.lock();
        loop {
            if let Some(outcome) = facts.settled.remove(&call) {
                self.wait_for_queues(facts);
                return outcome.map_err(|error| Error::clone(&error));
            }
            self.changed.wait(&mut facts);
        }
    }

    /// Waits until there is a connection, or none is being made.
    pub fn wait_connected(&self, time: Duration) -> Result<(), Error> {
        self.wait("connection", time, |facts| match facts.state {
            ConnectionState::Connected => Some(Ok(())),
            _ => facts.hopeless().map(Err),
        })
    }

    /// Whether the current wish for the channel is fulfilled.
    pub fn is_subscribed(&self, intent: &Intent) -> bool {
        matches!(self.facts.lock().outcome(intent), Some(Ok(())))
    }

    /// Waits until the subscription succeeds or fails.
    pub fn wait_subscribed(&self, intent: &Intent, time: Duration) -> Result<(), Error> {
        self.wait("subscription", time, |facts| {
            if let Some(outcome) = facts.outcome(intent) {
                return Some(outcome.clone());
            }
            if !intent.is_active() {
                return Some(Err(Error::NotSubscribed { channel: intent.name().to_string() }));
            }
            facts.hopeless().map(Err)
        })
    }

    /// Waits until no wanted channel is pending. Returns the first error, in the order in which the channels became known.
    pub fn wait_all_subscribed(&self, wanted: impl Fn() -> Vec<Arc<Intent>>, time: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let mut intents = wanted();
        loop {
            let left = time.saturating_sub(start.elapsed());
            let result = self.wait_settled(&intents, left);
            if matches!(result, Err(Error::WaitTimeout { .. })) {
                return Err(Error::WaitTimeout { what: "subscriptions", after: time });
            }
            // Others may have become wanted meanwhile.
            let now = wanted();
            let known: HashSet<_> = intents.iter().map(|intent| intent.id()).collect();
            if now.iter().all(|intent| known.contains(&intent.id())) {
                return result;
            }
            intents = now;
        }
    }

    /// Waits for a moment at which none of these is pending.
    fn wait_settled(&self, intents: &[Arc<Intent>], time: Duration) -> Result<(), Error> {
        // Each look goes on where the last one ended, so that many channels cost no more than one look at each.
        let first_pending = Cell::new(0);
        self.wait("subscriptions", time, |facts| {
            let is_pending = |intent: &Arc<Intent>| facts.outcome(intent).is_none() && intent.is_active();
            let pending = |rest: &[Arc<Intent>]| rest.iter().position(is_pending);
            let from = first_pending.get();
            let found = pending(intents.get(from..).unwrap_or_default()).map(|at| from + at);
            // A channel before that may be pending again.
            match found.or_else(|| pending(intents)) {
                Some(at) => {
                    first_pending.set(at);
                    facts.hopeless().map(Err)
                }
                None => {
                    let mut outcomes = intents.iter().filter_map(|intent| facts.outcome(intent));
                    Some(outcomes.find(|outcome| outcome.is_err()).cloned().unwrap_or(Ok(())))
                }
            }
        })
    }

    /// Waits until the sign-in succeeds or fails.
    pub fn wait_signed_in(&self, time: Duration) -> Result<(), Error> {
        self.wait("sign-in", time, |facts| match facts.user.outcome() {
            UserOutcome::In(_) => Some(Ok(())),
            UserOutcome::Failed(error) => Some(Err(error.clone())),
            UserOutcome::Out => Some(Err(Error::NotSignedIn)),
            UserOutcome::Pending => facts.hopeless().map(Err),
        })
    }

    /// Waits until `answer` has one.
    fn wait(
        &self,
        what: &'static str,
        time: Duration,
        answer: impl Fn(&Facts) -> Option<Result<(), Error>>,
    ) -> Result<(), Error> {
        // A time that no clock can reach is for ever.
        let deadline = Instant::now().checked_add(time);
        let mut facts = self.facts.lock();
        loop {
            if let Some(answer) = answer(&facts) {
                self.wait_for_queues(facts);
                return answer;
            }
            let timed_out = match deadline {
                Some(deadline) => self.changed.wait_until(&mut facts, deadline).timed_out(),
                None => {
                    self.changed.wait(&mut facts);
                    false
                }
            };
            if timed_out && answer(&facts).is_none() {
                return Err(Error::WaitTimeout { what, after: time });
            }
        }
    }

    /// Numbers another call to sign in. Of those that are handed over, the one with the highest number counts.
    pub fn issue_sign_in(&self) -> CallId {
        self.facts.lock().user.issue_call_id()
    }

    /// The id of the user, while signed in.
    pub fn user_id(&self) -> Option<Name> {
        match self.facts.lock().user.outcome() {
            UserOutcome::In(id) => Some(id.clone()),
            _ => None,
        }
    }

    /// Looks at what is known of a channel.
    pub fn of_channel<T>(&self, intent: &Intent, look: impl FnOnce(&ChannelFacts) -> T) -> Option<T> {
        self.facts.lock().channels.get(intent.id()).map(look)
    }

    /// A wish was withdrawn: what became of it does not matter any more, and those who wait look again.
    pub fn forget(&self, withdrawn: &[Arc<Intent>]) {
        let mut facts = self.facts.lock();
        for intent in withdrawn {
            facts.subscriptions.remove(&intent.id());
            facts.channels.forget(intent.id());
        }
        drop(facts);
        self.changed.notify_all();
    }

    /// Subscribing again awaits a new outcome.
    pub fn forget_failure(&self, intent: &Intent) {
        let mut facts = self.facts.lock();
        if matches!(facts.outcome(intent), Some(Err(_))) {
            facts.subscriptions.remove(&intent.id());
        }
    }
}

impl Subscription {
    /// A reconnect tries everything again but what cannot be tried at all.
    fn outlives_the_connection(&self) -> bool {
        matches!(self.outcome, Err(Error::NoAuthorizer { .. }))
    }
}

impl Facts {
    fn outcome(&self, intent: &Intent) -> Option<&Result<(), Error>> {
        let subscription = self.subscriptions.get(&intent.id())?;
        (subscription.epoch == intent.epoch()).then_some(&subscription.outcome)
    }

    /// Why waiting for a subscription makes no sense.
    fn hopeless(&self) -> Option<Error> {
        match self.state {
            _ if self.taken_up < self.last_call => None,
            ConnectionState::Disconnected | ConnectionState::Disconnecting => Some(Error::Disconnected),
            ConnectionState::Failed => Some(self.cause.as_deref().cloned().unwrap_or(Error::Disconnected)),
            _ => None,
        }
    }
}

fn last_cause(batch: &Batch) -> Option<Arc<Error>> {
    let changes = (0..batch.len()).rev().filter_map(|index| match batch.notice(index) {
        Some(Notification::ConnectionStateChange(change)) => Some(change),
        _ => None,
    });
    changes.take(1).find_map(|change| change.cause.clone())
}
