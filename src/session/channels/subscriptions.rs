//! All channels that the program wants: intents, messages to the server, deadlines.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use foldhash::HashMap;

use super::{
    members::MemberLimits,
    subscription::{AtServer, Budgets, Progress, Subscription, User},
};
use crate::session::{
    interface::{AttemptId, IsCurrent, OwnOptions, SubscriptionSettings, earliest},
    limits::{pacing::Pacing, unanswered::UnansweredMessages},
};
use crate::{
    ChannelAuth, Error, Name,
    delivery::memory_budget::{MemoryBudget, SESSION_BYTES},
    event::{Batch, IntentId, Stamp},
    protocol::frame::Outgoing,
};

/// All channels that the program wants, or that the server must still unsubscribe.
pub(crate) struct Subscriptions {
    pub settings: SubscriptionSettings,
    pub budgets: Budgets,
    pub by_name: HashMap<Name, Subscription>,
    /// The channels that need a message to the server, each once.
    pub to_send: VecDeque<Name>,
    /// The channels that need a permission or a newer key.
    pub to_authorize: Vec<Name>,
    /// The channels whose request waits for its turn, by the id of the intent: in the order in which the program named
    /// them.
    pub held_back: BTreeMap<IntentId, Name>,
    pub pacing: Pacing,
    /// The deadlines of attempts, in order, because every attempt has the same timeout. Ended attempts stay until their
    /// deadline.
    pub deadlines: VecDeque<Deadline>,
    /// The newest attempt.
    pub attempts: AttemptId,
    pub connected: bool,
    /// An error without a channel came on this connection. It may have refused another request than the client thinks.
    pub has_ambiguous_error: bool,
}

/// The deadline of one attempt.
pub(crate) struct Deadline {
    at: Instant,
    channel: Name,
    attempt: AttemptId,
}

impl Subscriptions {
    pub fn new(settings: SubscriptionSettings) -> Self {
        let members = MemberLimits {
            budget: MemoryBudget::of(settings.max_presence_bytes),
            max_presence_members: settings.max_presence_members,
        };
        Self {
            budgets: Budgets { data: MemoryBudget::of(SESSION_BYTES), members },
            settings,
            by_name: HashMap::default(),
            to_send: VecDeque::new(),
            to_authorize: Vec::new(),
            held_back: BTreeMap::new(),
            pacing: Pacing::default(),
            deadlines: VecDeque::new(),
            attempts: AttemptId::default(),
            connected: false,
            has_ambiguous_error: false,
        }
    }

    /// Follows a change of an intent; the last change counts (S1). `ready` is a permission of the program.
    pub fn change_intent(
        &mut self,
        channel: &Stamp,
        ready: Option<ChannelAuth>,
        own: OwnOptions,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) {
        if !channel.epoch.was_active() {
            return self.unsubscribe(channel.name());
        }
        let name = channel.name().clone();
        let subscription = self.by_name.entry(name.clone()).or_insert_with(|| Subscription::new(channel));
        let is_new = subscription.channel.epoch != channel.epoch;
        let is_authorized_anew = subscription.own.authorizer != own.authorizer;
        subscription.own = own;
        if !is_new && !subscription.can_retry(ready.is_some() || is_authorized_anew) {
            return;
        }
        if is_new {
            subscription.replace_intent(channel, &mut self.budgets);
        }
        subscription.ready = ready.or(subscription.ready.take());
        let is_asked = matches!(subscription.progress, Progress::Authorizing(_)) && !is_authorized_anew;
        if is_asked && subscription.ready.is_none() {
            // The authorizer is being asked for the same socket, and its answer serves the new intent, too (S11). The
            // new intent has a deadline of its own.
            let attempt = self.begin_attempt(&name, now);
            return self.set_progress(&name, Progress::Authorizing(attempt));
        }
        subscription.progress = Progress::Wanted;
        self.advance(&name, user, batch, now);
    }

    /// Unsubscribes at once (S2). Late answers have no effect.
    pub fn unsubscribe(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.progress = Progress::Withdrawn;
        subscription.ready = None;
        subscription.forget_secrets(&mut self.budgets.data);
        self.held_back.remove(&subscription.channel.id());
        let is_unknown_to_server = subscription.at_server == AtServer::No && subscription.unanswered == 0;
        if is_unknown_to_server || !self.connected {
            self.remove(name);
        } else {
            self.enqueue(name);
        }
    }

    /// Takes a channel one step further: to the server, to the authorizer, or to an error.
    pub fn advance(&mut self, name: &Name, user: User, batch: &mut Batch, now: Instant) {
        let Some(subscription) = self.by_name.get(name) else { return };
        if !subscription.kind.needs_auth() {
            self.enqueue(name);
        } else if !subscription.can_be_authorized(&self.settings) {
            self.fail(name, "", Error::NoAuthorizer { channel: name.to_string() }, batch);
        } else if !self.connected {
            // The permission must be for the next socket.
        } else if subscription.ready.is_some() {
            self.use_ready_permission(name, user, batch, now);
        } else {
            let attempt = self.begin_attempt(name, now);
            self.to_authorize.push(name.clone());
            if let Some(subscription) = self.by_name.get_mut(name) {
                subscription.progress = Progress::Authorizing(attempt);
                subscription.last_auth_request = attempt;
            }
        }
    }

    pub fn set_progress(&mut self, name: &Name, progress: Progress) {
        if let Some(subscription) = self.by_name.get_mut(name) {
            subscription.progress = progress;
        }
    }

    /// Begins another attempt for this channel, with a deadline. The channel of the user has no deadline: servers send
    /// on it from the sign-in on, so nothing waits for its confirmation.
    pub fn begin_attempt(&mut self, name: &Name, now: Instant) -> AttemptId {
        self.attempts = self.attempts.next();
        self.forget_ended_attempts();
        if !self.by_name.get(name).is_some_and(Subscription::is_user_channel) {
            let at = now + self.settings.timeout;
            self.deadlines.push_back(Deadline { at, channel: name.clone(), attempt: self.attempts });
        }
        self.attempts
    }

    /// Keeps the list of deadlines in proportion to the pending attempts. It runs so rarely that it costs nothing on
    /// average.
    pub fn forget_ended_attempts(&mut self) {
        if self.deadlines.len() > 2 * self.by_name.len() + 64 {
            let by_name = &self.by_name;
            let is_awaited = |of: &Deadline| by_name.get(&of.channel).is_some_and(|s| s.awaits(of.attempt));
            self.deadlines.retain(is_awaited);
        }
    }

    pub fn enqueue(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        if self.connected && !std::mem::replace(&mut subscription.is_queued, true) {
            self.to_send.push_back(name.clone());
            self.forget_unsent();
        }
    }

    /// Keeps the list of names in proportion to the channels: channels come and go while a sign-in holds messages back.
    pub fn forget_unsent(&mut self) {
        if self.to_send.len() <= 2 * self.by_name.len() + 64 {
            return;
        }
        let by_name = &mut self.by_name;
        self.to_send.retain(|name| by_name.get_mut(name).is_some_and(|s| std::mem::take(&mut s.is_queued)));
        for name in &self.to_send {
            if let Some(subscription) = self.by_name.get_mut(name) {
                subscription.is_queued = true;
            }
        }
    }

    /// A new connection subscribes every wanted channel exactly once (R8), in the order in which the program named
    /// them.
    pub fn begin_connection(&mut self, user: User, batch: &mut Batch, now: Instant) {
        self.connected = true;
        self.has_ambiguous_error = false;
        self.pacing.begin_connection();
        let wanted = self.by_name.values().filter(|subscription| subscription.progress == Progress::Wanted);
        let mut wanted: Vec<_> = wanted.map(|s| (s.channel.id(), s.channel.name().clone())).collect();
        wanted.sort_unstable();
        for (_, name) in wanted {
            self.advance(&name, user, batch, now);
        }
    }

    /// The server has forgotten all subscriptions. The next connection requests the wanted channels again.
    pub fn end_connection(&mut self, batch: &mut Batch, now: Instant) {
        self.flush_waiting_events(batch);
        self.connected = false;
        self.to_send.clear();
        self.to_authorize.clear();
        self.held_back.clear();
        self.deadlines.clear();
        self.by_name.retain(|_, subscription| {
            let stays = subscription.progress != Progress::Withdrawn && !subscription.is_user_channel();
            if !stays {
                subscription.release(&mut self.budgets);
            }
            stays
        });
        for subscription in self.by_name.values_mut() {
            if subscription.progress == Progress::Subscribed {
                subscription.lost = Some(now);
            }
            subscription.forget_secrets(&mut self.budgets.data);
            subscription.at_server = AtServer::No;
            subscription.unanswered = 0;
            subscription.is_queued = false;
            // This includes a channel without an authorizer: the program may have a permission for the new socket.
            subscription.progress = Progress::Wanted;
        }
    }

    /// The next message to the server about a channel.
    pub fn next_message(
        &mut self,
        unanswered: &mut UnansweredMessages,
        is_current: IsCurrent<'_>,
        now: Instant,
    ) -> Option<String> {
        while let Some(name) = self.to_send.pop_front() {
            let Some(subscription) = self.by_name.get_mut(&name) else { continue };
            subscription.is_queued = false;
            let is_current_intent = is_current(&subscription.channel);
            match (subscription.progress, subscription.at_server) {
                // The program has changed the intent during this turn. The next turn learns of it.
                (Progress::Wanted | Progress::Authorized(_), AtServer::No | AtServer::Perhaps)
                    if !is_current_intent => {}
                (Progress::Wanted | Progress::Authorized(_), AtServer::No | AtServer::Perhaps) => {
                    if !self.pacing.is_limited() {
                        return Some(self.request(&name, unanswered, now));
                    }
                    self.hold_back(&name);
                }
                (Progress::Wanted | Progress::Authorized(_) | Progress::Failed, AtServer::Asked)
                | (Progress::Withdrawn, AtServer::Asked | AtServer::Perhaps) => {
                    subscription.at_server = AtServer::No;
                    // A message that must follow the unsubscribe is sent before messages about other channels.
                    subscription.is_queued = true;
                    self.to_send.push_front(name.clone());
                    return Some(Outgoing::Unsubscribe { channel: &name }.to_text());
                }
                (Progress::Withdrawn, AtServer::No) => self.remove_if_done(&name),
                _ => {}
            }
        }
        self.next_held_back(unanswered, is_current, now)
    }

    /// Removes an unsubscribed channel, once the server has answered all requests for it.
    pub fn remove_if_done(&mut self, name: &Name) {
        let is_over =
            |s: &Subscription| s.progress == Progress::Withdrawn && s.at_server == AtServer::No && s.unanswered == 0;
        if self.by_name.get(name).is_some_and(is_over) {
            self.remove(name);
        }
    }

    fn remove(&mut self, name: &Name) {
        if let Some(mut subscription) = self.by_name.remove(name) {
            subscription.release(&mut self.budgets);
        }
    }

    pub fn request(&mut self, name: &Name, unanswered: &mut UnansweredMessages, now: Instant) -> String {
        let attempt = match self.by_name.get(name).map(|subscription| subscription.progress) {
            Some(Progress::Authorized(attempt)) => attempt,
            _ => self.begin_attempt(name, now),
        };
        let permission = self.by_name.get_mut(name).and_then(|subscription| {
            subscription.note_request(attempt, unanswered, now);
            if !subscription.is_user_channel() {
                self.pacing.sent(now);
            }
            subscription.permission.as_ref()
        });
        let auth = permission.map(|permission| permission.auth.signature());
        let channel_data = permission.and_then(|permission| permission.auth.member());
        Outgoing::Subscribe { channel: name, auth, channel_data }.to_text()
    }

    /// S5: ends the attempts whose deadline has passed. The client unsubscribes a request, in case the server still
    /// answers it.
    ///
    /// A channel that waits for the sign-in of the `user` has no deadline of its own.
    pub fn expire(&mut self, user: User, unanswered: &mut UnansweredMessages, batch: &mut Batch, now: Instant) {
        while self.deadlines.front().is_some_and(|deadline| deadline.at <= now) {
            let Some(Deadline { channel: name, attempt, .. }) = self.deadlines.pop_front() else { return };
            // Most attempts have ended long before.
            let Some(subscription) = self.by_name.get_mut(&name).filter(|s| s.awaits(attempt)) else { continue };
            if subscription.progress == Progress::AwaitingUser(attempt) && matches!(user, User::Pending) {
                self.deadlines.push_back(Deadline { at: now + self.settings.timeout, channel: name, attempt });
                continue;
            }
            let is_confirmed_too_early = subscription.is_confirmed_too_early();
            if subscription.last_request == attempt {
                // The answers are no longer expected.
                unanswered.forget(&name, std::mem::take(&mut subscription.unanswered), now);
                if is_confirmed_too_early {
                    // The server may have refused the last request. The client asks again.
                    subscription.progress = Progress::Wanted;
                    self.advance(&name, user, batch, now);
                    continue;
                }
            }
            let (channel, after) = (name.to_string(), self.settings.timeout);
            let auth_timeout = Error::AuthTimeout { channel: Some(channel.clone()), after };
            if subscription.progress == Progress::Authorizing(attempt) {
                self.fail(&name, "", auth_timeout, batch);
            } else if subscription.is_pending(attempt) {
                self.fail(&name, "", Error::SubscriptionTimeout { channel, after }, batch);
            } else {
                self.end_of_fetch(&name, attempt, Err(auth_timeout), batch, now);
            }
            self.remove_if_done(&name);
        }
    }

    /// Moves all deadlines by a time in which no answer could be read. No attempt gets more than its whole timeout, so
    /// that the deadlines stay in order.
    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        let latest = now + self.settings.timeout;
        self.deadlines.iter_mut().for_each(|deadline| deadline.at = (deadline.at + pause).min(latest));
    }

    pub fn deadline(&self) -> Option<Instant> {
        let turn = self.pacing.deadline().filter(|_| !self.held_back.is_empty());
        earliest([self.deadlines.front().map(|deadline| deadline.at), turn])
    }

    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        let budgets_are_whole = self.budgets.data.reserved() == 0 && self.budgets.members.budget.reserved() == 0;
        self.by_name.is_empty() && self.held_back.is_empty() && budgets_are_whole
    }

    /// Whether the budgets count exactly the memory that the subscriptions have reserved.
    #[cfg(any(fuzzing, test))]
    pub fn budgets_are_exact(&self) -> bool {
        let reserved = self.by_name.values().map(Subscription::reserved);
        let sum = reserved.fold((0, 0), |sum, of_one| (sum.0 + of_one.0, sum.1 + of_one.1));
        sum == (self.budgets.data.reserved(), self.budgets.members.budget.reserved())
    }

    /// Whether that attempt, or that fetch of a key, is still in progress.
    pub fn awaits(&self, channel: &str, attempt: AttemptId) -> bool {
        self.by_name.get(channel).is_some_and(|s| s.asks_permission(attempt) || s.awaits(attempt))
    }

    /// Whether the channel is subscribed for this very intent, so client events may be sent.
    pub fn is_subscribed(&self, channel: &Stamp) -> bool {
        let subscription = self.by_name.get(channel.name());
        subscription.is_some_and(|s| s.progress == Progress::Subscribed && s.channel.epoch == channel.epoch)
    }
}
