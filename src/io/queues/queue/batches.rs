//! Consumers that take many notifications at a time, and may give some of them back.

use std::collections::VecDeque;

use super::{Queue, Taken};
use crate::sync::atomic::Ordering;

/// So many notifications, and the rest of a batch, are taken under one lock at most: enough that the lock costs little for
/// each, and few enough that what is put back is little, too.
const AT_ONCE: usize = 256;

impl Queue {
    /// A consumer begins to take what it may [give back](Self::return_unused). Until it [has settled](Self::finish), nobody is told
    /// of the end.
    pub fn begin_taking(&self) {
        self.takers.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes batch after batch, until so many notifications are taken, or a bound for one lock is reached; then also the
    /// loss that follows them. Returns how many it took. Reports of losses do not count, unless there is nothing else.
    pub fn take_batches(&self, wanted: usize, into: &mut VecDeque<Taken>) -> usize {
        let mut state = self.state.lock();
        let was_full = self.is_full(state.held.counts());
        let (mut count, before) = (0, into.len());
        while count < wanted.min(AT_ONCE) {
            let Some(taken) = state.held.take() else { break };
            if let Taken::Segment(segment) = &taken {
                count += segment.left();
            }
            into.push_back(taken);
        }
        let has_taken = into.len() > before;
        if has_taken {
            into.extend(state.held.take_loss().map(Taken::Lagged));
        }
        self.changed(&mut state);
        self.notify_room(was_full, &state);
        count.max(usize::from(has_taken))
    }

    /// What a consumer did not use of what it took comes first again.
    pub fn return_unused(&self, unused: &mut VecDeque<Taken>) {
        let mut state = self.state.lock();
        while let Some(taken) = unused.pop_back() {
            state.held.put_back(taken);
        }
        self.drop_excess(&mut state);
        self.changed(&mut state);
        drop(state);
        self.filled.notify_all();
    }

    /// A consumer will give back nothing more. Locks nothing; true when the [end is to be told](Self::notify_end) to those who
    /// wait for it.
    #[must_use]
    pub fn finish(&self) -> bool {
        self.takers.fetch_sub(1, Ordering::SeqCst);
        // Where it is shut after this, who shuts it sees that nothing is borrowed.
        self.is_shut.load(Ordering::SeqCst)
    }

    pub fn notify_end(&self) {
        self.changed(&mut self.state.lock());
        self.filled.notify_all();
    }
}
