//! Waiting for a condition.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Hub, Snapshot, State};
use crate::testing::journal::Received;

impl Hub {
    pub(crate) fn snapshot<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        read(&Snapshot(&self.state.lock()))
    }

    /// Waits until the predicate holds; false if it does not within the timeout.
    pub(crate) fn wait_for(&self, timeout: Duration, mut predicate: impl FnMut(&Snapshot<'_>) -> bool) -> bool {
        self.wait_until(timeout, |state| predicate(&Snapshot(state)))
    }

    /// Like [`Hub::wait_for`], for a message. Looks at each message once.
    pub(crate) fn wait_for_received(&self, timeout: Duration, mut predicate: impl FnMut(&Received) -> bool) -> bool {
        let mut seen = 0;
        self.wait_until(timeout, |state| {
            let (mut news, next) = state.journal.received_since(seen);
            seen = next;
            news.any(&mut predicate)
        })
    }

    /// Returns when the sockets may be read; false when this one has been cut.
    pub(crate) fn wait_while_stalled(&self, id: u64) -> bool {
        if !self.stalled.load(Ordering::Acquire) {
            return true;
        }
        let mut state = self.state.lock();
        while self.stalled.load(Ordering::Acquire) && state.sockets.contains_key(&id) {
            self.changed.wait(&mut state);
        }
        state.sockets.contains_key(&id)
    }

    /// Passes some time; false when the connection is cut meanwhile.
    pub(crate) fn pause(&self, id: u64, time: Duration) -> bool {
        !self.wait_until(time, |state| !state.sockets.contains_key(&id))
    }

    fn wait_until(&self, timeout: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        // A deadline that no clock reaches is none.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock();
        loop {
            if done(&state) {
                return true;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() {
                        return done(&state);
                    }
                }
            }
        }
    }
}
