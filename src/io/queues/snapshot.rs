//! The snapshot: the state that public calls read, so that they need not ask the threads.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::snapshot_state::{ChannelState, Channels, UserState};
use crate::{
    ConnectionState, Error, Name, Notification, NotificationKind,
    delivery::{ConnectId, Counters, LastClose, SignInId, SnapshotUpdate, UserOutcome},
    event::{Batch, Epoch, Intent, IntentId},
    sync::{Condvar, Mutex, MutexGuard},
};

/// The state as of the last delivered batch, and a way to wait for changes.
#[derive(Default)]
pub(crate) struct Snapshot {
    current: Mutex<SnapshotState>,
    /// Signalled when the queues have the batches that the state includes.
    changed: Condvar,
}

#[derive(Default)]
struct SnapshotState {
    /// The number of batches that have changed the state, and the number of those that are in the queues.
    applied: u64,
    delivered: u64,
    state: ConnectionState,
    /// The error of the last attempt to connect.
    cause: Option<Arc<Error>>,
    socket_id: Option<Arc<str>>,
    /// The last call to connect, and the last one that the session has accepted. While they differ, the connection
    /// state is older than the last call.
    last_connect: ConnectId,
    accepted_connect: ConnectId,
    /// The results for waiting calls.
    outcomes: HashMap<ConnectId, Result<(), Arc<Error>>>,
    /// The last outcome of each subscription, for calls that wait for it.
    channel_outcomes: HashMap<IntentId, ChannelOutcome>,
    channels: Channels,
    user: UserState,
    counters: Counters,
    last_close: LastClose,
}

struct ChannelOutcome {
    /// The epoch of the intent that has this outcome.
    epoch: Epoch,
    result: Result<(), Error>,
}

impl Snapshot {
    /// Applies a delivery. Returns true if waiting calls must learn of it once it is [in the
    /// queues](Self::mark_delivered).
    #[must_use]
    pub fn apply(&self, batch: &Batch, update: &SnapshotUpdate) -> bool {
        let mut current = self.current.lock();
        current.counters = update.counters.unwrap_or(current.counters);
        if !batch.has_notices() && !update.is_news() {
            return false;
        }
        current.applied += 1;
        current.accepted_connect = update.accepted_connect.unwrap_or(current.accepted_connect);
        current.outcomes.extend(update.outcomes.iter().cloned());
        if let Some(state) = update.state {
            current.state = state;
            current.cause = last_cause(batch);
        }
        if let Some(socket_id) = &update.socket_id {
            current.socket_id.clone_from(socket_id);
        }
        if let Some(close) = &update.last_close {
            current.last_close.clone_from(close);
        }
        for (channel, notice) in batch.notices_of_channels() {
            let result = if let Notification::SubscriptionError(failure) = notice {
                Err(failure.error.clone())
            } else if notice.kind() == NotificationKind::SubscriptionSucceeded {
                Ok(())
            } else {
                continue;
            };
            current.channel_outcomes.insert(channel.id(), ChannelOutcome { epoch: channel.epoch, result });
        }
        current.channels.apply(batch);
        current.user.apply(update);
        // This comes after the confirmations in the same batch, which precede the end.
        if update.state.is_some_and(|state| state != ConnectionState::Connected) {
            current.channel_outcomes.retain(|_, outcome| outcome.outlives_connection());
        }
        true
    }

    /// The queues have all batches that were applied so far, so calls that waited for them may return (H9).
    pub fn mark_delivered(&self) {
        let mut current = self.current.lock();
        current.delivered = current.applied;
        drop(current);
        self.changed.notify_all();
    }

    /// Waits until the queues have all batches that were applied so far, before a waiting call returns. This never
    /// takes long, because pushing never blocks.
    fn wait_for_queues(&self, mut current: MutexGuard<'_, SnapshotState>) {
        let known = current.applied;
        while current.delivered < known {
            self.changed.wait(&mut current);
        }
    }

    pub fn state(&self) -> ConnectionState {
        self.current.lock().state
    }

    pub fn socket_id(&self) -> Option<Arc<str>> {
        self.current.lock().socket_id.clone()
    }

    pub fn counted(&self) -> (Counters, LastClose) {
        let current = self.current.lock();
        (current.counters, current.last_close.clone())
    }

    /// Issues the id of another call to connect. The caller posts the call under the same lock.
    pub fn issue_connect_id(&self) -> ConnectId {
        let mut current = self.current.lock();
        current.last_connect = current.last_connect.next();
        current.last_connect
    }

    /// Whether the session has not yet accepted the last call to connect.
    pub fn is_about_to_connect(&self) -> bool {
        let current = self.current.lock();
        current.accepted_connect < current.last_connect
    }

    /// Waits for the result of the attempt to connect that this call has started.
    pub fn wait_for_outcome(&self, call: ConnectId) -> Result<(), Error> {
        let mut current = self.current.lock();
        loop {
            if let Some(outcome) = current.outcomes.remove(&call) {
                self.wait_for_queues(current);
                return outcome.map_err(|error| Error::clone(&error));
            }
            self.changed.wait(&mut current);
        }
    }

    /// Waits until there is a connection, or none is being made.
    pub fn wait_connected(&self, time: Duration) -> Result<(), Error> {
        self.wait("connection", time, |current| match current.state {
            ConnectionState::Connected => Some(Ok(())),
            _ => current.unreachable_reason().map(Err),
        })
    }

    /// Whether the channel is subscribed for the current intent.
    pub fn is_subscribed(&self, intent: &Intent) -> bool {
        matches!(self.current.lock().outcome(intent), Some(Ok(())))
    }

    /// Waits until the subscription succeeds or fails.
    pub fn wait_subscribed(&self, intent: &Intent, time: Duration) -> Result<(), Error> {
        self.wait("subscription", time, |current| {
            if let Some(outcome) = current.outcome(intent) {
                return Some(outcome.clone());
            }
            if !intent.is_active() {
                return Some(Err(Error::NotSubscribed { channel: intent.name().to_string() }));
            }
            current.unreachable_reason().map(Err)
        })
    }

    /// Waits until no wanted channel is pending. Returns the first error, in the order in which the program named the
    /// channels.
    pub fn wait_all_subscribed(&self, wanted: impl Fn() -> Vec<Arc<Intent>>, time: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let mut intents = wanted();
        loop {
            let left = time.saturating_sub(start.elapsed());
            let result = self.wait_settled(&intents, left);
            if matches!(result, Err(Error::WaitTimeout { .. })) {
                return Err(Error::WaitTimeout { what: "subscriptions", after: time });
            }
            // The program may have subscribed to other channels meanwhile.
            let now = wanted();
            let known: HashSet<_> = intents.iter().map(|intent| intent.id()).collect();
            if now.iter().all(|intent| known.contains(&intent.id())) {
                return result;
            }
            intents = now;
        }
    }

    /// Waits for a moment at which none of these channels is pending.
    fn wait_settled(&self, intents: &[Arc<Intent>], time: Duration) -> Result<(), Error> {
        // Each check continues where the last one ended, so that many channels cost one check each.
        let first_pending = Cell::new(0);
        self.wait("subscriptions", time, |current| {
            let is_pending = |intent: &Arc<Intent>| current.outcome(intent).is_none() && intent.is_active();
            let pending = |rest: &[Arc<Intent>]| rest.iter().position(is_pending);
            let from = first_pending.get();
            let found = pending(intents.get(from..).unwrap_or_default()).map(|at| from + at);
            // An earlier channel may be pending again.
            match found.or_else(|| pending(intents)) {
                Some(at) => {
                    first_pending.set(at);
                    current.unreachable_reason().map(Err)
                }
                None => {
                    let mut outcomes = intents.iter().filter_map(|intent| current.outcome(intent));
                    Some(outcomes.find(|outcome| outcome.is_err()).cloned().unwrap_or(Ok(())))
                }
            }
        })
    }

    /// Waits until the sign-in succeeds or fails.
    pub fn wait_signed_in(&self, time: Duration) -> Result<(), Error> {
        self.wait("sign-in", time, |current| match current.user.outcome() {
            UserOutcome::In(_) => Some(Ok(())),
            UserOutcome::Failed(error) => Some(Err(error.clone())),
            UserOutcome::Out => Some(Err(Error::NotSignedIn)),
            UserOutcome::Pending => current.unreachable_reason().map(Err),
        })
    }

    /// Waits until `answer` returns a result.
    fn wait(
        &self,
        what: &'static str,
        time: Duration,
        answer: impl Fn(&SnapshotState) -> Option<Result<(), Error>>,
    ) -> Result<(), Error> {
        // A time beyond the range of the clock means for ever.
        let deadline = Instant::now().checked_add(time);
        let mut current = self.current.lock();
        loop {
            if let Some(answer) = answer(&current) {
                self.wait_for_queues(current);
                return answer;
            }
            let timed_out = match deadline {
                Some(deadline) => self.changed.wait_until(&mut current, deadline).timed_out(),
                None => {
                    self.changed.wait(&mut current);
                    false
                }
            };
            if timed_out && answer(&current).is_none() {
                return Err(Error::WaitTimeout { what, after: time });
            }
        }
    }

    /// Issues the id of another call to sign in. Of the posted calls, the one with the highest id counts.
    pub fn issue_sign_in_id(&self) -> SignInId {
        self.current.lock().user.issue_sign_in_id()
    }

    /// The id of the signed-in user.
    pub fn user_id(&self) -> Option<Name> {
        match self.current.lock().user.outcome() {
            UserOutcome::In(id) => Some(id.clone()),
            _ => None,
        }
    }

    /// Reads the state of a channel.
    pub fn of_channel<T>(&self, intent: &Intent, read: impl FnOnce(&ChannelState) -> T) -> Option<T> {
        self.current.lock().channels.get(intent.id()).map(read)
    }

    /// Forgets the state of channels whose intent was withdrawn, and lets waiting calls check again.
    pub fn forget(&self, withdrawn: &[Arc<Intent>]) {
        let mut current = self.current.lock();
        for intent in withdrawn {
            current.channel_outcomes.remove(&intent.id());
            current.channels.forget(intent.id());
        }
        drop(current);
        self.changed.notify_all();
    }

    /// Forgets a failure, because `subscribe` starts another attempt.
    pub fn forget_failure(&self, intent: &Intent) {
        let mut current = self.current.lock();
        if matches!(current.outcome(intent), Some(Err(_))) {
            current.channel_outcomes.remove(&intent.id());
        }
    }
}

impl ChannelOutcome {
    /// A reconnect tries every subscription again, except one without an authorizer.
    fn outlives_connection(&self) -> bool {
        matches!(self.result, Err(Error::NoAuthorizer { .. }))
    }
}

impl SnapshotState {
    fn outcome(&self, intent: &Intent) -> Option<&Result<(), Error>> {
        let outcome = self.channel_outcomes.get(&intent.id())?;
        (outcome.epoch == intent.epoch()).then_some(&outcome.result)
    }

    /// The reason why waiting is pointless, if there is one.
    fn unreachable_reason(&self) -> Option<Error> {
        match self.state {
            _ if self.accepted_connect < self.last_connect => None,
            ConnectionState::Disconnected | ConnectionState::Disconnecting => Some(Error::Disconnected),
            ConnectionState::Failed => Some(self.cause.as_deref().cloned().unwrap_or(Error::Disconnected)),
            _ => None,
        }
    }
}

fn last_cause(batch: &Batch) -> Option<Arc<Error>> {
    let mut notices = (0..batch.len()).rev().filter_map(|index| batch.notice(index));
    notices.find_map(|notice| {
        if let Notification::ConnectionStateChange(change) = notice { Some(change.cause.clone()) } else { None }
    })?
}
