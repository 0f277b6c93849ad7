//! The pace of client events (T1): a record that the threads which trigger events reservation with the session which sends
//! them.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{Error, sync::Mutex};

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
/// The session alone decides when an event is sent, and notes it here. Threads that trigger events look here how long a
/// further event would wait.
pub(crate) struct ClientEventPacing {
    /// Events in a window; `None` for any number.
    limit: Option<usize>,
    patience: Duration,
    /// Held for a look or a note; nothing is called under it.
    schedule: Mutex<Schedule>,
}

#[derive(Default)]
struct Schedule {
    waiting: usize,
    /// When the last events were written, oldest first: those that a window can still hold, up to the limit.
    written: VecDeque<Instant>,
    /// How far the margins have delayed the events of a busy client.
    margin_delay: Duration,
}

/// The right of one client event to wait and to be sent. Dropping it gives its place to another event.
pub(crate) struct ClientEventPermit {
    pacing: Arc<ClientEventPacing>,
    triggered: Instant,
    /// The place was given back with the note of the write, so that no other thread counts the event twice.
    is_sent: bool,
}

impl ClientEventPacing {
    pub fn new(limit: Option<u32>, patience: Duration) -> Arc<Self> {
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Arc::new(Self { limit, patience, schedule: Mutex::default() })
    }

    /// Takes a place behind the events that wait already.
    ///
    /// # Errors
    ///
    /// [`Error::ClientEventQueueFull`], and [`Error::ClientEventRate`] when the event would wait longer than the
    /// patience.
    pub fn reserve(self: &Arc<Self>, now: Instant) -> Result<ClientEventPermit, Error> {
        let mut schedule = self.schedule.lock();
        if schedule.waiting >= MAX_WAITING {
            return Err(Error::ClientEventQueueFull { waiting: MAX_WAITING });
        }
        if let Some(limit) = self.limit.filter(|limit| self.wait_of_another(&schedule, *limit, now) > self.patience) {
            return Err(Error::ClientEventRate { limit: u32::try_from(limit).unwrap_or(u32::MAX) });
        }
        schedule.waiting += 1;
        Ok(ClientEventPermit { pacing: Arc::clone(self), triggered: now, is_sent: false })
    }

    /// When the next event may be written; `None` for at once.
    pub fn next_write(&self) -> Option<Instant> {
        self.after_window(&self.schedule.lock(), self.limit?, 0)
    }

    /// Corrects the time of the newest write: the socket took the message later than the session gave it.
    pub fn postpone_last_write(&self, at: Instant) {
        if let Some(last) = self.schedule.lock().written.back_mut() {
            *last = at.max(*last);
        }
    }

    /// The window of an event is over when the event `limit` places before it is a window old. If at least `limit`
    /// events wait, that earlier event waits as well, and is sent one window before.
    fn wait_of_another(&self, schedule: &Schedule, limit: usize, now: Instant) -> Duration {
        let first = self.after_window(schedule, limit, schedule.waiting % limit);
        let wait = first.map_or(Duration::ZERO, |first| first.saturating_duration_since(now));
        // At most MAX_WAITING windows.
        wait + self.window(schedule) * (schedule.waiting / limit) as u32
    }

    /// The end of the window that holds an event before which `waiting` others, fewer than `limit`, are to be written.
    fn after_window(&self, schedule: &Schedule, limit: usize, waiting: usize) -> Option<Instant> {
        let index = (schedule.written.len() + waiting).checked_sub(limit)?;
        Some(*schedule.written.get(index)? + self.window(schedule))
    }

    fn window(&self, schedule: &Schedule) -> Duration {
        SECOND + self.margin(schedule)
    }

    fn margin(&self, schedule: &Schedule) -> Duration {
        let longest = MAX_MARGIN_DELAY.min(self.patience / 4);
        let left = longest.saturating_sub(schedule.margin_delay);
        if left.is_zero() { Duration::ZERO } else { MARGIN.mul_f64(left.div_duration_f64(longest)) }
    }

    /// One of the waiting events is written.
    fn note_write(&self, triggered: Instant, at: Instant) {
        let mut schedule = self.schedule.lock();
        schedule.waiting -= 1;
        let Some(limit) = self.limit else { return };
        let has_waited = self.after_window(&schedule, limit, 0).is_some_and(|end| triggered < end);
        let added = self.margin(&schedule) / u32::try_from(limit).unwrap_or(u32::MAX);
        schedule.margin_delay = if has_waited { schedule.margin_delay + added } else { Duration::ZERO };
        schedule.written.push_back(at);
        let is_over = |written: &Instant| *written + SECOND + MARGIN <= at;
        while schedule.written.len() > limit || schedule.written.front().is_some_and(is_over) {
            schedule.written.pop_front();
        }
    }
}

impl ClientEventPermit {
    pub fn triggered(&self) -> Instant {
        self.triggered
    }

    /// The session gives the event to the socket.
    pub fn send(mut self, now: Instant) {
        self.pacing.note_write(self.triggered, now);
        self.is_sent = true;
    }
}

impl Drop for ClientEventPermit {
    fn drop(&mut self) {
        if !self.is_sent {
            self.pacing.schedule.lock().waiting -= 1;
        }
    }
}

impl fmt::Debug for ClientEventPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientEventPermit").field("triggered", &self.triggered).finish_non_exhaustive()
    }
}
