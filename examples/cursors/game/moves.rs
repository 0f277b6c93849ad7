//! The positions that are sent: the newest one, at most every [`INTERVAL`], and always the last one.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::path::Position;

/// The least time between two positions that are sent. Servers allow 10 client events a second, and drop the rest. They
/// count by the time of arrival, and the network may push two events together, so that a tenth is kept in reserve.
pub(crate) const INTERVAL: Duration = Duration::from_millis(110);

/// A position as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// The number of the position, from 1, by which receivers notice a loss.
    pub(crate) n: u64,
    x: f32,
    y: f32,
}

impl Move {
    pub(crate) fn new(n: u64, position: Position) -> Self {
        Self { n, x: position.x, y: position.y }
    }

    pub(crate) fn position(self) -> Position {
        Position::new(self.x, self.y)
    }
}

/// Holds the newest position until it may be sent. A newer position replaces one that waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    newest: Option<Position>,
    is_waiting: bool,
    sent: u64,
    last_sent: Option<Instant>,
}

impl Outbox {
    /// Puts the position of this frame. A position that did not change is not sent.
    pub(crate) fn put(&mut self, position: Position) {
        if self.newest != Some(position) {
            self.newest = Some(position);
            self.is_waiting = true;
        }
    }

    /// Sends the newest position once more, for a player who has just joined.
    pub(crate) fn repeat(&mut self) {
        self.is_waiting = self.newest.is_some();
    }

    /// The position that may be sent now. It waits until [`sent`](Self::sent) is called, so that a refused event loses
    /// nothing.
    pub(crate) fn due(&self, now: Instant) -> Option<Move> {
        let is_early = self.last_sent.is_some_and(|sent| now < sent + INTERVAL);
        self.newest.filter(|_| self.is_waiting && !is_early).map(|position| Move::new(self.sent + 1, position))
    }

    /// The position that was [`due`](Self::due) has been sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.is_waiting = false;
        self.sent += 1;
        self.last_sent = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_micros(16_667);

    fn x(x: f32) -> Position {
        Position::new(x, 0.0)
    }

    /// Moves for `frames` frames, then stands still for a second. Returns the positions with the times at which they
    /// were sent.
    fn sent(frames: u16) -> Vec<(Move, Instant)> {
        let start = Instant::now();
        let mut outbox = Outbox::default();
        let mut sent = Vec::new();
        for frame in 0..frames + 60 {
            let now = start + FRAME * frame.into();
            outbox.put(x(f32::from(frame.min(frames)) / 1000.0));
            if let Some(due) = outbox.due(now) {
                outbox.sent(now);
                sent.push((due, now));
            }
        }
        sent
    }

    #[test]
    fn at_most_ten_are_sent_in_any_second() {
        let sent = sent(600);
        assert!(sent.len() > 80, "{}", sent.len());
        let crowded = sent.windows(11).find(|eleven| eleven[10].1 - eleven[0].1 <= Duration::from_secs(1));
        assert_eq!(crowded, None);
    }

    #[test]
    fn the_last_position_is_always_sent() {
        for frames in 1..60 {
            let last = sent(frames).last().expect("something was sent").0;
            assert_eq!(last.position(), x(f32::from(frames) / 1000.0));
        }
    }

    #[test]
    fn numbers_have_no_hole() {
        let numbers: Vec<_> = sent(100).iter().map(|(sent, _)| sent.n).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_newer_position_replaces_a_refused_one() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.put(x(0.1));
        assert_eq!(outbox.due(now), Some(Move::new(1, x(0.1))));
        outbox.put(x(0.2));
        assert_eq!(outbox.due(now + FRAME), Some(Move::new(1, x(0.2))), "the first position was not sent");
    }

    #[test]
    fn a_player_who_stands_still_sends_nothing_until_somebody_joins() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        let mut outbox = Outbox::default();
        outbox.repeat();
        assert_eq!(outbox.due(now), None, "there is nothing to repeat");
        outbox.put(x(0.1));
        outbox.sent(now);
        outbox.put(x(0.1));
        assert_eq!(outbox.due(later), None);
        outbox.repeat();
        assert_eq!(outbox.due(later), Some(Move::new(2, x(0.1))));
    }

    #[test]
    fn a_position_travels_as_json() {
        let json = serde_json::to_string(&Move::new(7, Position::new(0.5, 0.25))).expect("JSON");
        assert_eq!(json, r#"{"n":7,"x":0.5,"y":0.25}"#);
        let hostile: Move = serde_json::from_str(r#"{"n":1,"x":-1e99,"y":2}"#).expect("numbers");
        assert_eq!(hostile.position(), Position::new(0.0, 1.0));
    }
}
