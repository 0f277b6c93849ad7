//! What the server says to a request: yes or no.

use std::time::Instant;

use crate::{
    ChannelAuth, Error, MemberChange, Name, Notification, SubscriptionSucceeded,
    event::{Batch, ChannelSlot, RosterChange},
    protocol::{
        frame::Data,
        message::{Refusal, ServerError},
        presence,
        sealed::SharedSecret,
    },
    session::{roster::Difference, vault::Vault},
};

use super::{
    Subscriptions,
    subscription::{Progress, Subscription},
};

impl Subscriptions {
    /// The server confirms. `user` is who is signed in. False when nobody waits for that (S8).
    pub(in crate::session) fn succeeded(
        &mut self,
        channel: &str,
        data: Data<'_>,
        user: Option<&Name>,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        let (number, max_members) = (self.batch, self.rules.max_members);
        let Some(subscription) = self.by_name.get_mut(channel) else { return false };
        subscription.unanswered = subscription.unanswered.saturating_sub(1);
        if !subscription.is_requested() {
            let name = subscription.interest.name().clone();
            self.remove_answered(&name);
            return false;
        }
        // Also when it is the answer to an older request: if the last one is refused, that is still to come.
        subscription.progress = Progress::Subscribed;
        // It has served, and must not take memory, nor be known, for longer.
        let auth = subscription.permission.take().map(|permission| permission.auth);
        let key = auth.as_ref().and_then(|auth| SharedSecret::from_base64(auth.key()?).ok());
        subscription.vault = key.map(|key| Vault::new(key, &self.budget, subscription.last_fetch));
        if subscription.is_users() {
            // Made by the client, so that nobody waits for its confirmation.
            return true;
        }
        let lost = subscription.lost.take();
        let succeeded = SubscriptionSucceeded {
            channel: subscription.interest.name().clone(),
            resubscribed: lost.is_some(),
            gap: lost.map(|lost| now.saturating_duration_since(lost)),
        };
        let slot = subscription.slot_in(number, batch);
        let me = auth.as_ref().and_then(ChannelAuth::member).and_then(presence::own_id);
        let me = me.as_deref().map(Name::from).or_else(|| user.cloned());
        let difference = subscription.replace_members(slot, data, me, max_members, batch);
        // The difference is reported after a resubscription only.
        let left_out = difference.left_out.max(lost.map_or(0, |_| difference.unreported));
        if left_out > 0 {
            batch.push_error(Error::TooManyMembers { channel: subscription.interest.name().to_string(), left_out });
        }
        batch.push_subscription_succeeded(slot, &data.text(), succeeded);
        if lost.is_some() {
            tell_difference(slot, difference, batch);
        }
        true
    }

    /// The server refuses. False when nobody waits for an answer.
    pub(in crate::session) fn refused(
        &mut self,
        channel: &str,
        data: &str,
        refusal: Refusal,
        batch: &mut Batch,
    ) -> bool {
        let Some(subscription) = self.by_name.get_mut(channel) else { return false };
        let is_confirmed_too_early = subscription.progress == Progress::Subscribed && subscription.unanswered == 1;
        subscription.unanswered = subscription.unanswered.saturating_sub(1);
        if !subscription.is_requested() && !is_confirmed_too_early {
            let name = subscription.interest.name().clone();
            self.remove_answered(&name);
            return false;
        }
        if subscription.unanswered > 0 {
            // It is an older request that is refused; the answer to the last one is still to come.
            return true;
        }
        // The server does not hold the subscription, so there is nothing to unsubscribe.
        subscription.on_wire = false;
        let name = subscription.interest.name().clone();
        let Refusal { kind, message, status } = refusal;
        let error = Error::SubscriptionRefused { channel: name.to_string(), kind, message, status };
        self.fail(&name, data, error, batch);
        true
    }

    /// S6: an error without a channel is the answer to the one request of the user that is not answered, if there is
    /// exactly one. 4301 is about a client event.
    pub(in crate::session) fn take_as_answer(&mut self, error: &ServerError, batch: &mut Batch) -> bool {
        if error.has_channel || error.code == Some(4301) {
            return false;
        }
        let mut requested = self.by_name.values().filter(|s| s.is_requested() && !s.is_users());
        let (Some(subscription), None) = (requested.next(), requested.next()) else { return false };
        let channel = subscription.interest.name().clone();
        let refusal = Refusal { kind: String::new(), message: error.message.clone(), status: error.code };
        self.refused(&channel, "", refusal, batch)
    }

    /// Ends the attempt of a channel with an error.
    pub(super) fn fail(&mut self, name: &Name, data: &str, error: Error, batch: &mut Batch) {
        let number = self.batch;
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.progress = Progress::Failed;
        subscription.ready = None;
        subscription.forget_secrets();
        if subscription.is_users() {
            return batch.push_error(error);
        }
        let slot = subscription.slot_in(number, batch);
        batch.push_subscription_error(slot, data, error);
        if subscription.on_wire {
            // The server may still hold it: an older request for this channel, or one that it answers yet.
            self.tell(name);
        }
    }
}

impl Subscription {
    /// P1: the list is replaced as a whole, before any handler runs.
    fn replace_members(
        &mut self,
        slot: ChannelSlot,
        data: Data<'_>,
        me: Option<Name>,
        max: usize,
        batch: &mut Batch,
    ) -> Difference {
        if !self.kind.is_presence() {
            return Difference::default();
        }
        let difference = self.roster.replace(|each| presence::list_members(data, each), me, max);
        let (members, me) = (self.roster.members(), self.roster.me().cloned());
        batch.push_roster_change(slot, RosterChange::Replaced { members, me });
        difference
    }
}

/// Who went and who came while the channel was not subscribed.
fn tell_difference(slot: ChannelSlot, difference: Difference, batch: &mut Batch) {
    let channel = batch.channel_name(slot);
    for member in difference.went {
        let data = presence::describe(member.id(), None);
        let change = MemberChange { channel: channel.clone(), member };
        batch.push_platform_event(slot, "pusher:member_removed", &data, Notification::MemberRemoved(change));
    }
    for member in difference.came {
        let data = presence::describe(member.id(), Some(member.info()));
        let change = MemberChange { channel: channel.clone(), member };
        batch.push_platform_event(slot, "pusher:member_added", &data, Notification::MemberAdded(change));
    }
}
