//! The player's own cursor. Keys push it, and it slows down by itself, because a terminal does not report released
//! keys.

use std::time::Duration;

use crate::game::path::Position;

/// The speed that a push adds, in fields a second.
const PUSH: f32 = 0.35;

/// The part of the speed that is left after a second.
const GLIDE: f32 = 0.02;

/// A lower speed counts as 0, so that nothing has to be sent.
const STILL: f32 = 0.005;

pub(crate) struct Steering {
    position: Position,
    speed: (f32, f32),
}

impl Default for Steering {
    fn default() -> Self {
        Self { position: Position::CENTRE, speed: (0.0, 0.0) }
    }
}

impl Steering {
    /// Pushes the cursor to the right and downwards, by -1, 0 or 1 each.
    pub(crate) fn push(&mut self, x: i8, y: i8) {
        self.speed.0 += PUSH * f32::from(x);
        self.speed.1 += PUSH * f32::from(y);
    }

    /// Moves the cursor to the mouse.
    pub(crate) fn put(&mut self, position: Position) {
        *self = Self { position, speed: (0.0, 0.0) };
    }

    /// Moves the cursor for this time, and returns its position.
    pub(crate) fn step(&mut self, time: Duration) -> Position {
        let seconds = time.as_secs_f32();
        let (x, y) = self.speed;
        self.position = Position::new(self.position.x + x * seconds, self.position.y + y * seconds);
        let slowed = |speed: f32| if speed.abs() < STILL { 0.0 } else { speed * GLIDE.powf(seconds) };
        self.speed = (slowed(x), slowed(y));
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(16);

    #[test]
    fn a_push_moves_the_cursor_until_it_comes_to_rest() {
        let mut me = Steering::default();
        me.push(1, -1);
        let first = me.step(FRAME);
        assert!(first.x > 0.5 && first.y < 0.5, "{first:?}");
        let after = (0..300).map(|_| me.step(FRAME)).last().expect("a position");
        assert!(after.x > first.x && after.y < first.y, "{after:?}");
        assert_eq!(me.step(FRAME), after, "the cursor rests");
    }

    #[test]
    fn the_mouse_moves_the_cursor_at_once() {
        let mut me = Steering::default();
        me.push(1, 0);
        me.put(Position::new(0.1, 0.2));
        assert_eq!(me.step(FRAME), Position::new(0.1, 0.2));
    }
}
