//! The times at which frames begin.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Sixty frames a second.
pub(crate) const LENGTH: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// The clock of the main loop.
pub(crate) struct Frames {
    next: Instant,
}

impl Frames {
    pub(crate) fn start() -> Self {
        Self { next: Instant::now() }
    }

    /// Waits until the next frame begins, and returns that time. A frame that took too long delays the ones after it,
    /// so that there is always a pause.
    pub(crate) fn next(&mut self) -> Instant {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        self.next = (self.next + LENGTH).max(now);
        now
    }
}
