//! Keys from the program, by which events replace each other.
//!
//! The closure that makes the keys is user code, and runs without a lock. A batch is staged under the lock of the
//! queue. The thread that delivers it then moves it into the queue, unless another thread is doing so already.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::waker::Panicked;
use crate::{Event, event::Batch, sync::Mutex};

/// The closure: the key of an event, or `None` for the rule of the queue.
pub(crate) type KeyOf = Arc<dyn Fn(&Event) -> Option<String> + Send + Sync>;

/// The closure of one queue, and the batches that have no keys yet.
pub(crate) struct Keyed {
    key_of: Mutex<Option<KeyOf>>,
    staged: Mutex<Staged>,
}

#[derive(Default)]
struct Staged {
    batches: VecDeque<Arc<Batch>>,
    /// The number of entries in these batches, and their size.
    entries: usize,
    bytes: usize,
    /// A thread makes the keys, one batch after another, so that the order is kept.
    is_taking_in: bool,
}

impl Keyed {
    pub fn new(key_of: KeyOf) -> Self {
        Self { key_of: Mutex::new(Some(key_of)), staged: Mutex::default() }
    }

    pub fn stage(&self, batch: Arc<Batch>) {
        let mut staged = self.staged.lock();
        staged.entries += batch.len();
        staged.bytes += batch.bytes();
        staged.batches.push_back(batch);
    }

    /// Whether the staged batches are so large that the reader waits: events arrive faster than the closure makes their
    /// keys.
    pub fn is_full(&self, entries: usize, bytes: usize) -> bool {
        let staged = self.staged.lock();
        staged.entries >= entries || staged.bytes >= bytes
    }

    /// The next batch to make keys for. `None` if there is none, or if another thread makes keys.
    pub fn begin(&self) -> Option<Arc<Batch>> {
        let mut staged = self.staged.lock();
        if staged.is_taking_in {
            return None;
        }
        let next = staged.batches.pop_front()?;
        staged.entries -= next.len();
        staged.bytes -= next.bytes();
        staged.is_taking_in = true;
        Some(next)
    }

    pub fn end(&self) {
        self.staged.lock().is_taking_in = false;
    }

    /// The entries of a batch, each alone with its key. A closure that panics is not called again.
    pub fn entries(&self, batch: &Arc<Batch>) -> (Vec<Arc<Batch>>, Result<(), Panicked>) {
        let key_of = self.key_of.lock().clone();
        let mut outcome = Ok(());
        let entry = |index| {
            let closure = key_of.as_ref().filter(|_| outcome.is_ok() && batch.notice(index).is_none());
            let event = Event::new(Arc::clone(batch), index);
            let key = closure.map(|closure| panic::catch_unwind(AssertUnwindSafe(|| closure(&event))));
            let key = key.unwrap_or(Ok(None)).unwrap_or_else(|_| {
                log::error!("a closure that gives keys to a receiver's events panicked");
                outcome = Err(Panicked);
                None
            });
            Arc::new(batch.single_with_key(index, key))
        };
        let entries = (0..batch.len()).map(entry).collect();
        let closures = (key_of, if outcome.is_err() { self.disarm() } else { None });
        // This may be the last owner of the values in the closure, and dropping them is user code, too.
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(closures)));
        (entries, outcome.and(dropped.map_err(|_| Panicked)))
    }

    /// Stops making keys. Returns the closure, which the caller drops without a lock.
    pub fn disarm(&self) -> Option<KeyOf> {
        self.key_of.lock().take()
    }
}
