//! Channels: who is in them, and what is sent there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Change, Hub};
use crate::testing::connection::Connection;
use crate::testing::kind::{Access, Kind, user_of};
use crate::testing::presence::{Member, Presence};
use crate::testing::refusal::Refusal;
use crate::testing::wire;

/// More than any test subscribes to, and little enough that one client cannot fill the memory.
const MAX_SUBSCRIPTIONS: usize = 100_000;
/// The limit of the hosted service, and soketi's default.
const MAX_MEMBERS: usize = 100;

/// No channel in here is without subscribers.
#[derive(Default)]
pub(super) struct Channels(HashMap<String, Channel>);

#[derive(Default)]
struct Channel {
    subscribers: BTreeMap<u64, Arc<Connection>>,
    /// Empty on channels without members.
    presence: Presence,
}

impl Channels {
    /// The subscribers of a channel.
    pub(super) fn of(&self, channel: &str) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.get(channel).into_iter().flat_map(|channel| channel.subscribers.values())
    }

    /// Number of subscribers.
    pub(super) fn subscribers(&self, channel: &str) -> usize {
        self.0.get(channel).map_or(0, |channel| channel.subscribers.len())
    }

    /// Number of members.
    pub(super) fn members(&self, channel: &str) -> usize {
        self.0.get(channel).map_or(0, |channel| channel.presence.len())
    }

    pub(super) fn presence(&self, channel: &str) -> Option<&Presence> {
        self.0.get(channel).map(|channel| &channel.presence)
    }

    fn is_full_for(&self, channel: &str, member: &Member) -> bool {
        let presence = self.presence(channel);
        presence.is_some_and(|presence| presence.len() >= MAX_MEMBERS && !presence.contains(&member.user_id))
    }
}

impl Hub {
    /// Subscribes and confirms in one step, so that no event comes before the confirmation.
    pub(crate) fn subscribe(&self, connection: &Connection, channel: &str, member: Option<Member>) {
        let mut change = self.change();
        let is_new = match change.admit(connection.id, channel, member.as_ref()) {
            Ok(is_new) => is_new,
            Err(refusal) => return change.send(connection, self.settings.refusals.subscription(channel, &refusal)),
        };
        match member {
            Some(member) => change.join(connection, channel, &member),
            None => change.send(connection, wire::subscription_succeeded(channel)),
        }
        if Kind::of(channel).cached {
            let cached = change.cache.get(channel).cloned();
            change.send(connection, cached.unwrap_or_else(|| wire::cache_miss(channel)));
        }
        if is_new {
            change.count(channel);
        }
    }

    pub(crate) fn unsubscribe(&self, connection: &Connection, channel: &str) {
        let mut change = self.change();
        let client = change.open.get_mut(&connection.id);
        if client.is_some_and(|client| client.channels.remove(channel)) {
            change.depart(connection.id, channel);
        }
    }

    /// Delivers an event to the subscribers of a channel, or to a user, and tells to how many.
    pub(crate) fn trigger(&self, channel: &str, event: &str, data: &str, except: Option<&str>) -> usize {
        if self.is_silent() {
            return 0;
        }
        let frame = wire::event(channel, event, data);
        let is_cached = Kind::of(channel).cached;
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
    /// Puts a connection into a channel, and tells whether it was not in there.
    fn admit(&mut self, id: u64, channel: &str, member: Option<&Member>) -> Result<bool, Refusal> {
        if member.is_some_and(|member| self.channels.is_full_for(channel, member)) {
            return Err(Refusal::TOO_MANY_MEMBERS);
        }
        let state = &mut **self;
        // One that is gone gets no answer, whatever it is.
        let Some(client) = state.open.get_mut(&id) else { return Err(Refusal::UNAUTHORIZED) };
        if client.channels.contains(channel) {
            return Ok(false);
        }
        if client.channels.len() >= MAX_SUBSCRIPTIONS {
            return Err(Refusal::TOO_MANY_SUBSCRIPTIONS);
        }
        client.channels.insert(channel.to_owned());
        let subscribers = &mut state.channels.0.entry(channel.to_owned()).or_default().subscribers;
        subscribers.insert(id, client.connection.clone());
        Ok(true)
    }

    /// Makes a subscriber a member, and tells him and the others.
    fn join(&mut self, connection: &Connection, name: &str, member: &Member) {
        let Some(channel) = self.channels.0.get_mut(name) else { return };
        let presence = &mut channel.presence;
        // Who subscribes again may come as another user.
        let is_same = presence.user_of(connection.id) == Some(&member.user_id);
        let removed = if is_same { None } else { presence.leave(connection.id) };
        let is_first = presence.join(connection.id, member);
        let succeeded = wire::presence_succeeded(name, presence);
        let other = |other: &Connection| other.id != connection.id;
        if let Some(removed) = removed {
            self.deliver(name, &wire::member_removed(name, &removed), other);
        }
        if is_first {
            let added = wire::platform_event("pusher_internal:member_added", Some(name), member);
            self.deliver(name, &added, other);
        }
        self.send(connection, succeeded);
    }

    /// Takes a connection out of a channel, and tells those who stay.
    pub(super) fn depart(&mut self, id: u64, name: &str) {
        let Some(channel) = self.channels.0.get_mut(name) else { return };
        channel.subscribers.remove(&id);
        let removed = channel.presence.leave(id);
        if channel.subscribers.is_empty() {
            self.channels.0.remove(name);
            return;
        }
        if let Some(removed) = removed {
            self.deliver(name, &wire::member_removed(name, &removed), |_| true);
        }
        self.count(name);
    }

    /// Tells the subscribers of a channel how many they are, if the app is so configured.
    fn count(&mut self, channel: &str) {
        let has_count = !matches!(Kind::of(channel).access, Access::Presence | Access::User);
        if self.hub.settings.subscription_counts && has_count {
            let frame = wire::subscription_count(channel, self.channels.subscribers(channel));
            self.deliver(channel, &frame, |_| true);
        }
    }
}
