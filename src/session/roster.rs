//! The members of one presence channel, as far as the session needs to know them.

use std::collections::BTreeMap;

use crate::{Member, Name, protocol::presence::Members};

/// So much memory may the members of one channel take. The protocol allows 100 of them with 1 KB of info.
const MAX_BYTES: usize = 8 << 20;

/// So many members are told to have come, and to have gone, between two lists.
const MAX_DIFFERENCE: usize = 10_000;

/// What the members of a channel were last told to be. It survives a lost connection, so that the difference can be told
/// after the next confirmation (P1).
#[derive(Default)]
pub(super) struct Roster {
    members: BTreeMap<Name, Member>,
    bytes: usize,
    /// The client's own user.
    me: Option<Name>,
}

/// What a new list of members changes.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) came: Vec<Member>,
    pub(super) went: Vec<Member>,
    /// How many were not taken in, or not told, because there were too many.
    pub(super) left_out: usize,
}

/// What one member's coming changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coming {
    New(Member),
    /// The member was known, and is updated.
    Known(Member),
    /// There are as many as are kept already.
    LeftOut,
}

impl Roster {
    /// Replaces the list as a whole. The client's own user is always in it, whoever else is left out.
    pub(super) fn replace(&mut self, listed: Members, me: Option<Name>, max: usize) -> Difference {
        let before = std::mem::take(&mut self.members);
        self.bytes = 0;
        let is_me = |id: &str| me.as_ref().is_some_and(|me| *me == *id);
        let (own, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(id, _)| is_me(id));
        let mut left_out = 0;
        for (id, info) in own.into_iter().chain(others) {
            left_out += usize::from(self.add(&id, &info, max) == Coming::LeftOut);
        }
        self.me = me;
        let came = self.members.values().filter(|member| !before.contains_key(member.name()));
        let went = before.values().filter(|member| !self.members.contains_key(member.name()));
        let left_out = left_out.max(came.clone().count().max(went.clone().count()).saturating_sub(MAX_DIFFERENCE));
        Difference {
            came: came.take(MAX_DIFFERENCE).cloned().collect(),
            went: went.take(MAX_DIFFERENCE).cloned().collect(),
            left_out,
        }
    }

    pub(super) fn add(&mut self, id: &str, info: &str, max: usize) -> Coming {
        let member = Member::new(id, info);
        let known = self.members.get(id).map(Member::bytes);
        let bytes = self.bytes - known.unwrap_or_default() + member.bytes();
        if bytes > MAX_BYTES || (known.is_none() && self.members.len() >= max) {
            return Coming::LeftOut;
        }
        self.bytes = bytes;
        self.members.insert(member.name().clone(), member.clone());
        if known.is_some() { Coming::Known(member) } else { Coming::New(member) }
    }

    /// The member, if it was known.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.bytes -= member.bytes();
        Some(member)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.members.values().cloned().collect()
    }

    pub(super) fn me(&self) -> Option<&Name> {
        self.me.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(ids: &[&str]) -> Members {
        ids.iter().map(|id| ((*id).to_owned(), "null".to_owned())).collect()
    }

    fn ids(members: &[Member]) -> Vec<&str> {
        members.iter().map(Member::id).collect()
    }

    #[test]
    fn p1_a_new_list_replaces_the_old_one_and_tells_the_difference() {
        let mut roster = Roster::default();
        let first = roster.replace(listed(&["a", "b"]), Some(Name::from("a")), 10);
        assert_eq!((ids(&first.came), ids(&first.went)), (vec!["a", "b"], vec![]));
        let second = roster.replace(listed(&["b", "c"]), Some(Name::from("b")), 10);
        assert_eq!((ids(&second.came), ids(&second.went)), (vec!["c"], vec!["a"]));
        assert_eq!(ids(&roster.members()), ["b", "c"]);
        assert_eq!(roster.me().map(Name::as_str), Some("b"));
    }

    #[test]
    fn p2_members_are_capped() {
        let mut roster = Roster::default();
        assert_eq!(roster.replace(listed(&["a", "b", "c"]), None, 2).left_out, 1);
        assert_eq!(roster.add("d", "null", 2), Coming::LeftOut);
        assert_eq!(roster.add("a", "1", 2), Coming::Known(Member::new("a", "1")));
        assert_eq!(roster.replace(listed(&["a", "b", "z"]), Some(Name::from("z")), 2).left_out, 1);
        assert_eq!(ids(&roster.members()), ["a", "z"], "the client's own user is not left out");
    }

    #[test]
    fn d3_what_is_said_about_members_is_capped_too() {
        let mut roster = Roster::default();
        let info = format!("\"{}\"", "x".repeat(1 << 20));
        let taken_in = (0..100).filter(|n| roster.add(&n.to_string(), &info, 1000) != Coming::LeftOut).count();
        assert_eq!(taken_in, 7);
        assert_eq!(roster.add("0", "1", 1000), Coming::Known(Member::new("0", "1")));
        assert!(matches!(roster.add("100", &info, 1000), Coming::New(_)), "what was let go makes room");
        while roster.members().first().and_then(|member| roster.remove(member.id())).is_some() {}
        assert_eq!(roster.bytes, 0);
    }

    #[test]
    fn p2_known_members_are_updated_and_unknown_ones_cannot_leave() {
        let mut roster = Roster::default();
        assert_eq!(roster.add("a", "1", 9), Coming::New(Member::new("a", "1")));
        assert_eq!(roster.add("a", "2", 9), Coming::Known(Member::new("a", "2")));
        assert_eq!(roster.remove("b"), None);
        assert_eq!(roster.remove("a"), Some(Member::new("a", "2")), "with what was last known");
    }
}
