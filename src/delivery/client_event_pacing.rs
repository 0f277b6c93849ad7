//! The pace of client events (T1).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::Error;

/// Up to this many client events wait to be sent. Servers take ten a second, so further events would be sent too late.
const MAX_WAITING: usize = 1024;

/// Servers count events per second.
const SECOND: Duration = Duration::from_secs(1);

/// A window of writes is this much longer than a second, because the network delivers one message faster than another,
/// and servers count when messages arrive.
const MARGIN: Duration = Duration::from_millis(10);

/// A loop that sends exactly at the limit falls behind by the margin each second. The margin shrinks to zero as the
/// delay of the loop comes near this value (or near a quarter of the patience, if that is shorter), so that no event of
/// the loop is refused.
const MAX_MARGIN_DELAY: Duration = Duration::from_millis(500);

/// The pace of the client events of one client: the number of waiting events, and the times of the last writes.
///
/// The session has one, by which it decides when to send an event. The threads that trigger events have another one,
/// which tells them how long a further event would wait. It follows the first one by [`PaceNote`]s.
#[derive(Debug, Clone)]
pub(crate) struct ClientEventPace {
    /// The number of events in a window; `None` for no limit.
    limit: Option<usize>,
    patience: Duration,
    waiting: usize,
    /// The times of the last writes, oldest first: up to the limit, as far as a window can still hold them.
    written: VecDeque<Instant>,
    /// The delay that the margins have caused, while events keep waiting.
    margin_delay: Duration,
}

/// A change of the pace that the session made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaceNote {
    /// The session gave an event to the socket.
    Written { triggered: Instant, at: Instant },
    /// The socket took the newest event later than the session gave it.
    Postponed { at: Instant },
    /// An event was dropped.
    Dropped,
}

impl ClientEventPace {
    pub fn new(limit: Option<u32>, patience: Duration) -> Self {
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { limit, patience, waiting: 0, written: VecDeque::new(), margin_delay: Duration::ZERO }
    }

    /// Reserves a place behind the waiting events.
    ///
    /// # Errors
    ///
    /// [`Error::ClientEventQueueFull`] if too many events wait, and [`Error::ClientEventRate`] if the event would wait
    /// longer than the patience.
    pub fn reserve(&mut self, now: Instant) -> Result<(), Error> {
        if self.waiting >= MAX_WAITING {
            return Err(Error::ClientEventQueueFull { waiting: MAX_WAITING });
        }
        if let Some(limit) = self.limit.filter(|limit| self.wait_of_another(*limit, now) > self.patience) {
            return Err(Error::ClientEventRate { limit: u32::try_from(limit).unwrap_or(u32::MAX) });
        }
        self.accept();
        Ok(())
    }

    /// Adds an event that was accepted by the other pace.
    pub fn accept(&mut self) {
        self.waiting += 1;
    }

    /// The time at which the next event may be written; `None` for now.
    pub fn next_write(&self) -> Option<Instant> {
        self.after_window(self.limit?, 0)
    }

    pub fn apply(&mut self, note: PaceNote) {
        match note {
            PaceNote::Written { triggered, at } => self.note_write(triggered, at),
            PaceNote::Postponed { at } => {
                if let Some(last) = self.written.back_mut() {
                    *last = at.max(*last);
                }
            }
            PaceNote::Dropped => self.waiting -= 1,
        }
    }

    /// The window of an event is over when the event `limit` places before it is one window old. If at least `limit`
    /// events wait, that earlier event waits as well, and is sent one window before.
    fn wait_of_another(&self, limit: usize, now: Instant) -> Duration {
        let first = self.after_window(limit, self.waiting % limit);
        let wait = first.map_or(Duration::ZERO, |first| first.saturating_duration_since(now));
        // At most MAX_WAITING windows.
        wait + self.window() * (self.waiting / limit) as u32
    }

    /// The end of the window of an event that `waiting` others precede. `waiting` is less than `limit`.
    fn after_window(&self, limit: usize, waiting: usize) -> Option<Instant> {
        let index = (self.written.len() + waiting).checked_sub(limit)?;
        Some(*self.written.get(index)? + self.window())
    }

    fn window(&self) -> Duration {
        SECOND + self.margin()
    }

    fn margin(&self) -> Duration {
        let longest = MAX_MARGIN_DELAY.min(self.patience / 4);
        let left = longest.saturating_sub(self.margin_delay);
        if left.is_zero() { Duration::ZERO } else { MARGIN.mul_f64(left.div_duration_f64(longest)) }
    }

    /// One of the waiting events is written.
    fn note_write(&mut self, triggered: Instant, at: Instant) {
        self.waiting -= 1;
        let Some(limit) = self.limit else { return };
        let has_waited = self.after_window(limit, 0).is_some_and(|end| triggered < end);
        let added = self.margin() / u32::try_from(limit).unwrap_or(u32::MAX);
        self.margin_delay = if has_waited { self.margin_delay + added } else { Duration::ZERO };
        self.written.push_back(at);
        let is_over = |written: &Instant| *written + SECOND + MARGIN <= at;
        while self.written.len() > limit || self.written.front().is_some_and(is_over) {
            self.written.pop_front();
        }
    }
}
