//! Events on subscribed channels.

use std::time::Instant;

use foldhash::HashMap;

use super::{
    channel_key::{ChannelKey, DecryptOutcome, EncryptedEvent, OpenedEvent},
    members::AddOutcome,
    subscription::{Progress, Subscription},
    subscriptions::Subscriptions,
};
use crate::{
    ChannelAuth, DecryptionError, Error, MemberChange, Name, Notification, SubscriptionCount,
    delivery::memory_budget::MemoryBudget,
    event::{Batch, ChannelSlot, MembersChange},
    protocol::{
        frame::{Data, Frame},
        presence,
        secretbox::{OpenError, SharedSecret, data_of},
    },
    session::interface::AttemptId,
};

/// A subscription that may get events. Servers send to a user from the sign-in on, so the channel of the user need not
/// be confirmed (A8).
fn subscribed<'a>(by_name: &'a mut HashMap<Name, Subscription>, channel: &str) -> Option<&'a mut Subscription> {
    by_name.get_mut(channel).filter(|subscription| match subscription.progress {
        Progress::Subscribed => true,
        Progress::Wanted | Progress::HeldBack | Progress::Requested(_) => subscription.is_user_channel(),
        _ => false,
    })
}

impl Subscriptions {
    /// Adds an application event to the batch. Returns false if its channel is not subscribed.
    pub fn event(&mut self, channel: &str, frame: &Frame<'_>, batch: &mut Batch, now: Instant) -> bool {
        let Some(subscription) = subscribed(&mut self.by_name, channel) else { return false };
        let slot = subscription.slot_in(batch);
        if subscription.kind.is_encrypted() {
            self.encrypted_event(channel, frame, slot, batch, now);
        } else {
            let (data, user_id) = (frame.data, frame.user_id.as_deref());
            batch.push_event(Some(slot), &frame.event, user_id, data.max_len(), |text| data.append_to(text));
        }
        true
    }

    /// E1: an event that does not decrypt is not delivered.
    fn encrypted_event(
        &mut self,
        channel: &str,
        frame: &Frame<'_>,
        slot: ChannelSlot,
        batch: &mut Batch,
        now: Instant,
    ) {
        let event = EncryptedEvent {
            name: frame.event.to_string(),
            user_id: frame.user_id.as_deref().map(str::to_owned),
            envelope: frame.data.text().into_owned(),
        };
        let (name, user_id) = (event.name.clone(), event.user_id.clone());
        let has_common_decoder = self.settings.has_decoder;
        let Some(subscription) = subscribed(&mut self.by_name, channel) else { return };
        let has_decoder = has_common_decoder || subscription.own.has_decoder;
        let Some(channel_key) = &mut subscription.channel_key else { return };
        match channel_key.decrypt(event, &mut self.budgets.data, now) {
            DecryptOutcome::Plain(plain) => deliver(slot, &name, user_id.as_deref(), Ok(plain), has_decoder, batch),
            DecryptOutcome::Failed(error) => deliver(slot, &name, user_id.as_deref(), Err(error), has_decoder, batch),
            DecryptOutcome::Queued => {}
            DecryptOutcome::FetchKey { fits } => {
                if !fits {
                    flush(channel_key, &mut self.budgets.data, slot, has_decoder, batch);
                }
                let name = subscription.channel.name().clone();
                self.fetch_key(name, now);
            }
            DecryptOutcome::QueueFull => flush(channel_key, &mut self.budgets.data, slot, has_decoder, batch),
        }
    }

    fn fetch_key(&mut self, name: Name, now: Instant) {
        let attempt = self.begin_attempt(&name, now);
        if let Some(channel_key) =
            subscribed(&mut self.by_name, &name).and_then(|subscription| subscription.channel_key.as_mut())
        {
            channel_key.fetch(attempt, now);
        }
        self.to_authorize.push(name);
    }

    /// The fetch of a newer key has ended. An error is reported, and the events that waited for the key are delivered
    /// or reported as well.
    pub fn end_of_fetch(
        &mut self,
        name: &Name,
        attempt: AttemptId,
        answer: Result<ChannelAuth, Error>,
        batch: &mut Batch,
        now: Instant,
    ) {
        let has_common_decoder = self.settings.has_decoder;
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        let has_decoder = has_common_decoder || subscription.own.has_decoder;
        let Some(channel_key) =
            subscription.channel_key.as_mut().filter(|channel_key| channel_key.is_fetching(attempt))
        else {
            return;
        };
        let key = answer.map_err(|error| batch.push_error(error)).ok();
        let key = key.and_then(|auth| SharedSecret::from_base64(auth.key()?).ok());
        let decrypted = channel_key.fetched(key, &mut self.budgets.data, now);
        deliver_all(subscription.slot_in(batch), decrypted, has_decoder, batch);
    }

    /// The connection ends while keys are being fetched. The events that wait are tried with the old keys.
    pub fn flush_waiting_events(&mut self, batch: &mut Batch) {
        for subscription in self.by_name.values_mut() {
            subscription.flush_waiting_events(&mut self.budgets.data, self.settings.has_decoder, batch);
        }
    }

    /// Returns false if the channel is not subscribed.
    pub fn subscription_count(&mut self, channel: &str, data: Data<'_>, count: u64, batch: &mut Batch) -> bool {
        self.platform_event(channel, "pusher:subscription_count", data, batch, |channel| {
            Notification::SubscriptionCount(SubscriptionCount { channel, count })
        })
    }

    /// Returns false if the channel is not subscribed.
    pub fn cache_miss(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
        self.platform_event(channel, "pusher:cache_miss", data, batch, |channel| Notification::CacheMiss { channel })
    }

    fn platform_event(
        &mut self,
        channel: &str,
        name: &str,
        data: Data<'_>,
        batch: &mut Batch,
        notice: impl FnOnce(Name) -> Notification,
    ) -> bool {
        let Some(subscription) = subscribed(&mut self.by_name, channel) else { return false };
        let slot = subscription.slot_in(batch);
        let notice = notice(subscription.channel.name().clone());
        batch.push_platform_event(slot, name, &data.text(), notice);
        true
    }

    /// Returns false if the channel is not a subscribed presence channel, or if the member has no id.
    pub fn member_added(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
        let Some(subscription) = subscribed(&mut self.by_name, channel).filter(|s| s.kind.is_presence()) else {
            return false;
        };
        let Some((id, info)) = presence::member_of(data) else { return false };
        let slot = subscription.slot_in(batch);
        match subscription.members.add(&id, &info, &mut self.budgets.members) {
            AddOutcome::Known(member) => batch.push_members_change(slot, MembersChange::Set(member)),
            AddOutcome::LeftOut => batch.push_error(Error::TooManyMembers { channel: channel.to_owned(), left_out: 1 }),
            AddOutcome::New(member) => {
                batch.push_members_change(slot, MembersChange::Set(member.clone()));
                let change = MemberChange { channel: batch.channel_name(slot), member };
                let notice = Notification::MemberAdded(change);
                batch.push_platform_event(slot, "pusher:member_added", &data.text(), notice);
            }
        }
        true
    }

    /// Returns false if the channel is not a subscribed presence channel, or if the member is unknown (P2). A removal
    /// of the client's own user is ignored, too: servers send it with the last connection of the user, and this
    /// connection is open. Reverb keeps the removal that ended an earlier visit in the cache of `presence-cache-`
    /// channels.
    pub fn member_removed(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
        let Some(subscription) = subscribed(&mut self.by_name, channel).filter(|s| s.kind.is_presence()) else {
            return false;
        };
        let Some((id, _)) = presence::member_of(data) else { return false };
        if subscription.members.me().is_some_and(|me| *me == *id) {
            return false;
        }
        let Some(member) = subscription.members.remove(&id, &mut self.budgets.members) else { return false };
        let slot = subscription.slot_in(batch);
        batch.push_members_change(slot, MembersChange::Removed(Name::from(member.id())));
        let change = MemberChange { channel: batch.channel_name(slot), member };
        let notice = Notification::MemberRemoved(change);
        batch.push_platform_event(slot, "pusher:member_removed", &data.text(), notice);
        true
    }
}

impl Subscription {
    /// The key is about to be dropped. The events that wait for a newer one are tried with it.
    pub fn flush_waiting_events(&mut self, budget: &mut MemoryBudget, has_common_decoder: bool, batch: &mut Batch) {
        let Some(mut channel_key) = self.channel_key.take() else { return };
        if channel_key.fetching().is_some() {
            let has_decoder = has_common_decoder || self.own.has_decoder;
            flush(&mut channel_key, budget, self.slot_in(batch), has_decoder, batch);
        }
        self.channel_key = Some(channel_key);
    }
}

/// Delivers or reports the events that wait for a key, without a new key.
fn flush(
    channel_key: &mut ChannelKey,
    budget: &mut MemoryBudget,
    slot: ChannelSlot,
    has_decoder: bool,
    batch: &mut Batch,
) {
    deliver_all(slot, channel_key.flush(budget), has_decoder, batch);
}

/// Delivers or reports the events that have waited for a key.
pub(super) fn deliver_all(slot: ChannelSlot, events: Vec<OpenedEvent>, has_decoder: bool, batch: &mut Batch) {
    for (event, opened) in events {
        deliver(slot, &event.name, event.user_id.as_deref(), opened, has_decoder, batch);
    }
}

/// Adds a decrypted event to the batch, or reports that it could not be decrypted.
fn deliver(
    slot: ChannelSlot,
    name: &str,
    user_id: Option<&str>,
    opened: Result<Vec<u8>, OpenError>,
    has_decoder: bool,
    batch: &mut Batch,
) {
    let reason = match opened {
        Ok(plain) if has_decoder => return batch.push_encoded(slot, name, user_id, plain),
        Ok(plain) => match String::from_utf8(plain) {
            Ok(plain) => return batch.push_text(slot, name, user_id, &data_of(plain)),
            Err(_) => DecryptionError::Undecodable("it is not UTF-8".to_owned()),
        },
        Err(OpenError::Malformed(reason)) => DecryptionError::Malformed(reason),
        Err(OpenError::WrongKey) => DecryptionError::WrongKey,
    };
    batch.push_decryption_failure(slot, name, reason);
}
