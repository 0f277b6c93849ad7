//! The answers of the server to subscriptions: confirmations and refusals.

use std::time::Instant;

use super::{
    channel_events::deliver_all,
    members::{Difference, MemberLimits},
    subscription::{AtServer, Progress, Subscription, User},
    subscriptions::Subscriptions,
};
use crate::{
    ChannelAuth, Error, MemberChange, Name, Notification, SubscriptionSucceeded,
    event::{Batch, ChannelSlot, MembersChange},
    protocol::{
        frame::Data,
        message::{Refusal, ServerError},
        presence,
        secretbox::SharedSecret,
    },
    session::interface::AttemptId,
};

impl Subscriptions {
    /// The server confirms. `user` is the signed-in user. Returns false if no confirmation is expected (S8).
    pub fn succeeded(
        &mut self,
        channel: &str,
        data: Data<'_>,
        user: Option<&Name>,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        let Some(subscription) = self.by_name.get_mut(channel) else { return false };
        let is_expected = subscription.unanswered > 0 || subscription.is_repeated();
        if is_expected && !subscription.is_user_channel() {
            self.pacing.answered(now);
        }
        subscription.unanswered = subscription.unanswered.saturating_sub(1);
        if !subscription.can_be_confirmed() {
            let name = subscription.channel.name().clone();
            self.remove_if_done(&name);
            return false;
        }
        self.held_back.remove(&subscription.channel.id());
        // This holds for the answer to an older request as well: if the last request is refused, that refusal is still
        // to come.
        subscription.progress = Progress::Subscribed;
        subscription.at_server = AtServer::Asked;
        // The permission is no longer needed, so its memory is freed and wiped.
        let auth = subscription.take_permission(&mut self.budgets.data);
        let key = auth.as_ref().and_then(|auth| SharedSecret::from_base64(auth.key()?).ok());
        if let Some(key) = key {
            let opened = subscription.set_key(key, &mut self.budgets.data);
            let has_decoder = self.settings.has_decoder || subscription.own.has_decoder;
            deliver_all(subscription.slot_in(batch), opened, has_decoder, batch);
        }
        if subscription.is_user_channel() {
            // The client has made this subscription by itself, so its confirmation is not reported.
            return true;
        }
        let lost = subscription.lost.take();
        let succeeded = SubscriptionSucceeded {
            channel: subscription.channel.name().clone(),
            resubscribed: lost.is_some(),
            gap: lost.map(|lost| now.saturating_duration_since(lost)),
        };
        let slot = subscription.slot_in(batch);
        let me = auth.as_ref().and_then(ChannelAuth::member).and_then(presence::own_id);
        let me = me.as_deref().map(Name::from).or_else(|| user.cloned());
        let difference = subscription.replace_members(slot, data, me, &mut self.budgets.members, batch);
        // The difference is reported only after a resubscription.
        let left_out = difference.left_out.max(lost.map_or(0, |_| difference.unreported));
        if left_out > 0 {
            batch.push_error(Error::TooManyMembers { channel: subscription.channel.name().to_string(), left_out });
        }
        batch.push_subscription_succeeded(slot, &data.text(), succeeded);
        if lost.is_some() {
            report_difference(slot, difference, batch);
        }
        true
    }

    /// The server refuses. Returns false if no answer is expected.
    pub fn refused(
        &mut self,
        channel: &str,
        data: &str,
        refusal: Refusal,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        let Some(subscription) = self.by_name.get_mut(channel) else { return false };
        if self.has_ambiguous_error && subscription.progress == Progress::Subscribed && subscription.unanswered == 0 {
            // The confirmation may have answered an older request. The client asks again, because only the server
            // knows.
            let name = subscription.channel.name().clone();
            subscription.progress = Progress::Wanted;
            self.advance(&name, user, batch, now);
            return true;
        }
        let is_confirmed_too_early = subscription.is_confirmed_too_early();
        let is_awaited = subscription.is_requested() || subscription.is_repeated();
        if subscription.unanswered > 0 && !subscription.is_user_channel() {
            self.pacing.answered(now);
        }
        subscription.unanswered = subscription.unanswered.saturating_sub(1);
        if !is_awaited && !is_confirmed_too_early {
            let name = subscription.channel.name().clone();
            self.remove_if_done(&name);
            return false;
        }
        if subscription.unanswered > 0 {
            // This refuses an older request. The answer to the last one is still to come.
            return true;
        }
        // The server does not have the subscription, so there is nothing to unsubscribe. On a server with a limit, this
        // may answer a request that was repeated too early, and the next answer is a confirmation.
        subscription.at_server = if self.pacing.is_limited() { AtServer::Perhaps } else { AtServer::No };
        self.held_back.remove(&subscription.channel.id());
        let name = subscription.channel.name().clone();
        let Refusal { kind, message, status } = refusal;
        let error = Error::SubscriptionRefused { channel: name.to_string(), kind, message, status };
        self.fail(&name, data, error, batch);
        true
    }

    /// Whether the server has not answered a request for this channel, for the current intent or an older one.
    pub fn awaits_answer(&self, channel: &str) -> bool {
        self.by_name.get(channel).is_some_and(|subscription| subscription.unanswered > 0)
    }

    /// Whether the server's answer for the current intent is expected.
    pub fn is_requested(&self, channel: &str) -> bool {
        self.by_name.get(channel).is_some_and(|subscription| subscription.is_requested() || subscription.is_repeated())
    }

    /// S6: an error without a channel was taken for the refusal of this attempt. If that is wrong, the confirmation
    /// finds the permission. Returns false if the attempt is over. If an older attempt was refused by a guess, the
    /// answer to the last request may still come.
    pub fn refused_in_order(
        &mut self,
        channel: &Name,
        attempt: AttemptId,
        is_a_guess: bool,
        error: &ServerError,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        self.has_ambiguous_error = true;
        let Some(subscription) = self.by_name.get_mut(channel) else { return false };
        let is_confirmed_too_early = subscription.is_confirmed_too_early() && subscription.last_request == attempt;
        if !is_a_guess || subscription.last_request == attempt {
            subscription.unanswered = subscription.unanswered.saturating_sub(1);
        }
        self.pacing.answered(now);
        if subscription.progress != Progress::Requested(attempt) && !is_confirmed_too_early {
            self.remove_if_done(channel);
            return false;
        }
        subscription.at_server = AtServer::Perhaps;
        let (message, status) = (error.message.clone(), error.code);
        let error = Error::SubscriptionRefused { channel: channel.to_string(), kind: String::new(), message, status };
        self.report_failure(channel, "", error, batch);
        true
    }

    /// Ends the attempt to subscribe with an error.
    pub fn fail(&mut self, name: &Name, data: &str, error: Error, batch: &mut Batch) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.flush_waiting_events(&mut self.budgets.data, self.settings.has_decoder, batch);
        subscription.forget_secrets(&mut self.budgets.data);
        let is_asked = subscription.at_server == AtServer::Asked && !subscription.is_user_channel();
        self.report_failure(name, data, error, batch);
        if is_asked {
            // The server may have the subscription: by an older request, or by one that it answers later.
            self.enqueue(name);
        }
    }

    fn report_failure(&mut self, name: &Name, data: &str, error: Error, batch: &mut Batch) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.progress = Progress::Failed;
        subscription.ready = None;
        if subscription.is_user_channel() {
            return batch.push_error(error);
        }
        let slot = subscription.slot_in(batch);
        batch.push_subscription_error(slot, data, error);
    }
}

impl Subscription {
    /// P1: the list is replaced as a whole, before any handler runs.
    fn replace_members(
        &mut self,
        slot: ChannelSlot,
        data: Data<'_>,
        me: Option<Name>,
        limits: &mut MemberLimits,
        batch: &mut Batch,
    ) -> Difference {
        if !self.kind.is_presence() {
            return Difference::default();
        }
        let difference = self.members.replace(|each| presence::list_members(data, each), me, limits);
        let (members, me) = (self.members.to_vec(), self.members.me().cloned());
        batch.push_members_change(slot, MembersChange::Replaced { members, me });
        difference
    }
}

/// Reports the members who left and joined while the channel was not subscribed.
fn report_difference(slot: ChannelSlot, difference: Difference, batch: &mut Batch) {
    let channel = batch.channel_name(slot);
    for member in difference.left {
        let data = presence::describe(member.id(), None);
        let change = MemberChange { channel: channel.clone(), member };
        batch.push_platform_event(slot, "pusher:member_removed", &data, Notification::MemberRemoved(change));
    }
    for member in difference.joined {
        let data = presence::describe(member.id(), Some(member.info()));
        let change = MemberChange { channel: channel.clone(), member };
        batch.push_platform_event(slot, "pusher:member_added", &data, Notification::MemberAdded(change));
    }
}
