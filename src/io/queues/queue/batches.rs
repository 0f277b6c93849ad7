//! Consumers that take many notifications at a time, and may return some of them.

use std::collections::VecDeque;

use super::{Queue, Taken};
use crate::sync::atomic::Ordering;

/// Up to this many notifications, and the rest of a batch, are taken under one lock. More would cost more to return;
/// fewer would take the lock more often.
const AT_ONCE: usize = 256;

impl Queue {
    /// A consumer begins to take notifications that it may [return](Self::return_unused). The queue reports its end
    /// only after the consumer [has finished](Self::finish).
    pub fn begin_taking(&self) {
        self.takers.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes batches until `wanted` notifications are taken, or the limit for one lock is reached; then also the loss
    /// that follows them. Returns the number of notifications. Reports of losses do not count, unless there is nothing
    /// else.
    pub fn take_batches(&self, wanted: usize, into: &mut VecDeque<Taken>) -> usize {
        let mut state = self.state.lock();
        let was_full = self.is_full(state.store.counts());
        let (mut count, before) = (0, into.len());
        while count < wanted.min(AT_ONCE) {
            let Some(taken) = state.store.take() else { break };
            if let Taken::Segment(segment) = &taken {
                count += segment.left();
            }
            into.push_back(taken);
        }
        let has_taken = into.len() > before;
        if has_taken {
            into.extend(state.store.take_loss().map(Taken::Lagged));
        }
        self.changed(&mut state);
        self.notify_room(was_full, &state);
        count.max(usize::from(has_taken))
    }

    /// Returns the unused notifications to the front of the queue.
    pub fn return_unused(&self, unused: &mut VecDeque<Taken>) {
        let mut state = self.state.lock();
        while let Some(taken) = unused.pop_back() {
            state.store.put_back(taken);
        }
        self.drop_excess(&mut state);
        self.changed(&mut state);
        drop(state);
        self.filled.notify_all();
    }

    /// A consumer will return nothing more. Takes no lock. Returns true if the caller must [notify](Self::notify_end)
    /// the threads that wait for the end.
    #[must_use]
    pub fn finish(&self) -> bool {
        self.takers.fetch_sub(1, Ordering::SeqCst);
        // If the queue is closed after this, the thread that closes it sees that no consumer may return anything.
        self.is_shut.load(Ordering::SeqCst)
    }

    pub fn notify_end(&self) {
        self.changed(&mut self.state.lock());
        self.filled.notify_all();
    }
}
