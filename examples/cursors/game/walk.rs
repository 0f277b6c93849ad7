//! The movements of computer players: along curves that depend only on the time, so that every run is the same.

use std::time::Duration;

use super::path::Position;

/// The position of a computer player at this time. Each has a curve of its own (a Lissajous figure).
pub(crate) fn position(walker: usize, time: Duration) -> Position {
    let number = walker as f32;
    let angle = time.as_secs_f32() * (0.54 + 0.08 * number) + 1.7 * number;
    let wide = 0.30 + 0.03 * (number % 4.0);
    Position::new(0.5 + wide * angle.cos(), 0.5 + 0.36 * (angle * (1.5 + 0.25 * (number % 3.0)) + number).sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computer_players_always_move_and_stay_away_from_the_edge() {
        for walker in 0..50 {
            for frame in 0..600_u64 {
                let at = |frame: u64| position(walker, Duration::from_millis(frame * 17));
                let (here, next) = (at(frame), at(frame + 6));
                assert_ne!(here, next, "walker {walker}");
                assert!((0.05..0.95).contains(&here.x) && (0.05..0.95).contains(&here.y), "walker {walker}: {here:?}");
            }
        }
    }
}
