//! One's own cursor: keys push it, and it glides to a stop, because a terminal does not tell when a key is released.

use std::time::Duration;

use crate::game::path::Position;

/// What a push adds to the speed, in fields a second.
const PUSH: f32 = 0.35;

/// How much of the speed is left after a second.
const GLIDE: f32 = 0.02;

/// Slower than this is standing still, so that nothing has to be sent.
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
    /// To the right and downwards, as -1, 0 or 1.
    pub(crate) fn push(&mut self, x: i8, y: i8) {
        self.speed.0 += PUSH * f32::from(x);
        self.speed.1 += PUSH * f32::from(y);
    }

    /// To where the mouse is.
    pub(crate) fn put(&mut self, position: Position) {
        *self = Self { position, speed: (0.0, 0.0) };
    }

    /// The position after so long.
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
    fn a_push_moves_it_that_way_and_it_comes_to_rest() {
        let mut me = Steering::default();
        me.push(1, -1);
        let first = me.step(FRAME);
        assert!(first.x > 0.5 && first.y < 0.5, "{first:?}");
        let after = (0..300).map(|_| me.step(FRAME)).last().expect("a position");
        assert!(after.x > first.x && after.y < first.y, "{after:?}");
        assert_eq!(me.step(FRAME), after, "it rests");
    }

    #[test]
    fn the_mouse_puts_it_there_at_once() {
        let mut me = Steering::default();
        me.push(1, 0);
        me.put(Position::new(0.1, 0.2));
        assert_eq!(me.step(FRAME), Position::new(0.1, 0.2));
    }
}
