//! Subscriptions, and the events for subscribers.

use super::{
    core::{Change, Hub},
    state::client::Connection,
};
use crate::testing::protocol::{
    channel_kind::{Access, ChannelKind, user_of},
    frames,
    presence::Member,
    refusal::Refusal,
};

/// Limit for one client: more than any test needs, and few enough to protect the memory.
const MAX_SUBSCRIPTIONS: usize = 100_000;

impl Hub {
    /// Subscribes and confirms under one lock, so that the confirmation comes before all events.
    pub fn subscribe(&self, connection: &Connection, channel: &str, member: Option<Member>) {
        let mut change = self.change();
        let is_new = match change.admit(connection.id, channel, member.as_ref()) {
            Ok(is_new) => is_new,
            Err(refusal) => return change.send(connection, self.settings.refusals.subscription(channel, &refusal)),
        };
        match member {
            Some(member) => change.join(connection, channel, &member),
            None => change.send(connection, frames::subscription_succeeded(channel)),
        }
        if ChannelKind::of(channel).cached {
            let cached = change.cache.get(channel).cloned();
            change.send(connection, cached.unwrap_or_else(|| frames::cache_miss(channel)));
        }
        if is_new {
            change.count(channel);
        }
    }

    pub fn unsubscribe(&self, connection: &Connection, channel: &str) {
        let mut change = self.change();
        let client = change.open.get_mut(&connection.id);
        if client.is_some_and(|client| client.channels.remove(channel)) {
            change.depart(connection.id, channel);
        }
    }

    /// Delivers an event to the subscribers of a channel, or to a user, and returns the number of receivers.
    pub fn trigger(&self, channel: &str, event: &str, data: &str, except: Option<&str>) -> usize {
        if self.is_silent() {
            return 0;
        }
        let frame = frames::event(channel, event, data);
        let is_cached = ChannelKind::of(channel).cached;
        let mut change = self.quiet_change();
        if is_cached {
            change.cache.put(channel, frame.clone());
        }
        let wanted = |connection: &Connection| except != Some(connection.socket_id.as_str());
        match user_of(channel) {
            Some(user) => {
                let receivers = change.connections_of(user, wanted);
                change.send_to(&receivers, &frame)
            }
            None => change.deliver(channel, &frame, wanted),
        }
    }
}

impl Change<'_> {
    /// Adds a connection to a channel. Returns false if it was subscribed already.
    fn admit(&mut self, id: u64, channel: &str, member: Option<&Member>) -> Result<bool, Refusal> {
        if member.is_some_and(|member| self.channels.is_full_for(channel, member)) {
            return Err(Refusal::TOO_MANY_MEMBERS);
        }
        let state = &mut **self;
        // The refusal of a closed connection is never sent.
        let Some(client) = state.open.get_mut(&id) else { return Err(Refusal::UNAUTHORIZED) };
        if client.channels.contains(channel) {
            return Ok(false);
        }
        if client.channels.len() >= MAX_SUBSCRIPTIONS {
            return Err(Refusal::TOO_MANY_SUBSCRIPTIONS);
        }
        client.channels.insert(channel.to_owned());
        state.channels.add(channel, client.connection.clone());
        Ok(true)
    }

    /// Makes a subscriber a member, confirms it, and notifies the other members.
    fn join(&mut self, connection: &Connection, name: &str, member: &Member) {
        let Some(presence) = self.channels.presence_mut(name) else { return };
        // A repeated subscription may name another user.
        let is_same = presence.user_of(connection.id) == Some(&member.user_id);
        let removed = if is_same { None } else { presence.leave(connection.id) };
        let is_first = presence.join(connection.id, member);
        let succeeded = frames::presence_succeeded(name, presence);
        let other = |other: &Connection| other.id != connection.id;
        if let Some(removed) = removed {
            self.deliver(name, &frames::member_removed(name, &removed), other);
        }
        if is_first {
            let added = frames::platform_event("pusher_internal:member_added", Some(name), member);
            self.deliver(name, &added, other);
        }
        self.send(connection, succeeded);
    }

    /// Removes a connection from a channel, and notifies the others.
    pub fn depart(&mut self, id: u64, name: &str) {
        if let Some(removed) = self.channels.remove(name, id) {
            self.deliver(name, &frames::member_removed(name, &removed), |_| true);
        }
        self.count(name);
    }

    /// Sends the number of subscribers to the subscribers, if the app is configured for it.
    fn count(&mut self, channel: &str) {
        let has_count = !matches!(ChannelKind::of(channel).access, Access::Presence | Access::User);
        if self.hub.settings.subscription_counts && has_count {
            let frame = frames::subscription_count(channel, self.channels.subscribers(channel));
            self.deliver(channel, &frame, |_| true);
        }
    }
}
