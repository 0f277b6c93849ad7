//! Warnings about calls that probably name the wrong channel.

use std::collections::HashSet;

use crate::{
    Name,
    protocol::channel_name::{self, ChannelKind},
    sync::Mutex,
};

/// The limit for warnings. A program may make up any number of names.
const MAX_NAMES: usize = 1_000;

/// The warnings given so far: one for each channel and reason, however often the program asks.
#[derive(Default)]
pub(crate) struct ChannelWarnings(Mutex<HashSet<(Reason, Name)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reason {
    Case,
    NoMembers,
}

impl ChannelWarnings {
    /// The case of a prefix matters: `Private-orders` is a public channel for every server.
    pub fn check_prefix(&self, channel: &Name) {
        let prefix = channel_name::prefix_of_another_case(channel);
        if let Some(prefix) = prefix.filter(|_| self.is_new(Reason::Case, channel)) {
            record!(warn, "{channel} is not a `{prefix}` channel, because the case of the prefix differs");
        }
    }

    /// Only presence channels have members.
    pub fn check_has_members(&self, channel: &Name) {
        if !ChannelKind::of(channel).is_presence() && self.is_new(Reason::NoMembers, channel) {
            record!(warn, "{channel} is not a presence channel, so it has no members");
        }
    }

    /// Whether this warning is new. The caller logs it without the lock, because a logger is code of the program.
    fn is_new(&self, reason: Reason, channel: &Name) -> bool {
        let mut known = self.0.lock();
        known.len() < MAX_NAMES && known.insert((reason, channel.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_warned_about_once_for_each_reason_and_the_names_are_bounded() {
        let warnings = ChannelWarnings::default();
        let (room, other) = (Name::from("room"), Name::from("other"));
        assert!(warnings.is_new(Reason::NoMembers, &room) && !warnings.is_new(Reason::NoMembers, &room));
        assert!(warnings.is_new(Reason::NoMembers, &other) && warnings.is_new(Reason::Case, &room));
        let new = (0..2 * MAX_NAMES).filter(|n| warnings.is_new(Reason::Case, &Name::from(&*format!("Private-{n}"))));
        assert_eq!(new.count(), MAX_NAMES - 3);
    }
}
