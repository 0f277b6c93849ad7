//! The members of one presence channel.

use crate::{
    Member, Name,
    delivery::memory_budget::{MemoryBudget, Reservation},
    event::Members,
    protocol::presence::{EachMember, NO_INFO},
};

/// Up to this many members are reported as added, and as many as removed, after a resubscription. Each report takes
/// several times the memory of the member.
const MAX_DIFFERENCE: usize = 10_000;

/// The members of a channel as last reported. The list outlives a lost connection, so that the difference can be
/// reported after the next confirmation (P1).
#[derive(Default)]
pub(crate) struct MemberList {
    members: Members,
    /// The part of the member budget that these members take.
    reservation: Reservation,
    /// The client's own user.
    me: Option<Name>,
}

/// The limits of the members of all channels together, and of one channel.
pub(crate) struct MemberLimits {
    /// The memory budget of all channels.
    pub budget: MemoryBudget,
    /// The maximum number of members of one channel.
    pub max_presence_members: usize,
}

/// The difference between a new list and the old one.
#[derive(Default)]
pub(crate) struct Difference {
    pub joined: Vec<Member>,
    pub left: Vec<Member>,
    /// The number of members that were not kept, because there were too many.
    pub left_out: usize,
    /// The number of added members, or of removed ones, that are not reported.
    pub unreported: usize,
}

/// The result of adding a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AddOutcome {
    New(Member),
    /// The member was known already, and was updated.
    Known(Member),
    /// The list, or the memory budget, is full.
    LeftOut,
}

/// The members that a new list adds.
#[derive(Default)]
struct Added {
    /// The ids to report.
    ids: Vec<String>,
    count: usize,
}

impl MemberList {
    /// Replaces the list as a whole by the members that `list` names. `list` is called more than once, and gives the
    /// same members each time. The client's own user is never among those that are left out.
    pub fn replace(
        &mut self,
        list: impl Fn(&mut EachMember<'_>),
        me: Option<Name>,
        limits: &mut MemberLimits,
    ) -> Difference {
        let mut before = std::mem::take(&mut self.members);
        limits.budget.resize(&mut self.reservation, 0);
        let own = me.as_ref().map_or("", Name::as_str);
        let own_before = before.take(own);
        if me.is_some() {
            // Keeps room for the client's own user.
            self.add(own, NO_INFO, limits);
        }
        self.keep_listed(&mut before, &list, limits);
        let mut added = Added::default();
        let (is_listed, mut left_out) = self.fill(&list, own, &mut added, limits);
        match own_before {
            Some(member) if !is_listed => before.insert(member),
            None if is_listed => added.note(own),
            _ => {}
        }
        if !is_listed && self.remove(own, limits).is_some() && left_out > 0 {
            // The room that was kept goes to a member who was left out.
            (_, left_out) = self.fill(&list, own, &mut added, limits);
        }
        self.me = me;
        added.ids.sort_unstable();
        Difference {
            joined: added.ids.iter().filter_map(|id| self.members.get(id)).cloned().collect(),
            left: before.iter().take(MAX_DIFFERENCE).cloned().collect(),
            left_out,
            unreported: added.count.max(before.len()).saturating_sub(MAX_DIFFERENCE),
        }
    }

    /// Moves the members that both lists have out of the old list, so that none takes memory twice (D3).
    fn keep_listed(&mut self, before: &mut Members, list: &impl Fn(&mut EachMember<'_>), limits: &mut MemberLimits) {
        if before.len() == 0 {
            return;
        }
        list(&mut |id, info| {
            let Some(member) = before.take(id) else { return };
            let info = info.unwrap_or(NO_INFO);
            let kept = if member.info() == info { member.clone() } else { Member::new(id, info) };
            if self.keep(kept, limits) == AddOutcome::LeftOut {
                before.insert(member);
            }
        });
    }

    /// Adds the members of the new list. Returns whether the client's own user is one of them, and how many were left out.
    fn fill(
        &mut self,
        list: &impl Fn(&mut EachMember<'_>),
        own: &str,
        added: &mut Added,
        limits: &mut MemberLimits,
    ) -> (bool, usize) {
        let mut is_listed = false;
        let (mut with_info, mut without) = (0, 0);
        list(&mut |id, info| {
            is_listed |= id == own;
            let (info, left_out) = match info {
                Some(info) => (info, &mut with_info),
                None if self.members.contains(id) => return,
                None => (NO_INFO, &mut without),
            };
            match self.add(id, info, limits) {
                AddOutcome::New(_) => added.note(id),
                AddOutcome::Known(_) => {}
                AddOutcome::LeftOut => *left_out += 1,
            }
        });
        // As a rule, `ids` and `hash` name the same members.
        (is_listed, with_info.max(without))
    }

    pub fn add(&mut self, id: &str, info: &str, limits: &mut MemberLimits) -> AddOutcome {
        match self.members.get(id).filter(|member| member.info() == info) {
            Some(unchanged) => AddOutcome::Known(unchanged.clone()),
            None => self.keep(Member::new(id, info), limits),
        }
    }

    fn keep(&mut self, member: Member, limits: &mut MemberLimits) -> AddOutcome {
        let known = self.members.get(member.id()).map(Member::bytes);
        let bytes = self.reservation.bytes() - known.unwrap_or_default() + member.bytes();
        let is_one_too_many = known.is_none() && self.members.len() >= limits.max_presence_members;
        if is_one_too_many || !limits.budget.resize(&mut self.reservation, bytes) {
            return AddOutcome::LeftOut;
        }
        self.members.insert(member.clone());
        if known.is_some() { AddOutcome::Known(member) } else { AddOutcome::New(member) }
    }

    /// Removes a member. Returns the member, if known.
    pub fn remove(&mut self, id: &str, limits: &mut MemberLimits) -> Option<Member> {
        let member = self.members.take(id)?;
        let bytes = self.reservation.bytes() - member.bytes();
        limits.budget.resize(&mut self.reservation, bytes);
        Some(member)
    }

    /// Forgets all members.
    pub fn clear(&mut self, limits: &mut MemberLimits) {
        let Self { members: _, reservation, me: _ } = std::mem::take(self);
        limits.budget.release(reservation);
    }

    /// The bytes of the budget that the members take.
    #[cfg(any(fuzzing, test))]
    pub fn bytes(&self) -> usize {
        self.reservation.bytes()
    }

    pub fn to_vec(&self) -> Vec<Member> {
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

    fn limits(max_presence_members: usize) -> MemberLimits {
        MemberLimits { budget: MemoryBudget::of(20 << 20), max_presence_members }
    }

    fn ids(members: &[Member]) -> Vec<&str> {
        members.iter().map(Member::id).collect()
    }

    #[test]
    fn p1_a_new_list_replaces_the_old_one_and_gives_the_difference() {
        let (mut members, mut limits) = (MemberList::default(), limits(10));
        let first = members.replace(listed(&["a", "b"]), Some(Name::from("a")), &mut limits);
        assert_eq!((ids(&first.joined), ids(&first.left)), (vec!["a", "b"], vec![]));
        let second = members.replace(listed(&["b", "c"]), Some(Name::from("b")), &mut limits);
        assert_eq!((ids(&second.joined), ids(&second.left)), (vec!["c"], vec!["a"]));
        assert_eq!(ids(&members.to_vec()), ["b", "c"]);
        assert_eq!(members.me().map(Name::as_str), Some("b"));
    }

    #[test]
    fn p2_members_are_capped() {
        let (mut members, mut limits) = (MemberList::default(), limits(2));
        assert_eq!(members.replace(listed(&["a", "b", "c"]), None, &mut limits).left_out, 1);
        assert_eq!(members.add("d", "null", &mut limits), AddOutcome::LeftOut);
        assert_eq!(members.add("a", "1", &mut limits), AddOutcome::Known(Member::new("a", "1")));
        assert_eq!(members.replace(listed(&["a", "b", "z"]), Some(Name::from("z")), &mut limits).left_out, 1);
        assert_eq!(ids(&members.to_vec()), ["a", "z"], "the client's own user is not left out");
    }

    #[test]
    fn d3_the_info_of_members_is_capped_too() {
        let mut limits = MemberLimits { budget: MemoryBudget::of(8 << 20), max_presence_members: 1000 };
        let mut members = MemberList::default();
        let info = format!("\"{}\"", "x".repeat(1 << 20));
        let mut is_kept = |n: &i32| members.add(&n.to_string(), &info, &mut limits) != AddOutcome::LeftOut;
        let kept_count = (0..100).filter(|n| is_kept(n)).count();
        assert_eq!(kept_count, 7);
        assert_eq!(members.add("0", "1", &mut limits), AddOutcome::Known(Member::new("0", "1")));
        assert!(
            matches!(members.add("100", &info, &mut limits), AddOutcome::New(_)),
            "an update with less info makes room"
        );
        while members.to_vec().first().and_then(|member| members.remove(member.id(), &mut limits)).is_some() {}
        assert_eq!((members.bytes(), limits.budget.reserved()), (0, 0));
    }

    #[test]
    fn p1_a_replaced_list_keeps_nothing_of_the_old_one() {
        let (mut members, mut limits) = (MemberList::default(), limits(10));
        for (id, info) in [("a", "1"), ("b", "2"), ("c", "3"), ("me", "4")] {
            members.add(id, info, &mut limits);
        }
        let list = |each: &mut EachMember<'_>| {
            each("b", Some("20"));
            each("d", Some("5"));
            ["a", "b", "d", "me"].iter().for_each(|id| each(id, None));
        };
        let difference = members.replace(list, Some(Name::from("me")), &mut limits);
        assert_eq!((ids(&difference.joined), ids(&difference.left)), (vec!["d"], vec!["c"]));
        let kept: Vec<_> = members.to_vec().iter().map(|m| format!("{} {}", m.id(), m.info())).collect();
        assert_eq!(kept, ["a null", "b 20", "d 5", "me null"], "an id that only `ids` has is a member without info");
        let bytes = members.to_vec().iter().map(Member::bytes).sum();
        assert_eq!((members.bytes(), limits.budget.reserved()), (bytes, bytes));
    }

    #[test]
    fn p1_the_clients_user_joins_and_leaves_with_the_list() {
        let (mut members, mut limits) = (MemberList::default(), limits(3));
        let me = || Some(Name::from("me"));
        members.replace(listed(&["a", "b"]), me(), &mut limits);
        limits.max_presence_members = 2;
        let joined = members.replace(listed(&["a", "b", "me"]), me(), &mut limits);
        assert_eq!((ids(&joined.joined), ids(&joined.left), joined.left_out), (vec!["me"], vec!["b"], 1));
        let left = members.replace(listed(&["a"]), me(), &mut limits);
        assert_eq!((ids(&left.joined), ids(&left.left), left.left_out), (vec![], vec!["me"], 0));
    }

    #[test]
    fn p2_the_clients_user_takes_no_room_while_it_is_not_listed() {
        let (mut members, mut limits) = (MemberList::default(), limits(2));
        let difference = members.replace(listed(&["a", "b"]), Some(Name::from("me")), &mut limits);
        assert_eq!((ids(&members.to_vec()), difference.left_out), (vec!["a", "b"], 0));
        assert_eq!(ids(&difference.joined), ["a", "b"]);
    }

    #[test]
    fn p2_100_000_members_fit_and_are_replaced_by_as_many_others() {
        let (mut members, mut limits) = (MemberList::default(), limits(100_000));
        let info = format!("\"{}\"", "x".repeat(48));
        for round in ["a", "b", "a"] {
            let list = |each: &mut EachMember<'_>| {
                (0..100_000).for_each(|n| each(&format!("{round}{n:09}"), Some(&info)));
            };
            let difference = members.replace(list, None, &mut limits);
            assert_eq!((members.to_vec().len(), difference.left_out), (100_000, 0));
            assert_eq!((difference.joined.len(), difference.unreported), (MAX_DIFFERENCE, 100_000 - MAX_DIFFERENCE));
        }
    }

    #[test]
    fn d3_the_members_of_all_channels_share_one_budget() {
        let mut limits = MemberLimits { budget: MemoryBudget::of(10_000), max_presence_members: 100 };
        let mut lists: Vec<_> = (0..100).map(|_| MemberList::default()).collect();
        let kept_count = |members: &mut MemberList, limits: &mut MemberLimits| {
            (0..100).filter(|n| members.add(&n.to_string(), "1", limits) != AddOutcome::LeftOut).count()
        };
        let first = kept_count(&mut lists[0], &mut limits);
        assert!((10..100).contains(&first));
        assert_eq!(lists[1..].iter_mut().map(|list| kept_count(list, &mut limits)).sum::<usize>(), 0);
        lists.remove(0).clear(&mut limits);
        assert_eq!(kept_count(&mut lists[0], &mut limits), first, "a cleared list returns its reservation");
        assert_eq!(lists[0].replace(listed(&["a"]), None, &mut limits).left_out, 0, "a replaced list makes room, too");
    }

    #[test]
    fn p2_known_members_are_updated_and_unknown_ones_cannot_leave() {
        let (mut members, mut limits) = (MemberList::default(), limits(10));
        assert_eq!(members.add("a", "1", &mut limits), AddOutcome::New(Member::new("a", "1")));
        assert_eq!(members.add("a", "2", &mut limits), AddOutcome::Known(Member::new("a", "2")));
        assert_eq!(members.remove("b", &mut limits), None);
        assert_eq!(members.remove("a", &mut limits), Some(Member::new("a", "2")), "with the info that was last known");
    }
}
