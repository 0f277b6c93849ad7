//! The pace of client events (T1).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::Error;

/// Up to this many client events wait to be sent. Servers take ten a second, so that more would be old when they are
/// sent.
const MAX_WAITING: usize = 1024;

/// Servers count by the second.
const SECOND: Duration = Duration::from_secs(1);

/// A window of writes is longer than a second by this much, because the network delivers one message faster than
/// another and servers count when messages arrive.
const MARGIN: Duration = Duration::from_millis(10);

/// A loop that sends exactly at the limit falls behind by the margin each second. The margin shrinks to nothing as the
/// loop comes near this delay (or near a quarter of the patience, where that is shorter), so that no event of it is
/// refused.
const MAX_MARGIN_DELAY: Duration = Duration::from_millis(500);

/// The pace of one client's client events: how many wait, and when the last ones were written.
///
/// The session has one and decides by it when an event is sent. The threads that trigger events have another one, which
/// tells them how long a further event would wait; it follows the first by [`PaceNote`]s.
#[derive(Debug, Clone)]
pub(crate) struct ClientEventPace {
    /// Events in a window; `None` for any number.
    limit: Option<usize>,
    patience: Duration,
    waiting: usize,
    /// When the last events were written, oldest first: those that a window can still hold, up to the limit.
    written: VecDeque<Instant>,
    /// How far the margins have delayed the events of a busy client.
    margin_delay: Duration,
}

/// A change of the pace that the session made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaceNote {
    /// The session gave an event to the socket.
    Written { triggered: Instant, at: Instant },
    /// The socket took the newest event later than the session gave it.
    Postponed { at: Instant },
    /// An event is not sent.
    Dropped,
}

impl ClientEventPace {
    pub fn new(limit: Option<u32>, patience: Duration) -> Self {
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { limit, patience, waiting: 0, written: VecDeque::new(), margin_delay: Duration::ZERO }
    }

    /// Takes a place behind the events that wait already.
    ///
    /// # Errors
    ///
    /// [`Error::ClientEventQueueFull`], and [`Error::ClientEventRate`] when the event would wait longer than the
    /// patience.
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

    /// Takes a place for an event that has one already in another pace.
    pub fn accept(&mut self) {
        self.waiting += 1;
    }

    /// When the next event may be written; `None` for at once.
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

    /// The window of an event is over when the event `limit` places before it is a window old. If at least `limit`
    /// events wait, that earlier event waits as well, and is sent one window before.
    fn wait_of_another(&self, limit: usize, now: Instant) -> Duration {
        let first = self.after_window(limit, self.waiting % limit);
        let wait = first.map_or(Duration::ZERO, |first| first.saturating_duration_since(now));
        // At most MAX_WAITING windows.
        wait + self.window() * (self.waiting / limit) as u32
    }

    /// The end of the window that holds an event before which `waiting` others, fewer than `limit`, are to be written.
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
