//! What the server sends on a channel that is subscribed.

use std::time::Instant;

use super::{
    channel_key::{Opening, Sealed, Vault},
    members::Coming,
    subscription::{Progress, Subscription},
    subscriptions::Subscriptions,
};
use crate::{
    ChannelAuth, DecryptionError, Error, MemberChange, Name, Notification, SubscriptionCount,
    event::{Batch, ChannelSlot, MembersChange},
    protocol::{
        frame::{Data, Frame},
        presence,
        secretbox::{OpenError, SharedSecret, data_of},
    },
    session::interface::AttemptId,
};

impl Subscriptions {
    /// Servers send to a user from the sign-in on, so that the user's own channel need not be confirmed (A8).
    fn subscribed(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.by_name.get_mut(channel).filter(|subscription| match subscription.progress {
            Progress::Subscribed => true,
            Progress::Wanted | Progress::HeldBack | Progress::Requested(_) => subscription.is_users(),
            _ => false,
        })
    }

    /// Takes an application event into the batch. False when its channel is not subscribed.
    pub fn event(&mut self, channel: &str, frame: &Frame<'_>, batch: &mut Batch, now: Instant) -> bool {
        let Some(subscription) = self.subscribed(channel) else { return false };
        let slot = subscription.slot_in(batch);
        if subscription.kind.is_encrypted() {
            self.sealed_event(channel, frame, slot, batch, now);
        } else {
            let (data, user_id) = (frame.data, frame.user_id.as_deref());
            batch.push_event(Some(slot), &frame.event, user_id, data.max_len(), |text| data.append_to(text));
        }
        true
    }

    /// E1: it must decrypt, or it is not delivered.
    fn sealed_event(&mut self, channel: &str, frame: &Frame<'_>, slot: ChannelSlot, batch: &mut Batch, now: Instant) {
        let event = Sealed {
            name: frame.event.to_string(),
            user_id: frame.user_id.as_deref().map(str::to_owned),
            envelope: frame.data.text().into_owned(),
        };
        let (name, user_id) = (event.name.clone(), event.user_id.clone());
        let has_common_decoder = self.rules.has_decoder;
        let Some(subscription) = self.subscribed(channel) else { return };
        let has_decoder = has_common_decoder || subscription.own.has_decoder;
        let Some(vault) = &mut subscription.vault else { return };
        match vault.open(event, now) {
            Opening::Plain(plain) => deliver(slot, &name, user_id.as_deref(), Ok(plain), has_decoder, batch),
            Opening::Failed(error) => deliver(slot, &name, user_id.as_deref(), Err(error), has_decoder, batch),
            Opening::Held => {}
            Opening::Fetch { fits } => {
                if !fits {
                    give_up(vault, slot, has_decoder, batch);
                }
                let name = subscription.channel.intent.name().clone();
                self.fetch_key(name, now);
            }
            Opening::Full => give_up(vault, slot, has_decoder, batch),
        }
    }

    fn fetch_key(&mut self, name: Name, now: Instant) {
        let attempt = self.begin_attempt(&name, now);
        if let Some(vault) = self.subscribed(&name).and_then(|subscription| subscription.vault.as_mut()) {
            vault.fetch(attempt, now);
        }
        self.to_ask.push(name);
    }

    /// The fetch of a newer key has ended, which is reported when there is none: what waited for it is delivered, or
    /// reported too.
    pub fn end_of_fetch(
        &mut self,
        name: &Name,
        attempt: AttemptId,
        answer: Result<ChannelAuth, Error>,
        batch: &mut Batch,
        now: Instant,
    ) {
        let has_common_decoder = self.rules.has_decoder;
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        let has_decoder = has_common_decoder || subscription.own.has_decoder;
        let Some(vault) = subscription.vault.as_mut().filter(|vault| vault.is_fetching(attempt)) else { return };
        let key = answer.map_err(|error| batch.push_error(error)).ok();
        let released = vault.fetched(key.and_then(|auth| SharedSecret::from_base64(auth.key()?).ok()), now);
        let slot = subscription.slot_in(batch);
        for (event, opened) in released {
            deliver(slot, &event.name, event.user_id.as_deref(), opened, has_decoder, batch);
        }
    }

    /// The connection ends before the keys have come: what waits is tried with those that there are.
    pub fn give_up_waiting_for_keys(&mut self, batch: &mut Batch) {
        let has_common_decoder = self.rules.has_decoder;
        for subscription in self.by_name.values_mut() {
            let Some(mut vault) = subscription.vault.take() else { continue };
            if vault.fetching().is_some() {
                let has_decoder = has_common_decoder || subscription.own.has_decoder;
                give_up(&mut vault, subscription.slot_in(batch), has_decoder, batch);
            }
            subscription.vault = Some(vault);
        }
    }

    /// False when the channel is not subscribed.
    pub fn counted(&mut self, channel: &str, data: Data<'_>, count: u64, batch: &mut Batch) -> bool {
        self.platform_event(channel, "pusher:subscription_count", data, batch, |channel| {
            Notification::SubscriptionCount(SubscriptionCount { channel, count })
        })
    }

    /// False when the channel is not subscribed.
    pub fn cache_missed(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
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
        let Some(subscription) = self.subscribed(channel) else { return false };
        let slot = subscription.slot_in(batch);
        let notice = notice(subscription.channel.intent.name().clone());
        batch.push_platform_event(slot, name, &data.text(), notice);
        true
    }

    /// False when the channel is not a subscribed presence channel, or the member has no id.
    pub fn member_added(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
        let max = self.rules.max_members;
        let Some(subscription) = self.subscribed(channel).filter(|s| s.kind.is_presence()) else { return false };
        let Some((id, info)) = presence::member_of(data) else { return false };
        let slot = subscription.slot_in(batch);
        match subscription.roster.add(&id, &info, max) {
            Coming::Known(member) => batch.push_members_change(slot, MembersChange::Set(member)),
            Coming::LeftOut => batch.push_error(Error::TooManyMembers { channel: channel.to_owned(), left_out: 1 }),
            Coming::New(member) => {
                batch.push_members_change(slot, MembersChange::Set(member.clone()));
                let change = MemberChange { channel: batch.channel_name(slot), member };
                let notice = Notification::MemberAdded(change);
                batch.push_platform_event(slot, "pusher:member_added", &data.text(), notice);
            }
        }
        true
    }

    /// False when the channel is not a subscribed presence channel, or the member is not known (P2). Nor does the client's own
    /// user leave while the channel is subscribed: the removal comes with the last connection of the user, and this one is
    /// there. Reverb keeps the removal that ended an earlier visit in the cache of `presence-cache-` channels.
    pub fn member_removed(&mut self, channel: &str, data: Data<'_>, batch: &mut Batch) -> bool {
        let Some(subscription) = self.subscribed(channel).filter(|s| s.kind.is_presence()) else { return false };
        let Some((id, _)) = presence::member_of(data) else { return false };
        if subscription.roster.me().is_some_and(|me| *me == *id) {
            return false;
        }
        let Some(member) = subscription.roster.remove(&id) else { return false };
        let slot = subscription.slot_in(batch);
        batch.push_members_change(slot, MembersChange::Removed(Name::from(member.id())));
        let change = MemberChange { channel: batch.channel_name(slot), member };
        let notice = Notification::MemberRemoved(change);
        batch.push_platform_event(slot, "pusher:member_removed", &data.text(), notice);
        true
    }
}

/// Delivers, or reports, what waits for a key, without the key.
fn give_up(vault: &mut Vault, slot: ChannelSlot, has_decoder: bool, batch: &mut Batch) {
    for (event, opened) in vault.give_up() {
        deliver(slot, &event.name, event.user_id.as_deref(), opened, has_decoder, batch);
    }
}

/// Puts a decrypted event into the batch, or the report that it could not be decrypted.
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
