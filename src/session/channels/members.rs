//! The members of one presence channel, as far as the session needs to know them.

use crate::{
    Member, Name,
    delivery::memory_budget::{MemoryBudget, Reservation},
    event::Members,
    protocol::presence::{EachMember, NO_INFO},
};

/// Up to this many members are reported as added, and as many as removed, between two lists: each report costs several times
/// what the member takes.
const MAX_DIFFERENCE: usize = 10_000;

/// The members of a channel as last reported. It survives a lost connection, so that the difference can be reported after the
/// next confirmation (P1).
pub(crate) struct Roster {
    members: Members,
    /// The part of the client's member budget that these members take.
    reservation: Reservation,
    /// The client's own user.
    me: Option<Name>,
}

/// What a new list of members changes.
#[derive(Default)]
pub(crate) struct Difference {
    pub came: Vec<Member>,
    pub went: Vec<Member>,
    /// How many were not kept, because there were too many.
    pub left_out: usize,
    /// How many of the added, or of the removed ones, are in neither list.
    pub unreported: usize,
}

/// What one member's coming changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Coming {
    New(Member),
    /// The member was known, and is updated.
    Known(Member),
    /// There are as many as are kept already.
    LeftOut,
}

/// Members that a new list adds.
#[derive(Default)]
struct Added {
    /// The first of them.
    ids: Vec<String>,
    count: usize,
}

impl Roster {
    pub fn new(budget: &MemoryBudget) -> Self {
        Self { members: Members::default(), reservation: budget.reservation(), me: None }
    }

    /// Replaces the list as a whole by the members that `list` names. It is asked twice for the same. The client's own user is
    /// in it if listed at all, whoever else is left out.
    pub fn replace(&mut self, list: impl Fn(&mut EachMember<'_>), me: Option<Name>, max: usize) -> Difference {
        let mut before = std::mem::take(&mut self.members);
        self.reservation.resize(0);
        let own = me.as_ref().map_or("", Name::as_str);
        let own_before = before.take(own);
        if me.is_some() {
            // Keeps the place.
            self.add(own, NO_INFO, max);
        }
        self.keep_listed(&mut before, &list, max);
        let mut added = Added::default();
        let (is_listed, mut left_out) = self.fill(&list, own, &mut added, max);
        match own_before {
            Some(member) if !is_listed => before.insert(member),
            None if is_listed => added.note(own),
            _ => {}
        }
        if !is_listed && self.remove(own).is_some() && left_out > 0 {
            // The place that was kept is for one who was left out.
            (_, left_out) = self.fill(&list, own, &mut added, max);
        }
        self.me = me;
        added.ids.sort_unstable();
        Difference {
            came: added.ids.iter().filter_map(|id| self.members.get(id)).cloned().collect(),
            went: before.iter().take(MAX_DIFFERENCE).cloned().collect(),
            left_out,
            unreported: added.count.max(before.len()).saturating_sub(MAX_DIFFERENCE),
        }
    }

    /// Moves the members that are listed still out of the old list, so that none is kept twice meanwhile (D3).
    fn keep_listed(&mut self, before: &mut Members, list: &impl Fn(&mut EachMember<'_>), max: usize) {
        if before.len() == 0 {
            return;
        }
        list(&mut |id, info| {
            let Some(member) = before.take(id) else { return };
            let info = info.unwrap_or(NO_INFO);
            let kept = if member.info() == info { member.clone() } else { Member::new(id, info) };
            if self.keep(kept, max) == Coming::LeftOut {
                before.insert(member);
            }
        });
    }

    /// Adds the members of the new list. Returns whether the client's own user is one of them, and how many were left out.
    fn fill(&mut self, list: &impl Fn(&mut EachMember<'_>), own: &str, added: &mut Added, max: usize) -> (bool, usize) {
        let mut is_listed = false;
        let (mut with_info, mut without) = (0, 0);
        list(&mut |id, info| {
            is_listed |= id == own;
            let (info, left_out) = match info {
                Some(info) => (info, &mut with_info),
                None if self.members.contains(id) => return,
                None => (NO_INFO, &mut without),
            };
            match self.add(id, info, max) {
                Coming::New(_) => added.note(id),
                Coming::Known(_) => {}
                Coming::LeftOut => *left_out += 1,
            }
        });
        // Both lists name the same members, as a rule.
        (is_listed, with_info.max(without))
    }

    pub fn add(&mut self, id: &str, info: &str, max: usize) -> Coming {
        match self.members.get(id).filter(|member| member.info() == info) {
            Some(unchanged) => Coming::Known(unchanged.clone()),
            None => self.keep(Member::new(id, info), max),
        }
    }

    fn keep(&mut self, member: Member, max: usize) -> Coming {
        let known = self.members.get(member.id()).map(Member::bytes);
        let bytes = self.reservation.bytes() - known.unwrap_or_default() + member.bytes();
        let is_one_too_many = known.is_none() && self.members.len() >= max;
        if is_one_too_many || !self.reservation.resize(bytes) {
            return Coming::LeftOut;
        }
        self.members.insert(member.clone());
        if known.is_some() { Coming::Known(member) } else { Coming::New(member) }
    }

    /// The member, if it was known.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.take(id)?;
        self.reservation.resize(self.reservation.bytes() - member.bytes());
        Some(member)
    }

    pub fn members(&self) -> Vec<Member> {
        self.members.iter().cloned().collect()
    }

    pub fn me(&self) -> Option<&Name> {
        self.me.as_ref()
    }
}

impl Added {
    fn note(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < MAX_DIFFERENCE {
            self.ids.push(id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(ids: &[&str]) -> impl Fn(&mut EachMember<'_>) {
        move |each| ids.iter().for_each(|id| each(id, None))
    }

    fn ids(members: &[Member]) -> Vec<&str> {
        members.iter().map(Member::id).collect()
    }

    #[test]
    fn p1_a_new_list_replaces_the_old_one_and_tells_the_difference() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        let first = roster.replace(listed(&["a", "b"]), Some(Name::from("a")), 10);
        assert_eq!((ids(&first.came), ids(&first.went)), (vec!["a", "b"], vec![]));
        let second = roster.replace(listed(&["b", "c"]), Some(Name::from("b")), 10);
        assert_eq!((ids(&second.came), ids(&second.went)), (vec!["c"], vec!["a"]));
        assert_eq!(ids(&roster.members()), ["b", "c"]);
        assert_eq!(roster.me().map(Name::as_str), Some("b"));
    }

    #[test]
    fn p2_members_are_capped() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        assert_eq!(roster.replace(listed(&["a", "b", "c"]), None, 2).left_out, 1);
        assert_eq!(roster.add("d", "null", 2), Coming::LeftOut);
        assert_eq!(roster.add("a", "1", 2), Coming::Known(Member::new("a", "1")));
        assert_eq!(roster.replace(listed(&["a", "b", "z"]), Some(Name::from("z")), 2).left_out, 1);
        assert_eq!(ids(&roster.members()), ["a", "z"], "the client's own user is not left out");
    }

    #[test]
    fn d3_what_is_said_about_members_is_capped_too() {
        let mut roster = Roster::new(&MemoryBudget::of(8 << 20));
        let info = format!("\"{}\"", "x".repeat(1 << 20));
        let taken_in = (0..100).filter(|n| roster.add(&n.to_string(), &info, 1000) != Coming::LeftOut).count();
        assert_eq!(taken_in, 7);
        assert_eq!(roster.add("0", "1", 1000), Coming::Known(Member::new("0", "1")));
        assert!(matches!(roster.add("100", &info, 1000), Coming::New(_)), "what was let go makes room");
        while roster.members().first().and_then(|member| roster.remove(member.id())).is_some() {}
        assert_eq!(roster.reservation.bytes(), 0);
    }

    #[test]
    fn p1_a_replaced_list_keeps_nothing_of_the_old_one() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        for (id, info) in [("a", "1"), ("b", "2"), ("c", "3"), ("me", "4")] {
            roster.add(id, info, 10);
        }
        let list = |each: &mut EachMember<'_>| {
            each("b", Some("20"));
            each("d", Some("5"));
            ["a", "b", "d", "me"].iter().for_each(|id| each(id, None));
        };
        let difference = roster.replace(list, Some(Name::from("me")), 10);
        assert_eq!((ids(&difference.came), ids(&difference.went)), (vec!["d"], vec!["c"]));
        let kept: Vec<_> = roster.members().iter().map(|m| format!("{} {}", m.id(), m.info())).collect();
        assert_eq!(kept, ["a null", "b 20", "d 5", "me null"], "an id that only `ids` has is a member without info");
        assert_eq!(roster.reservation.bytes(), roster.members().iter().map(Member::bytes).sum::<usize>());
    }

    #[test]
    fn p1_the_own_user_comes_and_goes_with_the_list() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        let me = || Some(Name::from("me"));
        roster.replace(listed(&["a", "b"]), me(), 3);
        let came = roster.replace(listed(&["a", "b", "me"]), me(), 2);
        assert_eq!((ids(&came.came), ids(&came.went), came.left_out), (vec!["me"], vec!["b"], 1));
        let went = roster.replace(listed(&["a"]), me(), 2);
        assert_eq!((ids(&went.came), ids(&went.went), went.left_out), (vec![], vec!["me"], 0));
    }

    #[test]
    fn p2_an_own_user_who_is_not_listed_takes_no_place() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        let difference = roster.replace(listed(&["a", "b"]), Some(Name::from("me")), 2);
        assert_eq!((ids(&roster.members()), difference.left_out), (vec!["a", "b"], 0));
        assert_eq!(ids(&difference.came), ["a", "b"]);
    }

    #[test]
    fn p2_100_000_members_fit_and_are_replaced_by_as_many_others() {
        let mut roster = Roster::new(&MemoryBudget::of(20 << 20));
        let info = format!("\"{}\"", "x".repeat(48));
        for round in ["a", "b", "a"] {
            let list = |each: &mut EachMember<'_>| {
                (0..100_000).for_each(|n| each(&format!("{round}{n:09}"), Some(&info)));
            };
            let difference = roster.replace(list, None, 100_000);
            assert_eq!((roster.members.len(), difference.left_out), (100_000, 0));
            assert_eq!((difference.came.len(), difference.unreported), (MAX_DIFFERENCE, 100_000 - MAX_DIFFERENCE));
        }
    }

    #[test]
    fn d3_the_members_of_all_channels_share_one_budget() {
        let budget = MemoryBudget::of(10_000);
        let mut rosters: Vec<_> = (0..100).map(|_| Roster::new(&budget)).collect();
        let taken_in =
            |roster: &mut Roster| (0..100).filter(|n| roster.add(&n.to_string(), "1", 100) != Coming::LeftOut).count();
        let first = taken_in(&mut rosters[0]);
        assert!((10..100).contains(&first));
        assert_eq!(rosters[1..].iter_mut().map(taken_in).sum::<usize>(), 0);
        rosters.remove(0);
        assert_eq!(taken_in(&mut rosters[0]), first, "a channel that goes leaves its reservation to others");
        assert_eq!(rosters[0].replace(listed(&["a"]), None, 100).left_out, 0, "what is replaced makes room, too");
    }

    #[test]
    fn p2_known_members_are_updated_and_unknown_ones_cannot_leave() {
        let mut roster = Roster::new(&MemoryBudget::of_session());
        assert_eq!(roster.add("a", "1", 9), Coming::New(Member::new("a", "1")));
        assert_eq!(roster.add("a", "2", 9), Coming::Known(Member::new("a", "2")));
        assert_eq!(roster.remove("b"), None);
        assert_eq!(roster.remove("a"), Some(Member::new("a", "2")), "with what was last known");
    }
}
