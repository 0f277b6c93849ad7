//! Channels with their subscribers and members.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::client::Connection;
use crate::testing::protocol::presence::{Member, Presence, UserId};

/// Limit for the members of a channel, from the hosted service and soketi's default.
const MAX_MEMBERS: usize = 100;

/// The channels that have subscribers.
#[derive(Default)]
pub(crate) struct Channels(HashMap<String, Channel>);

#[derive(Default)]
struct Channel {
    subscribers: BTreeMap<u64, Arc<Connection>>,
    /// Empty on channels without members.
    presence: Presence,
}

impl Channels {
    /// The subscribers of a channel.
    pub fn of(&self, channel: &str) -> impl Iterator<Item = &Arc<Connection>> {
        self.0.get(channel).into_iter().flat_map(|channel| channel.subscribers.values())
    }

    /// Number of subscribers.
    pub fn subscribers(&self, channel: &str) -> usize {
        self.0.get(channel).map_or(0, |channel| channel.subscribers.len())
    }

    /// Number of members.
    pub fn members(&self, channel: &str) -> usize {
        self.0.get(channel).map_or(0, |channel| channel.presence.len())
    }

    pub fn presence(&self, channel: &str) -> Option<&Presence> {
        self.0.get(channel).map(|channel| &channel.presence)
    }

    /// Adds a subscriber.
    pub fn add(&mut self, channel: &str, connection: Arc<Connection>) {
        self.0.entry(channel.to_owned()).or_default().subscribers.insert(connection.id, connection);
    }

    /// Removes a subscriber, and returns the member who leaves the channel with it.
    pub fn remove(&mut self, name: &str, connection: u64) -> Option<UserId> {
        let channel = self.0.get_mut(name)?;
        channel.subscribers.remove(&connection);
        let member = channel.presence.leave(connection);
        if channel.subscribers.is_empty() {
            self.0.remove(name);
        }
        member
    }

    pub fn presence_mut(&mut self, channel: &str) -> Option<&mut Presence> {
        self.0.get_mut(channel).map(|channel| &mut channel.presence)
    }

    /// Whether the channel is full, and this member is new.
    pub fn is_full_for(&self, channel: &str, member: &Member) -> bool {
        let presence = self.presence(channel);
        presence.is_some_and(|presence| presence.len() >= MAX_MEMBERS && !presence.contains(&member.user_id))
    }
}
