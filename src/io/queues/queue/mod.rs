//! A bounded queue of notifications that says what it does when it is full.

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

#[cfg(unix)]
use crate::io::transport::readiness::Readiness;

use crate::{
    config::Overflow,
    event::Batch,
    io::guard::user_code::{CallContext, UserCodeError},
    sync::{
        Condvar, Mutex, Sender,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        bounded,
    },
};
use backlog::{Backlog, Drops};
use keyed::Keyed;
use latest::Latest;
use store::{Counts, Store};
use waker::Waker;

pub(crate) use keyed::KeyOf;
pub(crate) use segment::{Segment, Step};
pub(crate) use selection::Selection;
pub(crate) use store::{Item, Nothing, Taken};
pub(crate) use waker::WakeUp;

/// The second bound, beside the number of notifications: what a queue holds is at most this, whatever the events' size.
const MAX_BYTES: usize = 16 << 20;

/// One consumer's queue. It is filled with whole batches and emptied one notification, or one batch, at a time.
///
/// Pushing never blocks. With [`Overflow::Block`] it is the reader that asks [`has_room`](Self::has_room) before it reads
/// on, so that a queue is exceeded at most by one burst of the socket, and by what its consumer puts back.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    capacity: usize,
    overflow: Overflow,
    selection: Selection,
    /// With keys of the program's own.
    keyed: Option<Keyed>,
    waker: Waker,
    /// Told when room is made in a queue that was full.
    room: Sender<()>,
    /// The number of waiting notifications, readable without the lock: a game loop asks sixty times a second.
    len: AtomicUsize,
    /// How many consumers may give something back. While there are any, the end has not come.
    takers: AtomicUsize,
    /// Nothing more is taken in.
    is_shut: AtomicBool,
}

/// What a queue is like.
pub(crate) struct Traits {
    pub capacity: usize,
    pub overflow: Overflow,
    pub selection: Selection,
    pub wake_up: Option<WakeUp>,
    /// With [`Overflow::KeepLatest`], keys of the program's own.
    pub key_of: Option<KeyOf>,
}

impl Traits {
    /// One that takes everything in, and wakes nobody but those who wait.
    pub fn new(capacity: usize, overflow: Overflow) -> Self {
        Self { capacity, overflow, selection: Selection::everything(), wake_up: None, key_of: None }
    }
}

struct QueueState {
    held: Box<dyn Store>,
    /// The number after that of the last entry that came.
    next_number: u64,
    closed: bool,
    /// The consumer is to return although nothing may wait.
    wake: bool,
    #[cfg(unix)]
    readiness: Option<Readiness>,
}

impl Queue {
    pub fn new(traits: Traits, room: Sender<()>) -> Self {
        let Traits { capacity, overflow, selection, wake_up, key_of } = traits;
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

    /// One that never holds anything.
    pub fn closed() -> Self {
        let (nobody, _) = bounded(0);
        let queue = Self::new(Traits::new(1, Overflow::DropNewest), nobody);
        queue.close();
        queue
    }

    /// Takes a batch in, and drops by the policy what there is no room for. True when the rest is to be
    /// [taken in](Self::take_in), and then the consumer [woken](Self::notify), without a lock.
    #[must_use]
    pub fn push(&self, batch: &Arc<Batch>) -> bool {
        let Some(part) = self.selection.part_of(batch) else { return false };
        let Some(keyed) = &self.keyed else { return self.put_in([part]) };
        let state = self.state.lock();
        if state.closed {
            return false;
        }
        // As long as it is staged, the end has not come.
        self.begin_taking();
        keyed.stage(part);
        true
    }

    /// True when the consumer is to be woken. Batches that were staged before the end are taken in after it.
    fn put_in(&self, batches: impl IntoIterator<Item = Arc<Batch>>) -> bool {
        let mut state = self.state.lock();
        if state.closed && self.keyed.is_none() {
            return false;
        }
        for batch in batches {
            state.next_number = batch.next_number();
            state.held.push(batch);
        }
        self.drop_excess(&mut state);
        self.changed(&mut state);
        drop(state);
        // All, because several threads may share a receiver, and a batch may hold something for each of them.
        self.filled.notify_all();
        self.waker.must_notify()
    }

    fn drop_excess(&self, state: &mut QueueState) {
        while self.overflow != Overflow::Block && self.is_exceeded(state.held.counts()) && state.held.drop_one() {}
    }

    fn is_exceeded(&self, held: &Counts) -> bool {
        // A single notification is kept, however large it is, because otherwise it could never be delivered.
        held.len > self.capacity || (held.bytes > MAX_BYTES && held.len > 1)
    }

    fn is_full(&self, held: &Counts) -> bool {
        held.len >= self.capacity || held.bytes >= MAX_BYTES
    }

    /// What waits has changed: those who look without the lock see it.
    fn changed(&self, state: &mut QueueState) {
        let waiting = state.held.waiting();
        self.len.store(waiting, Ordering::SeqCst);
        state.show_readiness(waiting > 0 || self.is_over(state));
    }

    /// Whether nothing waits, and nothing will come any more.
    fn is_over(&self, state: &QueueState) -> bool {
        state.closed && self.takers.load(Ordering::SeqCst) == 0 && state.held.waiting() == 0
    }

    /// False while the producer has to wait before it reads on.
    pub fn has_room(&self) -> bool {
        if self.keyed.as_ref().is_some_and(|keyed| keyed.is_full(self.capacity, MAX_BYTES)) {
            return false;
        }
        if self.overflow != Overflow::Block || self.len() == 0 {
            return true;
        }
        let state = self.state.lock();
        state.closed || !self.is_full(state.held.counts())
    }

    /// The next notification, if one waits.
    pub fn try_pop(&self) -> Result<Item, Nothing> {
        self.hand_out(&mut self.state.lock(), |held| held.pop())
    }

    /// The next notification for which `pick` has a use; waits for it so long at most, or for ever.
    pub fn pop_within<T>(&self, time: Option<Duration>, mut pick: impl FnMut(Item) -> Option<T>) -> Result<T, Nothing> {
        // A time that no clock can reach is for ever.
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            if let Some(picked) = pick(self.wait(deadline, |held| held.pop())?) {
                return Ok(picked);
            }
        }
    }

    /// All that is left of the oldest batch; waits for it.
    pub fn take(&self) -> Result<Taken, Nothing> {
        self.wait(None, |held| held.take())
    }

    fn wait<T>(&self, deadline: Option<Instant>, from: fn(&mut dyn Store) -> Option<T>) -> Result<T, Nothing> {
        let mut state = self.state.lock();
        loop {
            match self.hand_out(&mut state, from) {
                Err(Nothing::Empty) => {}
                result => return result,
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) if self.filled.wait_until(&mut state, deadline).timed_out() => {
                    return self.hand_out(&mut state, from);
                }
                Some(_) => {}
            }
        }
    }

    fn hand_out<T>(&self, state: &mut QueueState, from: fn(&mut dyn Store) -> Option<T>) -> Result<T, Nothing> {
        let was_full = self.is_full(state.held.counts());
        let item = from(&mut *state.held);
        self.changed(state);
        self.notify_room(was_full, state);
        item.ok_or_else(|| match std::mem::take(&mut state.wake) {
            _ if self.is_over(state) => Nothing::Closed,
            true => Nothing::Woken,
            false => Nothing::Empty,
        })
    }

    /// Tells a producer that waits.
    fn notify_room(&self, was_full: bool, state: &QueueState) {
        if was_full && !self.is_full(state.held.counts()) {
            let _ = self.room.try_send(());
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// The number of the next entry that comes; `None` while earlier ones wait.
    pub fn next_number(&self) -> Option<u64> {
        let state = self.state.lock();
        (state.held.waiting() == 0).then_some(state.next_number)
    }

    pub fn is_closed(&self) -> bool {
        self.is_over(&self.state.lock())
    }

    pub fn dropped(&self) -> u64 {
        self.state.lock().held.counts().dropped
    }

    pub fn superseded(&self) -> u64 {
        self.state.lock().held.counts().superseded
    }

    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// A consumer is about to look: from here on it is woken again. Returns how many looks there have been.
    pub fn look(&self) -> usize {
        self.waker.look()
    }

    /// Whether somebody has to be woken who has looked since, and found nothing because it was taken.
    pub fn must_notify_again(&self, since: usize) -> bool {
        self.waker.must_notify_again(since)
    }

    /// Wakes the consumer. That is user code, so it is done without a lock.
    pub fn notify(&self, context: CallContext) -> Result<(), UserCodeError> {
        self.waker.notify(context)
    }

    /// From here on nobody is woken, and no key asked for. Returns the closures, to be dropped without a lock.
    pub fn take_down_closures(&self) -> impl Sized + use<> {
        (self.waker.disarm(), self.keyed.as_ref().map(Keyed::disarm))
    }

    /// Nobody consumes any more. From here on nothing is taken in, and nobody woken. Returns the closures, to be dropped without
    /// a lock.
    pub fn abandon(&self) -> impl Sized + use<> {
        let closures = self.take_down_closures();
        self.close();
        closures
    }

    /// Nothing more is taken in. What waits is still handed out.
    pub fn close(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        {
            let mut state = self.state.lock();
            state.closed = true;
            self.changed(&mut state);
        }
        self.filled.notify_all();
    }

    /// Makes the consumer return, also when nothing waits.
    pub fn wake(&self) {
        self.state.lock().wake = true;
        self.filled.notify_all();
    }

    /// A descriptor that is readable while something waits, or nothing will come any more.
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
        let held: Box<dyn Store> = match overflow {
            Overflow::KeepLatest => Box::new(Latest::default()),
            Overflow::DropNewest => Box::new(Backlog::new(Drops::Newest)),
            Overflow::Block | Overflow::DropOldest => Box::new(Backlog::new(Drops::Oldest)),
        };
        Self {
            held,
            next_number: 0,
            closed: false,
            wake: false,
            #[cfg(unix)]
            readiness: None,
        }
    }

    #[cfg(unix)]
    fn show_readiness(&mut self, is_readable: bool) {
        if let Some(readiness) = &mut self.readiness {
            readiness.set(is_readable);
        }
    }

    #[cfg(not(unix))]
    fn show_readiness(&mut self, _is_readable: bool) {}
}

impl Queue {
    /// Takes in the staged batches. That runs user code, so it is done without a lock. True when the consumer is to be
    /// [woken](Self::notify).
    pub fn take_in(&self, context: CallContext) -> (bool, Result<(), UserCodeError>) {
        let Some(keyed) = &self.keyed else { return (true, Ok(())) };
        let (mut must_notify, mut outcome) = (false, Ok(()));
        while let Some(batch) = keyed.begin() {
            let (entries, result) = keyed.entries(context, &batch);
            if result == Err(UserCodeError::Forked) {
                return (false, result);
            }
            outcome = outcome.and(result);
            must_notify |= self.put_in(entries);
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
