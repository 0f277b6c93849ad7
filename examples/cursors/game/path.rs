//! Smooth movement from the few positions that arrive.
//!
//! A client receives up to ten positions a second, and a screen shows sixty frames. So a cursor is drawn slightly in
//! the past, at a moment whose next position is known already, on the line between the two.

use std::{collections::VecDeque, time::Duration, time::Instant};

use super::moves::INTERVAL;

/// How far in the past other cursors are drawn: the time between two positions, and a reserve for delays of the
/// network. A longer delay makes movements smoother and later.
pub(crate) const DELAY: Duration = Duration::from_millis(160);

/// The length of a trail in time.
pub(crate) const TRAIL: Duration = Duration::from_millis(600);

/// A position on the field: from 0 at the left and the top to 1 at the right and the bottom, for any size of the
/// window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

impl Position {
    pub(crate) const CENTRE: Self = Self { x: 0.5, y: 0.5 };

    /// A position outside the field becomes one on its edge.
    pub(crate) fn new(x: f32, y: f32) -> Self {
        Self { x: x.clamp(0.0, 1.0), y: y.clamp(0.0, 1.0) }
    }

    /// A point between this position and another: 0 is this one, 1 is the other.
    fn towards(self, other: Self, part: f32) -> Self {
        Self::new(self.x + (other.x - self.x) * part, self.y + (other.y - self.y) * part)
    }
}

/// The positions of a cursor in the past and in the next moment.
#[derive(Debug, Default)]
pub(crate) struct Path {
    /// In the order of time.
    waypoints: VecDeque<Waypoint>,
}

#[derive(Debug, Clone, Copy)]
struct Waypoint {
    at: Instant,
    position: Position,
}

impl Path {
    /// A position of another player has arrived. The cursor reaches it after [`DELAY`].
    pub(crate) fn arrived(&mut self, position: Position, now: Instant) {
        let at = now + DELAY;
        if let Some(last) = self.waypoints.back().copied().filter(|last| at - last.at > 2 * INTERVAL) {
            // The cursor stood still until it began to move, at most one interval before this position.
            self.reach(last.position, at - INTERVAL);
        }
        self.reach(position, at);
    }

    /// The position at this moment, which is not before that of the last call.
    pub(crate) fn reach(&mut self, position: Position, at: Instant) {
        match self.waypoints.back_mut() {
            // Of two positions in the same frame, the later one counts.
            Some(last) if last.at >= at => last.position = position,
            _ => self.waypoints.push_back(Waypoint { at, position }),
        }
        let is_forgotten = |waypoint: &Waypoint| waypoint.at + DELAY + TRAIL < at;
        // The last position that is too old is the beginning of a line that is still needed.
        while self.waypoints.get(1).is_some_and(is_forgotten) {
            self.waypoints.pop_front();
        }
    }

    /// The position at a moment, back to [`TRAIL`] before now; `None` before any position is known.
    pub(crate) fn at(&self, moment: Instant) -> Option<Position> {
        let reached = self.waypoints.iter().rposition(|waypoint| waypoint.at <= moment);
        let Some(reached) = reached else { return self.waypoints.front().map(|first| first.position) };
        let from = self.waypoints[reached];
        let Some(to) = self.waypoints.get(reached + 1) else { return Some(from.position) };
        let part = (moment - from.at).as_secs_f32() / (to.at - from.at).as_secs_f32();
        Some(from.position.towards(to.position, part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_micros(16_667);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn x(x: f32) -> Position {
        Position::new(x, 0.5)
    }

    /// The distance of each frame between two moments.
    fn steps(path: &Path, from: Instant, to: Instant) -> Vec<f32> {
        let frames = (to - from).as_micros() / FRAME.as_micros();
        let at = |frame: u32| path.at(from + FRAME * frame).expect("a position").x;
        (1..=frames as u32).map(|frame| at(frame) - at(frame - 1)).collect()
    }

    #[test]
    fn a_cursor_moves_evenly_between_two_positions() {
        let start = Instant::now();
        let mut path = Path::default();
        for n in 0..5_u8 {
            path.arrived(x(f32::from(n) / 10.0), start + ms(100) * n.into());
        }
        let steps = steps(&path, start + DELAY, start + DELAY + ms(400));
        assert_eq!(steps.len(), 23);
        assert!(steps.iter().all(|step| (step - 0.016_667).abs() < 0.0005), "{steps:?}");
    }

    #[test]
    fn a_cursor_moves_smoothly_when_positions_arrive_late_or_early() {
        let start = Instant::now();
        let mut path = Path::default();
        for (n, late) in [0, 30, 0, 25, 10, 30].into_iter().enumerate() {
            path.arrived(x(n as f32 / 10.0), start + ms(100 * n as u64 + late));
        }
        let steps = steps(&path, start + DELAY, start + DELAY + ms(500));
        assert!(steps.iter().all(|step| (0.008..0.03).contains(step)), "{steps:?}");
    }

    #[test]
    fn a_cursor_that_stood_still_moves_again_one_interval_before_the_next_position() {
        let start = Instant::now();
        let mut path = Path::default();
        path.arrived(x(0.0), start);
        let moved = start + Duration::from_secs(10);
        path.arrived(x(0.5), moved);
        assert_eq!(path.at(moved + DELAY - INTERVAL), Some(x(0.0)));
        let half = path.at(moved + DELAY - INTERVAL / 2).expect("a position");
        assert!((half.x - 0.25).abs() < 0.001, "{half:?}");
        assert_eq!(path.at(moved + DELAY), Some(x(0.5)));
    }

    #[test]
    fn a_cursor_ends_at_the_last_position() {
        let now = Instant::now();
        let mut path = Path::default();
        assert_eq!(path.at(now), None);
        path.arrived(x(0.2), now);
        path.arrived(x(0.4), now);
        path.arrived(x(0.3), now);
        assert_eq!(path.at(now + Duration::from_secs(60)), Some(x(0.3)));
    }

    #[test]
    fn a_long_way_is_forgotten_except_for_the_trail() {
        let start = Instant::now();
        let mut path = Path::default();
        let last = start + FRAME * 3600;
        (0..=3600).for_each(|frame| path.reach(x(0.5), start + FRAME * frame));
        assert!(path.waypoints.len() < 60, "{}", path.waypoints.len());
        assert!(path.waypoints[0].at <= last - TRAIL);
    }

    #[test]
    fn positions_are_clamped_to_the_field() {
        assert_eq!(Position::new(-3.0, 1e30), Position { x: 0.0, y: 1.0 });
    }
}
