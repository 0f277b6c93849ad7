//! The members of one presence channel, as far as the session needs to know them.

use std::collections::BTreeMap;

use crate::{
    Member, Name,
    event::{Budget, Share},
    protocol::presence::{EachMember, NO_INFO},
};

/// So much memory may the members of one channel take. The protocol allows 100 of them with 1 KB of info.
const MAX_BYTES: usize = 8 << 20;

/// So many members are told to have come, and to have gone, between two lists.
const MAX_DIFFERENCE: usize = 10_000;

/// What the members of a channel were last told to be. It survives a lost connection, so that the difference can be told
/// after the next confirmation (P1).
pub(super) struct Roster {
    members: BTreeMap<Name, Member>,
    /// What the members take of what one client may keep.
    share: Share,
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
    pub(super) fn new(budget: &Budget) -> Self {
        Self { members: BTreeMap::new(), share: budget.share(), me: None }
    }

    /// Replaces the list as a whole, with what `list` names. The client's own user is in it if listed at all, whoever else is
    /// left out.
    pub(super) fn replace(
        &mut self,
        list: impl FnOnce(&mut EachMember<'_>),
        me: Option<Name>,
        max: usize,
    ) -> Difference {
        let before = std::mem::take(&mut self.members);
        self.share.resize(0);
        let left_out = self.fill(list, me.as_ref(), max);
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

    /// Fills the empty list. Returns how many were left out.
    fn fill(&mut self, list: impl FnOnce(&mut EachMember<'_>), me: Option<&Name>, max: usize) -> usize {
        let own = me.map_or("", Name::as_str);
        if me.is_some() {
            // Keeps the place.
            self.add(own, NO_INFO, max);
        }
        let mut is_listed = false;
        let (mut with_info, mut without) = (0, 0);
        list(&mut |id, info| {
            is_listed |= id == own;
            match info {
                Some(info) => with_info += usize::from(self.add(id, info, max) == Coming::LeftOut),
                None if self.members.contains_key(id) => {}
                None => without += usize::from(self.add(id, NO_INFO, max) == Coming::LeftOut),
            }
        });
        if !is_listed {
            self.remove(own);
        }
        // Both lists name the same members, as a rule.
        with_info.max(without)
    }

    pub(super) fn add(&mut self, id: &str, info: &str, max: usize) -> Coming {
        let member = Member::new(id, info);
        let known = self.members.get(id).map(Member::bytes);
        let bytes = self.share.bytes() - known.unwrap_or_default() + member.bytes();
        let is_one_too_many = known.is_none() && self.members.len() >= max;
        if is_one_too_many || bytes > MAX_BYTES || !self.share.resize(bytes) {
            return Coming::LeftOut;
        }
        self.members.insert(member.name().clone(), member.clone());
        if known.is_some() { Coming::Known(member) } else { Coming::New(member) }
    }

    /// The member, if it was known.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.share.resize(self.share.bytes() - member.bytes());
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

    fn listed(ids: &[&str]) -> impl FnOnce(&mut EachMember<'_>) {
        move |each| ids.iter().for_each(|id| each(id, None))
    }

    fn ids(members: &[Member]) -> Vec<&str> {
        members.iter().map(Member::id).collect()
    }

    #[test]
    fn p1_a_new_list_replaces_the_old_one_and_tells_the_difference() {
        let mut roster = Roster::new(&Budget::default());
        let first = roster.replace(listed(&["a", "b"]), Some(Name::from("a")), 10);
        assert_eq!((ids(&first.came), ids(&first.went)), (vec!["a", "b"], vec![]));
        let second = roster.replace(listed(&["b", "c"]), Some(Name::from("b")), 10);
        assert_eq!((ids(&second.came), ids(&second.went)), (vec!["c"], vec!["a"]));
        assert_eq!(ids(&roster.members()), ["b", "c"]);
        assert_eq!(roster.me().map(Name::as_str), Some("b"));
    }

    #[test]
    fn p2_members_are_capped() {
        let mut roster = Roster::new(&Budget::default());
        assert_eq!(roster.replace(listed(&["a", "b", "c"]), None, 2).left_out, 1);
        assert_eq!(roster.add("d", "null", 2), Coming::LeftOut);
        assert_eq!(roster.add("a", "1", 2), Coming::Known(Member::new("a", "1")));
        assert_eq!(roster.replace(listed(&["a", "b", "z"]), Some(Name::from("z")), 2).left_out, 1);
        assert_eq!(ids(&roster.members()), ["a", "z"], "the client's own user is not left out");
    }

    #[test]
    fn d3_what_is_said_about_members_is_capped_too() {
        let mut roster = Roster::new(&Budget::default());
        let info = format!("\"{}\"", "x".repeat(1 << 20));
        let taken_in = (0..100).filter(|n| roster.add(&n.to_string(), &info, 1000) != Coming::LeftOut).count();
        assert_eq!(taken_in, 7);
        assert_eq!(roster.add("0", "1", 1000), Coming::Known(Member::new("0", "1")));
        assert!(matches!(roster.add("100", &info, 1000), Coming::New(_)), "what was let go makes room");
        while roster.members().first().and_then(|member| roster.remove(member.id())).is_some() {}
        assert_eq!(roster.share.bytes(), 0);
    }

    #[test]
    fn d3_the_members_of_all_channels_share_one_budget() {
        let budget = Budget::of(10_000);
        let mut rosters: Vec<_> = (0..100).map(|_| Roster::new(&budget)).collect();
        let taken_in =
            |roster: &mut Roster| (0..100).filter(|n| roster.add(&n.to_string(), "1", 100) != Coming::LeftOut).count();
        let first = taken_in(&mut rosters[0]);
        assert!((10..100).contains(&first));
        assert_eq!(rosters[1..].iter_mut().map(taken_in).sum::<usize>(), 0);
        rosters.remove(0);
        assert_eq!(taken_in(&mut rosters[0]), first, "a channel that goes leaves its share to others");
        assert_eq!(rosters[0].replace(listed(&["a"]), None, 100).left_out, 0, "what is replaced makes room, too");
    }

    #[test]
    fn p2_known_members_are_updated_and_unknown_ones_cannot_leave() {
        let mut roster = Roster::new(&Budget::default());
        assert_eq!(roster.add("a", "1", 9), Coming::New(Member::new("a", "1")));
        assert_eq!(roster.add("a", "2", 9), Coming::Known(Member::new("a", "2")));
        assert_eq!(roster.remove("b"), None);
        assert_eq!(roster.remove("a"), Some(Member::new("a", "2")), "with what was last known");
    }
}
