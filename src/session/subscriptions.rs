//! Which channels are wanted, and how far each has come.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Error,
    event::{Batch, ChannelSlot, Interest, Name, SubscriptionSucceeded},
    protocol::{
        frame::{Frame, Outgoing},
        message::{Refusal, ServerError},
        name,
    },
};

/// All channels that are wanted, or that the server must still be told to forget.
pub(super) struct Subscriptions {
    by_name: HashMap<Name, Subscription>,
    /// The channels about which the server has to be told something. Each stands here once.
    to_tell: VecDeque<Name>,
    /// In order, because every request has the same time. Answered requests stay until they would have run out.
    deadlines: VecDeque<(Instant, Name, u64)>,
    /// How many requests are not answered yet.
    pending: usize,
    requests: u64,
    /// Numbers the batches, because a channel's slot is worth something in one batch only.
    batch: u64,
    timeout: Duration,
    connected: bool,
}

struct Subscription {
    interest: Arc<Interest>,
    /// The wish that the subscription answers.
    epoch: u64,
    progress: Progress,
    /// The server was asked to subscribe, and not yet to unsubscribe.
    on_wire: bool,
    to_tell: bool,
    /// When it was last subscribed, if that ended without the user's will.
    lost: Option<Instant>,
    slot: Option<(u64, ChannelSlot)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// To be requested, now or after the next connect.
    Wanted,
    /// Requested from the server; the number tells requests for one channel apart.
    Requested(u64),
    Subscribed,
    /// Refused or timed out. A reconnect or a new wish tries again.
    Failed,
    /// The user does not want it any more.
    Unwanted,
}

impl Subscriptions {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            by_name: HashMap::new(),
            to_tell: VecDeque::new(),
            deadlines: VecDeque::new(),
            pending: 0,
            requests: 0,
            batch: 0,
            timeout,
            connected: false,
        }
    }

    /// Follows the user's wish for a channel; the last wish wins (S1). An error is the answer to this wish.
    pub(super) fn wish(&mut self, interest: &Arc<Interest>) -> Option<Error> {
        let epoch = interest.epoch();
        if !interest.is_wanted() {
            self.unwant(interest.name());
            return None;
        }
        if name::needs_auth(interest.name()) {
            return Some(Error::NoAuthorizer { channel: interest.name().to_string() });
        }
        let subscription = self.by_name.entry(interest.name().clone()).or_insert_with(|| Subscription {
            interest: Arc::clone(interest),
            epoch,
            progress: Progress::Failed,
            on_wire: false,
            to_tell: false,
            lost: None,
            slot: None,
        });
        if subscription.epoch == epoch && subscription.progress != Progress::Failed {
            return None;
        }
        subscription.interest = Arc::clone(interest);
        subscription.epoch = epoch;
        subscription.lost = None;
        subscription.slot = None;
        self.pending -= usize::from(subscription.change(Progress::Wanted));
        self.tell(interest.name());
        None
    }

    /// Unsubscribing wins at once (S2): a late answer finds nothing that waits for it.
    fn unwant(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        self.pending -= usize::from(subscription.change(Progress::Unwanted));
        if self.connected {
            self.tell(name);
        } else {
            self.by_name.remove(name);
        }
    }

    fn tell(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        if self.connected && !std::mem::replace(&mut subscription.to_tell, true) {
            self.to_tell.push_back(name.clone());
        }
    }

    /// A new connection subscribes every wanted channel exactly once (R8), in the order in which they became known.
    pub(super) fn begin_connection(&mut self) {
        self.connected = true;
        let mut wanted: Vec<_> = self.by_name.values().map(|s| (s.interest.id(), s.interest.name().clone())).collect();
        wanted.sort_unstable();
        for (_, name) in wanted {
            self.tell(&name);
        }
    }

    /// The server has forgotten everything. What is still wanted will be requested again.
    pub(super) fn end_connection(&mut self, now: Instant) {
        self.connected = false;
        self.to_tell.clear();
        self.deadlines.clear();
        self.pending = 0;
        self.by_name.retain(|_, subscription| {
            subscription.on_wire = false;
            subscription.to_tell = false;
            if subscription.progress == Progress::Subscribed {
                subscription.lost = Some(now);
            }
            subscription.progress != Progress::Unwanted
        });
        for subscription in self.by_name.values_mut() {
            subscription.progress = Progress::Wanted;
        }
    }

    /// The next message to the server about a channel.
    pub(super) fn next_message(&mut self, now: Instant) -> Option<String> {
        while let Some(name) = self.to_tell.pop_front() {
            let Some(subscription) = self.by_name.get_mut(&name) else { continue };
            subscription.to_tell = false;
            match subscription.progress {
                Progress::Requested(_) | Progress::Subscribed => {}
                Progress::Wanted if !subscription.on_wire => return Some(self.request(&name, now)),
                _ if subscription.on_wire => {
                    subscription.on_wire = false;
                    // What has to be said after the unsubscribe is said before anything about other channels.
                    subscription.to_tell = true;
                    self.to_tell.push_front(name.clone());
                    return Some(Outgoing::Unsubscribe { channel: &name }.to_text());
                }
                Progress::Unwanted => drop(self.by_name.remove(&name)),
                Progress::Wanted | Progress::Failed => {}
            }
        }
        None
    }

    fn request(&mut self, name: &Name, now: Instant) -> String {
        self.requests += 1;
        if let Some(subscription) = self.by_name.get_mut(name) {
            subscription.on_wire = true;
            subscription.change(Progress::Requested(self.requests));
        }
        self.pending += 1;
        self.forget_answered();
        self.deadlines.push_back((now + self.timeout, name.clone(), self.requests));
        Outgoing::Subscribe { channel: name }.to_text()
    }

    /// Keeps the list of deadlines in proportion to what is pending, so often that it costs nothing on average.
    fn forget_answered(&mut self) {
        if self.deadlines.len() > 2 * self.pending + 64 {
            let by_name = &self.by_name;
            let is_pending = |name: &Name, request| {
                by_name.get(name).is_some_and(|subscription| subscription.progress == Progress::Requested(request))
            };
            self.deadlines.retain(|(_, name, request)| is_pending(name, *request));
        }
    }

    /// The server confirms. False when nobody waits for that (S8).
    pub(super) fn succeeded(&mut self, channel: &str, data: &str, batch: &mut Batch, now: Instant) -> bool {
        let number = self.batch;
        let Some(subscription) = self.by_name.get_mut(channel).filter(|s| s.is_pending()) else { return false };
        self.pending -= usize::from(subscription.change(Progress::Subscribed));
        let lost = subscription.lost.take();
        let succeeded = SubscriptionSucceeded {
            channel: subscription.interest.name().clone(),
            resubscribed: lost.is_some(),
            gap: lost.map(|lost| now.saturating_duration_since(lost)),
        };
        let slot = subscription.slot_in(number, batch);
        batch.push_subscription_succeeded(slot, data, succeeded);
        true
    }

    /// The server refuses. False when nobody waits for an answer.
    pub(super) fn refused(&mut self, channel: &str, data: &str, refusal: Refusal, batch: &mut Batch) -> bool {
        let Refusal { kind, message, status } = refusal;
        let error = Error::SubscriptionRefused { channel: channel.to_owned(), kind, message, status };
        // The server does not hold the subscription, so there is nothing to unsubscribe.
        self.fail(channel, data, error, false, batch)
    }

    /// S6: an error without a channel is the answer to the one pending subscription, if there is exactly one. 4301 is
    /// about a client event.
    pub(super) fn take_as_answer(&mut self, error: &ServerError, batch: &mut Batch) -> bool {
        if self.pending != 1 || error.has_channel || error.code == Some(4301) {
            return false;
        }
        let Some(channel) = self.by_name.values().find(|s| s.is_pending()).map(|s| s.interest.name().clone()) else {
            return false;
        };
        let refusal = Refusal { kind: String::new(), message: error.message.clone(), status: error.code };
        self.refused(&channel, "", refusal, batch)
    }

    fn fail(&mut self, channel: &str, data: &str, error: Error, on_wire: bool, batch: &mut Batch) -> bool {
        let number = self.batch;
        let Some(subscription) = self.by_name.get_mut(channel).filter(|s| s.is_pending()) else { return false };
        self.pending -= usize::from(subscription.change(Progress::Failed));
        subscription.on_wire = on_wire;
        let slot = subscription.slot_in(number, batch);
        batch.push_subscription_error(slot, data, error);
        true
    }

    /// S5: ends the requests whose time is over, and takes them back from the server, in case it answers yet.
    pub(super) fn expire(&mut self, batch: &mut Batch, now: Instant) {
        while self.deadlines.front().is_some_and(|(deadline, ..)| *deadline <= now) {
            let Some((_, name, request)) = self.deadlines.pop_front() else { return };
            let subscription = self.by_name.get(&name);
            if subscription.is_some_and(|s| s.progress == Progress::Requested(request)) {
                let error = Error::SubscriptionTimeout { channel: name.to_string(), after: self.timeout };
                self.fail(&name, "", error, true, batch);
                self.tell(&name);
            }
        }
    }

    /// Answers could not be read for so long, which is not the server's fault.
    pub(super) fn postpone(&mut self, pause: Duration) {
        self.deadlines.iter_mut().for_each(|(deadline, ..)| *deadline += pause);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, ..)| *deadline)
    }

    /// Takes an application event into the batch. False when its channel is not subscribed; an error when its data is
    /// not text.
    pub(super) fn event(&mut self, channel: &str, frame: &Frame<'_>, batch: &mut Batch) -> Result<bool, String> {
        let number = self.batch;
        let Some(subscription) = self.by_name.get_mut(channel).filter(|s| s.progress == Progress::Subscribed) else {
            return Ok(false);
        };
        let slot = subscription.slot_in(number, batch);
        batch.push_event(slot, &frame.event, frame.user_id.as_deref(), |text| frame.data.append_to(text))?;
        Ok(true)
    }

    /// The batch was taken; the next one has other slots.
    pub(super) fn forget_slots(&mut self) {
        self.batch += 1;
    }
}

impl Subscription {
    /// True when a pending request ends by this.
    fn change(&mut self, progress: Progress) -> bool {
        let was_pending = self.is_pending();
        self.progress = progress;
        was_pending
    }

    fn is_pending(&self) -> bool {
        matches!(self.progress, Progress::Requested(_))
    }

    fn slot_in(&mut self, number: u64, batch: &mut Batch) -> ChannelSlot {
        match self.slot {
            Some((of, slot)) if of == number => slot,
            _ => {
                let slot = batch.add_channel(&self.interest, self.epoch);
                self.slot = Some((number, slot));
                slot
            }
        }
    }
}
