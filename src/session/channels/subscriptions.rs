//! All channels that are wanted: intents, messages to the server, deadlines.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::subscription::{AtServer, Progress, Subscription, User};
use crate::session::{
    interface::{AttemptId, IsCurrent, OwnOptions, Rules, earliest},
    limits::{pacing::Pacing, unanswered::Unanswered},
};
use crate::{
    ChannelAuth, Error, Name,
    delivery::memory_budget::MemoryBudget,
    event::{Batch, Stamp},
    protocol::frame::Outgoing,
};

/// All channels that are wanted, or that the server must still be told to forget.
pub(crate) struct Subscriptions {
    pub rules: Rules,
    /// The memory budget of all channels together, members aside.
    pub budget: MemoryBudget,
    pub member_budget: MemoryBudget,
    pub by_name: HashMap<Name, Subscription>,
    /// The channels about which the server has to be told something. Each stands here once.
    pub to_tell: VecDeque<Name>,
    /// The channels for which a permission, or a newer key, is to be asked.
    pub to_ask: Vec<Name>,
    /// The channels whose request waits for its turn, by the number of the intent: in the order in which they became known.
    pub held_back: BTreeMap<u64, Name>,
    pub pacing: Pacing,
    /// In order, because every attempt has the same time. Those that have ended stay until they would have run out.
    pub deadlines: VecDeque<(Instant, Name, AttemptId)>,
    /// The newest attempt.
    pub attempts: AttemptId,
    pub connected: bool,
    /// An error without a channel came on this connection. It may have refused another request than it was taken for.
    pub has_doubts: bool,
}

impl Subscriptions {
    pub fn new(rules: Rules) -> Self {
        Self {
            member_budget: MemoryBudget::of(rules.max_member_bytes),
            rules,
            budget: MemoryBudget::of_session(),
            by_name: HashMap::new(),
            to_tell: VecDeque::new(),
            to_ask: Vec::new(),
            held_back: BTreeMap::new(),
            pacing: Pacing::default(),
            deadlines: VecDeque::new(),
            attempts: AttemptId::default(),
            connected: false,
            has_doubts: false,
        }
    }

    /// Follows the user's wish for a channel; the last wish wins (S1). `ready` is a permission that the user has already.
    pub fn change_intent(
        &mut self,
        channel: &Stamp,
        ready: Option<ChannelAuth>,
        own: OwnOptions,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) {
        if !channel.epoch.is_active() {
            return self.unwant(channel.intent.name());
        }
        let name = channel.intent.name().clone();
        let subscription =
            self.by_name.entry(name.clone()).or_insert_with(|| Subscription::new(channel, &self.member_budget));
        let is_new = subscription.channel.epoch != channel.epoch;
        let is_authorized_anew = subscription.own.authorizer != own.authorizer;
        subscription.own = own;
        if !is_new && !subscription.can_begin_anew(ready.is_some() || is_authorized_anew) {
            return;
        }
        if is_new {
            subscription.answer_intent(channel, &self.member_budget);
        }
        subscription.ready = ready.or(subscription.ready.take());
        let is_asked = matches!(subscription.progress, Progress::Authorizing(_)) && !is_authorized_anew;
        if is_asked && subscription.ready.is_none() {
            // The authorizer is being asked for the same socket, and its answer is as good for the new wish (S11), which gets
            // a time of its own.
            let attempt = self.begin_attempt(&name, now);
            return self.set_progress(&name, Progress::Authorizing(attempt));
        }
        subscription.progress = Progress::Wanted;
        self.advance(&name, user, batch, now);
    }

    /// Unsubscribing wins at once (S2): a late answer finds nothing that waits for it.
    pub fn unwant(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.progress = Progress::Unwanted;
        subscription.ready = None;
        subscription.forget_secrets();
        self.held_back.remove(&subscription.channel.intent.id());
        let is_unknown_to_server = subscription.at_server == AtServer::No && subscription.unanswered == 0;
        if is_unknown_to_server || !self.connected {
            self.by_name.remove(name);
        } else {
            self.tell(name);
        }
    }

    /// Takes a wanted channel one step further: to the server, to those who authorise, or to its end.
    pub fn advance(&mut self, name: &Name, user: User, batch: &mut Batch, now: Instant) {
        let Some(subscription) = self.by_name.get(name) else { return };
        if !subscription.kind.needs_auth() {
            self.tell(name);
        } else if !subscription.can_be_authorized(&self.rules) {
            self.fail(name, "", Error::NoAuthorizer { channel: name.to_string() }, batch);
        } else if !self.connected {
            // The permission must be for the socket that is to come.
        } else if subscription.ready.is_some() {
            self.use_ready_permission(name, user, batch, now);
        } else {
            let attempt = self.begin_attempt(name, now);
            self.to_ask.push(name.clone());
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

    /// Numbers another attempt for this channel, and gives it its time. The user's own channel has no end to wait for: servers
    /// send on it from the sign-in on, and nobody waits for its confirmation.
    pub fn begin_attempt(&mut self, name: &Name, now: Instant) -> AttemptId {
        self.attempts.0 += 1;
        self.forget_ended_attempts();
        if !self.by_name.get(name).is_some_and(Subscription::is_users) {
            self.deadlines.push_back((now + self.rules.timeout, name.clone(), self.attempts));
        }
        self.attempts
    }

    /// Keeps the list of deadlines in proportion to what is pending, so seldom that it costs nothing on average.
    pub fn forget_ended_attempts(&mut self) {
        if self.deadlines.len() > 2 * self.by_name.len() + 64 {
            let by_name = &self.by_name;
            self.deadlines.retain(|(_, name, attempt)| by_name.get(name).is_some_and(|s| s.awaits(*attempt)));
        }
    }

    pub fn tell(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        if self.connected && !std::mem::replace(&mut subscription.to_tell, true) {
            self.to_tell.push_back(name.clone());
            self.forget_untold();
        }
    }

    /// Keeps the list of names in proportion to the channels: while a sign-in holds messages back, channels come and go.
    pub fn forget_untold(&mut self) {
        if self.to_tell.len() <= 2 * self.by_name.len() + 64 {
            return;
        }
        let by_name = &mut self.by_name;
        self.to_tell.retain(|name| by_name.get_mut(name).is_some_and(|s| std::mem::take(&mut s.to_tell)));
        for name in &self.to_tell {
            if let Some(subscription) = self.by_name.get_mut(name) {
                subscription.to_tell = true;
            }
        }
    }

    /// A new connection subscribes every wanted channel exactly once (R8), in the order in which they became known.
    pub fn begin_connection(&mut self, user: User, batch: &mut Batch, now: Instant) {
        self.connected = true;
        self.has_doubts = false;
        self.pacing.begin_connection();
        let wanted = self.by_name.values().filter(|subscription| subscription.progress == Progress::Wanted);
        let mut wanted: Vec<_> = wanted.map(|s| (s.channel.intent.id(), s.channel.intent.name().clone())).collect();
        wanted.sort_unstable();
        for (_, name) in wanted {
            self.advance(&name, user, batch, now);
        }
    }

    /// The server has forgotten everything. What is still wanted will be requested again.
    pub fn end_connection(&mut self, batch: &mut Batch, now: Instant) {
        self.give_up_waiting_for_keys(batch);
        self.connected = false;
        self.to_tell.clear();
        self.to_ask.clear();
        self.held_back.clear();
        self.deadlines.clear();
        self.by_name.retain(|_, subscription| subscription.progress != Progress::Unwanted && !subscription.is_users());
        for subscription in self.by_name.values_mut() {
            if subscription.progress == Progress::Subscribed {
                subscription.lost = Some(now);
            }
            subscription.forget_secrets();
            subscription.at_server = AtServer::No;
            subscription.unanswered = 0;
            subscription.to_tell = false;
            // A channel without an authorizer is reported again: the program may have a permission for the new socket.
            subscription.progress = Progress::Wanted;
        }
    }

    /// The next message to the server about a channel.
    pub fn next_message(
        &mut self,
        unanswered: &mut Unanswered,
        is_current: IsCurrent<'_>,
        now: Instant,
    ) -> Option<String> {
        while let Some(name) = self.to_tell.pop_front() {
            let Some(subscription) = self.by_name.get_mut(&name) else { continue };
            subscription.to_tell = false;
            let is_current_intent = is_current(&subscription.channel);
            match (subscription.progress, subscription.at_server) {
                // The user has changed the wish during this turn, and the next turn learns it.
                (Progress::Wanted | Progress::Authorized(_), AtServer::No | AtServer::Perhaps)
                    if !is_current_intent => {}
                (Progress::Wanted | Progress::Authorized(_), AtServer::No | AtServer::Perhaps) => {
                    if !self.pacing.is_limited() {
                        return Some(self.request(&name, unanswered, now));
                    }
                    self.hold_back(&name);
                }
                (Progress::Wanted | Progress::Authorized(_) | Progress::Failed, AtServer::Asked)
                | (Progress::Unwanted, AtServer::Asked | AtServer::Perhaps) => {
                    subscription.at_server = AtServer::No;
                    // What has to be said after the unsubscribe is said before anything about other channels.
                    subscription.to_tell = true;
                    self.to_tell.push_front(name.clone());
                    return Some(Outgoing::Unsubscribe { channel: &name }.to_text());
                }
                (Progress::Unwanted, AtServer::No) => self.remove_answered(&name),
                _ => {}
            }
        }
        self.next_held_back(unanswered, is_current, now)
    }

    /// Forgets a channel that nobody wants, once the server has said all that it has to say about it.
    pub fn remove_answered(&mut self, name: &Name) {
        let is_over =
            |s: &Subscription| s.progress == Progress::Unwanted && s.at_server == AtServer::No && s.unanswered == 0;
        if self.by_name.get(name).is_some_and(is_over) {
            self.by_name.remove(name);
        }
    }

    pub fn request(&mut self, name: &Name, unanswered: &mut Unanswered, now: Instant) -> String {
        let attempt = match self.by_name.get(name).map(|subscription| subscription.progress) {
            Some(Progress::Authorized(attempt)) => attempt,
            _ => self.begin_attempt(name, now),
        };
        let permission = self.by_name.get_mut(name).and_then(|subscription| {
            subscription.note_request(attempt, unanswered, now);
            if !subscription.is_users() {
                self.pacing.sent(now);
            }
            subscription.permission.as_ref()
        });
        let auth = permission.map(|permission| permission.auth.signature());
        let channel_data = permission.and_then(|permission| permission.auth.member());
        Outgoing::Subscribe { channel: name, auth, channel_data }.to_text()
    }

    /// S5: ends the attempts whose time is over. A request is taken back from the server, in case it answers yet.
    ///
    /// A channel that waits for the sign-in of the `user` has no deadline of its own.
    pub fn expire(&mut self, user: User, unanswered: &mut Unanswered, batch: &mut Batch, now: Instant) {
        while self.deadlines.front().is_some_and(|(deadline, ..)| *deadline <= now) {
            let Some((_, name, attempt)) = self.deadlines.pop_front() else { return };
            // Most attempts have ended long before.
            let Some(subscription) = self.by_name.get_mut(&name).filter(|s| s.awaits(attempt)) else { continue };
            if subscription.progress == Progress::AwaitingUser(attempt) && matches!(user, User::Pending) {
                self.deadlines.push_back((now + self.rules.timeout, name, attempt));
                continue;
            }
            let is_confirmed_too_early = subscription.is_confirmed_too_early();
            if subscription.last_request == attempt {
                // Nothing is expected any more.
                unanswered.forget(&name, std::mem::take(&mut subscription.unanswered), now);
                if is_confirmed_too_early {
                    // Whether the server has refused the last request is not known, so that it is asked again.
                    subscription.progress = Progress::Wanted;
                    self.advance(&name, user, batch, now);
                    continue;
                }
            }
            let (channel, after) = (name.to_string(), self.rules.timeout);
            let asked_in_vain = Error::AuthTimeout { channel: Some(channel.clone()), after };
            if subscription.progress == Progress::Authorizing(attempt) {
                self.fail(&name, "", asked_in_vain, batch);
            } else if subscription.is_pending(attempt) {
                self.fail(&name, "", Error::SubscriptionTimeout { channel, after }, batch);
            } else {
                self.end_of_fetch(&name, attempt, Err(asked_in_vain), batch, now);
            }
            self.remove_answered(&name);
        }
    }

    /// Answers could not come for so long, which is nobody's fault. No attempt gets more than its whole time by it, so that
    /// the deadlines stay in order.
    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        let latest = now + self.rules.timeout;
        self.deadlines.iter_mut().for_each(|(deadline, ..)| *deadline = (*deadline + pause).min(latest));
    }

    pub fn deadline(&self) -> Option<Instant> {
        let turn = self.pacing.deadline().filter(|_| !self.held_back.is_empty());
        earliest([self.deadlines.front().map(|(deadline, ..)| *deadline), turn])
    }

    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.held_back.is_empty()
    }

    /// Whether that attempt, or that fetch of a key, is still under way.
    pub fn awaits(&self, channel: &str, attempt: AttemptId) -> bool {
        self.by_name.get(channel).is_some_and(|s| s.asks_permission(attempt) || s.awaits(attempt))
    }

    /// Whether events of this wish may be sent: the channel is subscribed, and the wish is the current one.
    pub fn is_subscribed(&self, channel: &Stamp) -> bool {
        let subscription = self.by_name.get(channel.intent.name());
        subscription.is_some_and(|s| s.progress == Progress::Subscribed && s.channel.epoch == channel.epoch)
    }
}
