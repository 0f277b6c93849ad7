//! A bounded queue of notifications, with a policy for a full queue.

mod backlog;
mod batches;
mod keyed;
mod latest;
mod segment;
mod selection;
mod store;
#[cfg(test)]
mod tests;
mod waker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::Overflow,
    event::{Batch, EntryNumber},
    io::guard::user_code::{CallContext, UserCodeError},
    sync::{
        Condvar, Mutex, Sender,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        bounded,
    },
};
use backlog::{Backlog, DropPolicy};
use keyed::Keyed;
use latest::Latest;
use store::{Counts, Store};
#[cfg(unix)]
use waker::Readiness;
use waker::Waker;

pub(crate) use keyed::KeyOf;
pub(crate) use segment::{Segment, Step};
pub(crate) use selection::Selection;
pub(crate) use store::{Item, PopError, Taken};
pub(crate) use waker::WakeUp;

/// The maximum size of the contents in bytes, beside the maximum number of notifications.
const MAX_BYTES: usize = 16 << 20;

/// The queue of one consumer. It is filled with whole batches, and emptied by single notifications or whole batches.
///
/// Pushing never blocks. With [`Overflow::Block`] the reader checks [`has_room`](Self::has_room) before it reads on. So
/// a queue exceeds its capacity by at most the notifications of one read of the socket, and by those that its consumer returns.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    capacity: usize,
    overflow: Overflow,
    selection: Selection,
    /// The keys from the program, if the queue has them.
    keyed: Option<Keyed>,
    waker: Waker,
    /// Signalled when a full queue gets room.
    room: Sender<()>,
    /// The number of waiting notifications, which can be read without the lock: a game loop reads it sixty times a
    /// second.
    len: AtomicUsize,
    /// The number of consumers that may return notifications. The queue does not end before they finish.
    takers: AtomicUsize,
    /// The queue accepts nothing more.
    is_shut: AtomicBool,
}

/// The options of a queue.
pub(crate) struct QueueOptions {
    pub capacity: usize,
    pub overflow: Overflow,
    pub selection: Selection,
    pub wake_up: Option<WakeUp>,
    /// With [`Overflow::KeepLatest`], the closure that makes keys.
    pub key_of: Option<KeyOf>,
}

impl QueueOptions {
    /// Options of a queue that accepts every notification, without a wake-up closure.
    pub fn new(capacity: usize, overflow: Overflow) -> Self {
        Self { capacity, overflow, selection: Selection::everything(), wake_up: None, key_of: None }
    }
}

struct QueueState {
    store: Box<dyn Store>,
    /// The number that follows that of the last entry.
    next_number: EntryNumber,
    closed: bool,
    /// The consumer must return, even if nothing waits.
    wake: bool,
    #[cfg(unix)]
    readiness: Option<Readiness>,
}

impl Queue {
    pub fn new(options: QueueOptions, room: Sender<()>) -> Self {
        let QueueOptions { capacity, overflow, selection, wake_up, key_of } = options;
        Self {
            state: Mutex::new(QueueState::new(overflow)),
            filled: Condvar::new(),
            capacity,
            overflow,
            selection,
            keyed: key_of.map(Keyed::new),
            waker: Waker::new(wake_up),
            room,
            len: AtomicUsize::new(0),
            takers: AtomicUsize::new(0),
            is_shut: AtomicBool::new(false),
        }
    }

    /// A queue that is always empty.
    pub fn closed() -> Self {
        let (room, _) = bounded(0);
        let queue = Self::new(QueueOptions::new(1, Overflow::DropNewest), room);
        queue.close();
        queue
    }

    /// Adds a batch, and drops notifications by the policy if there are too many. Returns true if the caller must then,
    /// without a lock, [process staged batches](Self::take_in) and [wake](Self::notify) the consumer.
    #[must_use]
    pub fn push(&self, batch: &Arc<Batch>) -> bool {
        let Some(part) = self.selection.part_of(batch) else { return false };
        let Some(keyed) = &self.keyed else { return self.insert([part]) };
        let state = self.state.lock();
        if state.closed {
            return false;
        }
        // The queue does not end while the batch is staged.
        self.begin_taking();
        keyed.stage(part);
        true
    }

    /// Returns true if the consumer must be woken. Batches that were staged before the end are inserted after it.
    fn insert(&self, batches: impl IntoIterator<Item = Arc<Batch>>) -> bool {
        let mut state = self.state.lock();
        if state.closed && self.keyed.is_none() {
            return false;
        }
        for batch in batches {
            state.next_number = batch.next_number();
            state.store.push(batch);
        }
        self.drop_excess(&mut state);
        self.changed(&mut state);
        drop(state);
        // All threads are woken, because several may share a receiver, and a batch may have an entry for each.
        self.filled.notify_all();
        self.waker.must_notify()
    }

    fn drop_excess(&self, state: &mut QueueState) {
        while self.overflow != Overflow::Block && self.is_exceeded(state.store.counts()) && state.store.drop_one() {}
    }

    fn is_exceeded(&self, counts: &Counts) -> bool {
        // A single notification is kept, however large it is, because otherwise it could never be delivered.
        counts.len > self.capacity || (counts.bytes > MAX_BYTES && counts.len > 1)
    }

    fn is_full(&self, counts: &Counts) -> bool {
        counts.len >= self.capacity || counts.bytes >= MAX_BYTES
    }

    /// Publishes the new number of waiting notifications for threads that read it without the lock.
    fn changed(&self, state: &mut QueueState) {
        let waiting = state.store.waiting();
        self.len.store(waiting, Ordering::SeqCst);
        state.set_readiness(waiting > 0 || self.is_over(state));
    }

    /// Whether nothing waits, and nothing will come.
    fn is_over(&self, state: &QueueState) -> bool {
        state.closed && self.takers.load(Ordering::SeqCst) == 0 && state.store.waiting() == 0
    }

    /// False while the reader must wait before it reads on.
    pub fn has_room(&self) -> bool {
        if self.keyed.as_ref().is_some_and(|keyed| keyed.is_full(self.capacity, MAX_BYTES)) {
            return false;
        }
        if self.overflow != Overflow::Block || self.len() == 0 {
            return true;
        }
        let state = self.state.lock();
        state.closed || !self.is_full(state.store.counts())
    }

    /// The next notification, if one waits.
    pub fn try_pop(&self) -> Result<Item, PopError> {
        self.take_from(&mut self.state.lock(), |store| store.pop())
    }

    /// The next notification that `pick` accepts. Waits for it up to the given time, or for ever.
    pub fn pop_within<T>(
        &self,
        time: Option<Duration>,
        mut pick: impl FnMut(Item) -> Option<T>,
    ) -> Result<T, PopError> {
        // A time beyond the range of the clock means for ever.
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            if let Some(picked) = pick(self.wait(deadline, |store| store.pop())?) {
                return Ok(picked);
            }
        }
    }

    /// The rest of the oldest batch. Waits for it.
    pub fn take(&self) -> Result<Taken, PopError> {
        self.wait(None, |store| store.take())
    }

    fn wait<T>(&self, deadline: Option<Instant>, from: fn(&mut dyn Store) -> Option<T>) -> Result<T, PopError> {
        let mut state = self.state.lock();
        loop {
            match self.take_from(&mut state, from) {
                Err(PopError::Empty) => {}
                result => return result,
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) if self.filled.wait_until(&mut state, deadline).timed_out() => {
                    return self.take_from(&mut state, from);
                }
                Some(_) => {}
            }
        }
    }

    fn take_from<T>(&self, state: &mut QueueState, from: fn(&mut dyn Store) -> Option<T>) -> Result<T, PopError> {
        let was_full = self.is_full(state.store.counts());
        let item = from(&mut *state.store);
        self.changed(state);
        self.notify_room(was_full, state);
        item.ok_or_else(|| match std::mem::take(&mut state.wake) {
            _ if self.is_over(state) => PopError::Closed,
            true => PopError::Woken,
            false => PopError::Empty,
        })
    }

    /// Signals a reader that waits for room.
    fn notify_room(&self, was_full: bool, state: &QueueState) {
        if was_full && !self.is_full(state.store.counts()) {
            let _ = self.room.try_send(());
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// The number of the next entry to come; `None` while earlier entries wait.
    pub fn next_number(&self) -> Option<EntryNumber> {
        let state = self.state.lock();
        (state.store.waiting() == 0).then_some(state.next_number)
    }

    pub fn is_closed(&self) -> bool {
        self.is_over(&self.state.lock())
    }

    pub fn dropped(&self) -> u64 {
        self.state.lock().store.counts().dropped
    }

    pub fn superseded(&self) -> u64 {
        self.state.lock().store.counts().superseded
    }

    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// A consumer is about to poll, and must be woken for later entries. Returns the number of polls.
    pub fn begin_poll(&self) -> usize {
        self.waker.begin_poll()
    }

    /// Whether another consumer has polled since, found nothing because the entries were taken, and must be woken.
    pub fn must_notify_again(&self, since: usize) -> bool {
        self.waker.must_notify_again(since)
    }

    /// Wakes the consumer. This runs user code, so the caller holds no lock.
    pub fn notify(&self, context: CallContext) -> Result<(), UserCodeError> {
        self.waker.notify(context)
    }

    /// Stops waking the consumer and making keys. Returns the closures, which the caller drops without a lock.
    pub fn disarm(&self) -> impl Sized + use<> {
        (self.waker.disarm(), self.keyed.as_ref().map(Keyed::disarm))
    }

    /// The consumer is gone: the queue accepts nothing more and wakes no thread. Returns the closures, which the caller
    /// drops without a lock.
    pub fn abandon(&self) -> impl Sized + use<> {
        let closures = self.disarm();
        self.close();
        closures
    }

    /// Closes the queue: it accepts nothing more. Waiting notifications are still delivered.
    pub fn close(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        {
            let mut state = self.state.lock();
            state.closed = true;
            self.changed(&mut state);
        }
        self.filled.notify_all();
    }

    /// Makes the consumer return, even if nothing waits.
    pub fn wake(&self) {
        self.state.lock().wake = true;
        self.filled.notify_all();
    }

    /// A descriptor that is readable while something waits, and after the end of the queue.
    #[cfg(unix)]
    pub fn descriptor(&self) -> std::io::Result<Arc<std::os::unix::net::UnixStream>> {
        let mut state = self.state.lock();
        if state.readiness.is_none() {
            state.readiness = Some(Readiness::new()?);
        }
        self.changed(&mut state);
        let descriptor = state.readiness.as_ref().map(Readiness::descriptor);
        descriptor.ok_or_else(|| std::io::ErrorKind::Other.into())
    }
}

impl QueueState {
    fn new(overflow: Overflow) -> Self {
        let store: Box<dyn Store> = match overflow {
            Overflow::KeepLatest => Box::new(Latest::default()),
            Overflow::DropNewest => Box::new(Backlog::new(DropPolicy::Newest)),
            Overflow::Block | Overflow::DropOldest => Box::new(Backlog::new(DropPolicy::Oldest)),
        };
        Self {
            store,
            next_number: EntryNumber::default(),
            closed: false,
            wake: false,
            #[cfg(unix)]
            readiness: None,
        }
    }

    #[cfg(unix)]
    fn set_readiness(&mut self, is_readable: bool) {
        if let Some(readiness) = &mut self.readiness {
            readiness.set(is_readable);
        }
    }

    #[cfg(not(unix))]
    fn set_readiness(&mut self, _is_readable: bool) {}
}

impl Queue {
    /// Makes the keys of the staged batches and inserts them. This runs user code, so the caller holds no lock. Returns
    /// whether the consumer must be [woken](Self::notify).
    pub fn take_in(&self, context: CallContext) -> (bool, Result<(), UserCodeError>) {
        let Some(keyed) = &self.keyed else { return (true, Ok(())) };
        let (mut must_notify, mut outcome) = (false, Ok(()));
        while let Some(batch) = keyed.begin() {
            let (entries, result) = keyed.entries(context, &batch);
            if result == Err(UserCodeError::Forked) {
                return (false, result);
            }
            outcome = outcome.and(result);
            must_notify |= self.insert(entries);
            keyed.end();
            // The reader may wait for room among the staged batches.
            let _ = self.room.try_send(());
            if self.finish() {
                self.notify_end();
            }
        }
        (must_notify, outcome)
    }
}
