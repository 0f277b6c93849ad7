//! Checks that every player sees every position, and measures how long that takes.
//!
//! Senders number their positions. A player must see all positions of every other player, except for those lost over a
//! gap that the client of the player, or of the sender, has announced.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The records of all players, by their numbers.
#[derive(Default)]
pub(crate) struct Audit {
    /// The positions that each player has sent.
    sent: HashMap<usize, Vec<Sent>>,
    /// The number of gaps that the client of each player has announced.
    gaps: HashMap<usize, u32>,
    /// The last position that a player, the first number, has seen of another one.
    seen: HashMap<(usize, usize), Seen>,
    latencies: Vec<Duration>,
    missing: u64,
}

struct Sent {
    at: Instant,
    gaps: u32,
}

#[derive(Default, Clone, Copy)]
struct Seen {
    n: u64,
    /// The gaps of the receiver at that time.
    gaps: u32,
}

impl Audit {
    /// A player has sent the position with the next number, which counts from 1.
    pub(crate) fn sent(&mut self, sender: usize, at: Instant) {
        let gaps = self.gaps_of(sender);
        self.sent.entry(sender).or_default().push(Sent { at, gaps });
    }

    /// A player has seen the position with this number.
    pub(crate) fn seen(&mut self, receiver: usize, sender: usize, n: u64, at: Instant) {
        let last = self.seen.get(&(receiver, sender)).copied().unwrap_or_default();
        let gaps = self.gaps_of(receiver);
        let is_announced = gaps != last.gaps || self.gaps_at(sender, n) != self.gaps_at(sender, last.n);
        // A number that comes twice or too late is an error, too.
        self.missing += match n.checked_sub(last.n + 1) {
            Some(hole) if !is_announced => hole,
            Some(_) => 0,
            None => 1,
        };
        self.seen.insert((receiver, sender), Seen { n, gaps });
        if let Some(sent) = self.sent_as(sender, n) {
            self.latencies.push(at.saturating_duration_since(sent.at));
        }
    }

    /// The client of a player has announced a gap, in which positions were lost.
    pub(crate) fn gap(&mut self, player: usize) {
        *self.gaps.entry(player).or_default() += 1;
    }

    /// The queue of a player was full.
    pub(crate) fn lagged(&mut self, dropped: u64) {
        self.missing += dropped;
    }

    /// The number of last positions that were not seen yet, summed over the players who should see them.
    pub(crate) fn pending(&self) -> u64 {
        let players = self.sent.keys();
        let pairs = players.clone().flat_map(|receiver| players.clone().map(move |sender| (*receiver, *sender)));
        let unseen =
            |(receiver, sender)| self.total(sender) - self.seen.get(&(receiver, sender)).map_or(0, |seen| seen.n);
        pairs.filter(|(receiver, sender)| receiver != sender).map(unseen).sum()
    }

    /// The number of positions that all players have sent.
    pub(crate) fn total_sent(&self) -> u64 {
        self.sent.keys().map(|sender| self.total(*sender)).sum()
    }

    /// The number of positions that all players have seen.
    pub(crate) fn total_seen(&self) -> usize {
        self.latencies.len()
    }

    /// The number of positions that were lost without an announced gap.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Median and maximum of the time from sending to seeing a position.
    pub(crate) fn latency(&self) -> (Duration, Duration) {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
    }

    fn total(&self, sender: usize) -> u64 {
        self.sent.get(&sender).map_or(0, |sent| sent.len() as u64)
    }

    /// The number of gaps that the client of a player has announced.
    pub(crate) fn gaps_of(&self, player: usize) -> u32 {
        self.gaps.get(&player).copied().unwrap_or_default()
    }

    fn gaps_at(&self, sender: usize, n: u64) -> u32 {
        self.sent_as(sender, n).map_or(0, |sent| sent.gaps)
    }

    fn sent_as(&self, sender: usize, n: u64) -> Option<&Sent> {
        let index = usize::try_from(n.checked_sub(1)?).ok()?;
        self.sent.get(&sender)?.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: usize = 0;
    const BOB: usize = 1;

    /// Ann has sent `count` positions. Bob has sent one, and Ann has seen it.
    fn sent_by_ann(count: u64) -> Audit {
        let mut audit = Audit::default();
        send(&mut audit, count);
        audit.sent(BOB, Instant::now());
        audit.seen(ANN, BOB, 1, Instant::now());
        audit
    }

    fn send(audit: &mut Audit, count: u64) {
        (0..count).for_each(|_| audit.sent(ANN, Instant::now()));
    }

    fn seen_by_bob(audit: &mut Audit, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|n| audit.seen(BOB, ANN, n, Instant::now()));
    }

    #[test]
    fn nothing_is_missing_if_all_was_seen() {
        let mut audit = sent_by_ann(5);
        seen_by_bob(&mut audit, 1..=5);
        assert_eq!((audit.missing(), audit.pending()), (0, 0));
        assert_eq!((audit.total_sent(), audit.total_seen()), (6, 6));
    }

    #[test]
    fn a_hole_is_missing() {
        let mut audit = sent_by_ann(5);
        seen_by_bob(&mut audit, [1, 2, 5]);
        assert_eq!((audit.missing(), audit.pending()), (2, 0));
    }

    #[test]
    fn the_first_positions_can_be_missing() {
        let mut audit = sent_by_ann(5);
        seen_by_bob(&mut audit, [3, 4, 5]);
        assert_eq!(audit.missing(), 2);
    }

    #[test]
    fn the_last_positions_are_pending_until_they_are_seen() {
        let mut audit = sent_by_ann(5);
        seen_by_bob(&mut audit, 1..=3);
        assert_eq!((audit.missing(), audit.pending()), (0, 2));
        seen_by_bob(&mut audit, 4..=5);
        assert_eq!(audit.pending(), 0);
    }

    #[test]
    fn a_position_that_comes_twice_or_too_late_is_an_error() {
        let mut audit = sent_by_ann(3);
        seen_by_bob(&mut audit, [1, 2, 2]);
        assert_eq!(audit.missing(), 1);
        seen_by_bob(&mut audit, [1]);
        assert_eq!(audit.missing(), 2);
    }

    #[test]
    fn a_hole_over_a_gap_of_the_receiver_is_announced_and_the_next_hole_is_not() {
        let mut audit = sent_by_ann(9);
        seen_by_bob(&mut audit, [1, 2]);
        audit.gap(BOB);
        seen_by_bob(&mut audit, [6]);
        assert_eq!(audit.missing(), 0);
        seen_by_bob(&mut audit, [9]);
        assert_eq!(audit.missing(), 2);
    }

    #[test]
    fn a_hole_over_a_gap_of_the_sender_is_announced() {
        let mut audit = sent_by_ann(4);
        seen_by_bob(&mut audit, [1, 2]);
        audit.gap(ANN);
        send(&mut audit, 1);
        seen_by_bob(&mut audit, [5]);
        assert_eq!(audit.missing(), 0, "3 and 4 were lost on the way out");
    }

    #[test]
    fn a_gap_of_a_third_player_does_not_count() {
        let mut audit = sent_by_ann(4);
        audit.gap(2);
        seen_by_bob(&mut audit, [1, 4]);
        assert_eq!(audit.missing(), 2);
    }

    #[test]
    fn dropped_positions_are_missing() {
        let mut audit = sent_by_ann(1);
        audit.lagged(3);
        assert_eq!(audit.missing(), 3);
    }

    #[test]
    fn the_latency_is_from_sending_to_seeing() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut audit = Audit::default();
        for (n, latency) in [(1, 5), (2, 1), (3, 9)] {
            audit.sent(ANN, start);
            audit.seen(BOB, ANN, n, start + ms(latency));
        }
        assert_eq!(audit.latency(), (ms(5), ms(9)));
        assert_eq!(Audit::default().latency(), (Duration::ZERO, Duration::ZERO));
    }
}
