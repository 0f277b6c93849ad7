//! Keys from the program, by which events replace each other.
//!
//! The closure that makes the keys is user code, and runs without a lock. A batch is staged under the lock of the
//! queue. The thread that delivers it then moves it into the queue, unless another thread is doing so already.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    Event,
    event::Batch,
    io::guard::user_code::{self, CallContext, UserCodeError},
    sync::Mutex,
};

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

    /// The entries of a batch, each alone with its key.
    pub fn entries(&self, context: CallContext, batch: &Arc<Batch>) -> (Vec<Arc<Batch>>, Result<(), UserCodeError>) {
        let (keys, result) = self.keys(context, batch);
        let mut keys = keys.into_iter();
        let entry = |index| Arc::new(batch.single_with_key(index, keys.next().flatten()));
        ((0..batch.len()).map(entry).collect(), result)
    }

    /// The keys of a batch, as far as the closure made them. A closure that panics is not called again.
    fn keys(&self, context: CallContext, batch: &Arc<Batch>) -> (Vec<Option<String>>, Result<(), UserCodeError>) {
        let Some(key_of) = self.key_of.lock().clone() else { return (Vec::new(), Ok(())) };
        let mut keys = Vec::with_capacity(batch.len());
        let called = user_code::call(context, "a closure that gives keys to a receiver's events", || {
            for index in 0..batch.len() {
                let is_event = batch.notice(index).is_none();
                keys.push(if is_event { key_of(&Event::new(Arc::clone(batch), index)) } else { None });
            }
        });
        if called == Err(UserCodeError::Forked) {
            return (keys, called);
        }
        let closures = (key_of, if called.is_err() { self.disarm() } else { None });
        // This may be the last owner of the values in the closure, and dropping them is user code, too.
        let dropped = user_code::catch(|| drop(closures));
        (keys, called.and(dropped.map_err(UserCodeError::from)))
    }

    /// Stops making keys. Returns the closure, which the caller drops without a lock.
    pub fn disarm(&self) -> Option<KeyOf> {
        self.key_of.lock().take()
    }
}
