//! A bounded queue of notifications that says what it does when it is full.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::backlog::Backlog;
pub(crate) use super::backlog::{Item, Segment, Taken};
use crate::{
    config::Overflow,
    event::Batch,
    sync::{
        Condvar, Mutex, Sender,
        atomic::{AtomicUsize, Ordering},
        bounded,
    },
};

/// The second bound, beside the number of notifications: what a queue holds is at most this, whatever the events' size.
const MAX_BYTES: usize = 16 << 20;

/// One consumer's queue. It is filled with whole batches and emptied one notification, or one batch, at a time.
///
/// Pushing never blocks. With [`Overflow::Block`] it is the reader that asks [`has_room`](Self::has_room) before it reads
/// on, so that a queue is exceeded by one burst of the socket at most.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    capacity: usize,
    overflow: Overflow,
    /// Told when room is made in a queue that was full.
    room: Sender<()>,
    /// The number of waiting notifications, readable without the lock: a game loop asks sixty times a second.
    len: AtomicUsize,
}

#[derive(Default)]
struct State {
    backlog: Backlog,
    closed: bool,
    /// The consumer is to return although nothing may wait.
    wake: bool,
}

/// Why a queue hands out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing waits.
    Empty,
    /// Nothing waits, and nothing will come any more.
    Closed,
    /// Nothing waits, but the consumer was called by [`Queue::wake`].
    Woken,
}

impl Queue {
    pub(crate) fn new(capacity: usize, overflow: Overflow, room: Sender<()>) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), capacity, overflow, room, len: AtomicUsize::new(0) }
    }

    /// One that never holds anything.
    pub(crate) fn closed() -> Self {
        let (nobody, _) = bounded(0);
        let queue = Self::new(1, Overflow::DropNewest, nobody);
        queue.close();
        queue
    }

    /// Takes a batch in, and drops by the policy what there is no room for.
    pub(crate) fn push(&self, batch: &Arc<Batch>) {
        if batch.len() == 0 {
            return;
        }
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.backlog.push(batch);
        let drop_one = match self.overflow {
            Overflow::Block => None,
            Overflow::DropOldest => Some(Backlog::drop_oldest as fn(&mut Backlog) -> bool),
            Overflow::DropNewest => Some(Backlog::drop_newest as fn(&mut Backlog) -> bool),
        };
        if let Some(drop_one) = drop_one {
            while self.is_exceeded(&state.backlog) && drop_one(&mut state.backlog) {}
        }
        self.len.store(state.backlog.waiting(), Ordering::Release);
        drop(state);
        // All, because several threads may share a receiver, and a batch may hold something for each of them.
        self.filled.notify_all();
    }

    fn is_exceeded(&self, backlog: &Backlog) -> bool {
        // A single notification is kept, however large it is, because otherwise it could never be delivered.
        backlog.len() > self.capacity || (backlog.bytes() > MAX_BYTES && backlog.len() > 1)
    }

    fn is_full(&self, backlog: &Backlog) -> bool {
        backlog.len() >= self.capacity || backlog.bytes() >= MAX_BYTES
    }

    /// False while the producer has to wait before it reads on.
    pub(crate) fn has_room(&self) -> bool {
        if self.overflow != Overflow::Block || self.len.load(Ordering::Acquire) == 0 {
            return true;
        }
        let state = self.state.lock();
        state.closed || !self.is_full(&state.backlog)
    }

    /// The next notification, if one waits.
    pub(crate) fn try_pop(&self) -> Result<Item, Nothing> {
        self.hand_out(&mut self.state.lock(), Backlog::pop)
    }

    /// The next notification for which `pick` has a use; waits for it so long at most, or for ever.
    pub(crate) fn pop_within<T>(
        &self,
        time: Option<Duration>,
        mut pick: impl FnMut(Item) -> Option<T>,
    ) -> Result<T, Nothing> {
        // A time that no clock can reach is for ever.
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            if let Some(picked) = pick(self.pop_until(deadline)?) {
                return Ok(picked);
            }
        }
    }

    fn pop_until(&self, deadline: Option<Instant>) -> Result<Item, Nothing> {
        let mut state = self.state.lock();
        loop {
            match self.hand_out(&mut state, Backlog::pop) {
                Err(Nothing::Empty) => {}
                result => return result,
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) if self.filled.wait_until(&mut state, deadline).timed_out() => {
                    return self.hand_out(&mut state, Backlog::pop);
                }
                Some(_) => {}
            }
        }
    }

    /// All that is left of the oldest batch; waits for it.
    pub(crate) fn take(&self) -> Result<Taken, Nothing> {
        let mut state = self.state.lock();
        loop {
            match self.hand_out(&mut state, Backlog::take) {
                Err(Nothing::Empty) => self.filled.wait(&mut state),
                result => return result,
            }
        }
    }

    /// All that is left of the oldest batch, if there is one.
    pub(crate) fn try_take(&self) -> Result<Taken, Nothing> {
        self.hand_out(&mut self.state.lock(), Backlog::take)
    }

    fn hand_out<T>(&self, state: &mut State, from: impl FnOnce(&mut Backlog) -> Option<T>) -> Result<T, Nothing> {
        let was_full = self.is_full(&state.backlog);
        let item = from(&mut state.backlog);
        self.len.store(state.backlog.waiting(), Ordering::Release);
        if was_full && !self.is_full(&state.backlog) {
            let _ = self.room.try_send(());
        }
        item.ok_or_else(|| state.nothing())
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().backlog.dropped()
    }

    /// Nothing more is taken in. What waits is still handed out.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    /// Makes the consumer return, also when nothing waits.
    pub(crate) fn wake(&self) {
        self.state.lock().wake = true;
        self.filled.notify_all();
    }
}

impl State {
    fn nothing(&mut self) -> Nothing {
        match std::mem::take(&mut self.wake) {
            _ if self.closed => Nothing::Closed,
            true => Nothing::Woken,
            false => Nothing::Empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ConnectionState, ConnectionStateChange, Notification,
        event::Interest,
        sync::{Receiver, bounded},
    };

    fn events(names: std::ops::Range<u32>) -> Batch {
        let room = Interest::new(1, "room");
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room, room.epoch());
        for name in names {
            batch.push_text(slot, &name.to_string(), None, "");
        }
        batch
    }

    fn state_change(batch: &mut Batch) {
        batch.push_notice(Notification::ConnectionStateChange(ConnectionStateChange {
            previous: ConnectionState::Disconnected,
            current: ConnectionState::Connecting,
            cause: None,
            attempt: 1,
            retry_in: None,
        }));
    }

    fn queue(capacity: usize, overflow: Overflow) -> (Queue, Receiver<()>) {
        let (room, made) = bounded(1);
        (Queue::new(capacity, overflow, room), made)
    }

    /// Everything that waits: names of events, `state`, `lagged n`.
    fn drain(queue: &Queue) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(item) = queue.try_pop() {
            seen.push(match item {
                Item::Lagged(count) => format!("lagged {count}"),
                Item::Entry(batch, index) if batch.notice(index).is_some() => "state".to_owned(),
                Item::Entry(batch, index) => batch.name(index).to_owned(),
            });
        }
        assert_eq!(queue.len(), 0);
        seen
    }

    #[test]
    fn h4_drop_oldest_tells_the_loss_where_it_happened() {
        let (queue, _) = queue(3, Overflow::DropOldest);
        queue.push(&Arc::new(events(0..2)));
        queue.push(&Arc::new(events(2..7)));
        assert_eq!((queue.len(), queue.dropped()), (3, 4));
        assert_eq!(drain(&queue), ["lagged 4", "4", "5", "6"]);
    }

    #[test]
    fn h4_drop_newest_tells_the_loss_where_it_happened() {
        let (queue, _) = queue(3, Overflow::DropNewest);
        queue.push(&Arc::new(events(0..2)));
        queue.push(&Arc::new(events(2..7)));
        queue.push(&Arc::new(events(7..9)));
        assert_eq!(queue.dropped(), 6);
        assert!(matches!(queue.try_pop(), Ok(Item::Entry(..))));
        queue.push(&Arc::new(events(9..10)));
        assert_eq!(drain(&queue), ["1", "2", "lagged 6", "9"]);
    }

    #[test]
    fn h4_state_changes_are_kept_before_events_in_both_policies() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            let (queue, _) = queue(2, overflow);
            let mut batch = events(0..3);
            state_change(&mut batch);
            queue.push(&Arc::new(batch));
            let mut batch = Batch::default();
            state_change(&mut batch);
            queue.push(&Arc::new(batch));
            let seen = drain(&queue);
            assert_eq!(seen.iter().filter(|entry| *entry == "state").count(), 2, "{overflow:?}: {seen:?}");
            assert!(seen.contains(&"lagged 3".to_owned()), "{overflow:?}: {seen:?}");
        }
    }

    #[test]
    fn h4_even_state_changes_go_when_nothing_else_is_left() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            let (queue, _) = queue(5, overflow);
            for _ in 0..100 {
                let mut batch = Batch::default();
                state_change(&mut batch);
                queue.push(&Arc::new(batch));
            }
            assert_eq!(queue.dropped(), 95);
            let seen = drain(&queue);
            assert_eq!(seen, ["lagged 95", "state", "state", "state", "state", "state"], "{overflow:?}");
        }
    }

    #[test]
    fn h4_delivered_and_dropped_are_what_was_received() {
        for (overflow, capacity) in [(Overflow::DropOldest, 1), (Overflow::DropOldest, 7), (Overflow::DropNewest, 5)] {
            let (queue, _) = queue(capacity, overflow);
            let (mut pushed, mut popped, mut lagged) = (0u64, 0u64, 0u64);
            for round in 0..500u32 {
                let batch = events(0..round % 11);
                pushed += u64::from(round % 11);
                queue.push(&Arc::new(batch));
                for _ in 0..round % 4 {
                    match queue.try_pop() {
                        Ok(Item::Entry(..)) => popped += 1,
                        Ok(Item::Lagged(count)) => lagged += count,
                        Err(_) => {}
                    }
                }
            }
            while let Ok(item) = queue.try_pop() {
                match item {
                    Item::Entry(..) => popped += 1,
                    Item::Lagged(count) => lagged += count,
                }
            }
            assert_eq!(popped + lagged, pushed, "{overflow:?}");
            assert_eq!(lagged, queue.dropped());
        }
    }

    #[test]
    fn h4_the_bytes_are_bounded_too() {
        let (queue, _) = queue(usize::MAX, Overflow::DropOldest);
        let room = Interest::new(1, "room");
        let data = "x".repeat(1 << 20);
        for _ in 0..100 {
            let mut batch = Batch::default();
            let slot = batch.add_channel(&room, room.epoch());
            batch.push_text(slot, "e", None, &data);
            queue.push(&Arc::new(batch));
        }
        assert_eq!(queue.dropped() as usize + queue.len(), 100);
        assert!(queue.len() <= 17);
    }

    #[test]
    fn h4_the_bytes_of_errors_count() {
        let (queue, _) = queue(usize::MAX, Overflow::DropOldest);
        for _ in 0..100_000 {
            let mut batch = Batch::default();
            batch.push_notice(Notification::Error(Arc::new(crate::Error::Disconnected)));
            queue.push(&Arc::new(batch));
        }
        assert_eq!(queue.dropped() as usize + queue.len(), 100_000);
        assert!(queue.len() <= MAX_BYTES / 1024);
    }

    #[test]
    fn h4_of_a_batch_that_is_too_large_as_much_as_fits_is_kept() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            let (queue, _) = queue(usize::MAX, overflow);
            let room = Interest::new(2, "room");
            let mut batch = Batch::default();
            let slot = batch.add_channel(&room, room.epoch());
            let data = "x".repeat(1 << 20);
            for _ in 0..40 {
                batch.push_text(slot, "e", None, &data);
            }
            queue.push(&Arc::new(batch));
            assert!((9..=16).contains(&queue.len()), "{overflow:?}: {}", queue.len());
            assert_eq!(queue.dropped() as usize + queue.len(), 40);
            while queue.try_pop().is_ok() {}
            assert_eq!(queue.state.lock().backlog.bytes(), 0);
        }
    }

    #[test]
    fn everybody_who_waits_gets_something_of_one_batch() {
        for _ in 0..100 {
            let (queue, _) = queue(10, Overflow::Block);
            std::thread::scope(|scope| {
                let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| queue.pop_within(None, Some).is_ok())).collect();
                queue.push(&Arc::new(events(0..3)));
                assert!(waiting.into_iter().all(|waiting| waiting.join().expect("no panic")));
            });
        }
    }

    #[test]
    fn h4_a_queue_that_blocks_tells_when_there_is_room_again() {
        let (queue, made) = queue(2, Overflow::Block);
        queue.push(&Arc::new(events(0..3)));
        assert!(!queue.has_room());
        assert!(made.try_recv().is_err());
        assert!(queue.try_pop().is_ok());
        assert!(!queue.has_room());
        assert!(queue.try_pop().is_ok());
        assert!(queue.has_room());
        assert!(made.try_recv().is_ok());
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_takes_nothing_in() {
        let (queue, _) = queue(10, Overflow::Block);
        queue.push(&Arc::new(events(0..1)));
        queue.close();
        queue.push(&Arc::new(events(1..2)));
        assert_eq!(drain(&queue), ["0"]);
        assert_eq!(queue.try_pop().err(), Some(Nothing::Closed));
        assert_eq!(queue.pop_within(None, Some).err(), Some(Nothing::Closed));
        assert_eq!(queue.take().err(), Some(Nothing::Closed));
    }

    #[test]
    fn a_whole_batch_is_taken_at_once() {
        let (queue, made) = queue(2, Overflow::Block);
        queue.push(&Arc::new(events(0..3)));
        assert!(matches!(queue.try_pop(), Ok(Item::Entry(_, 0))));
        match queue.take() {
            Ok(Taken::Segment(segment)) => assert_eq!(segment.entries().collect::<Vec<_>>(), [1, 2]),
            other => panic!("{other:?}"),
        }
        assert!(queue.has_room() && made.try_recv().is_ok());
        queue.wake();
        assert_eq!(queue.take().err(), Some(Nothing::Woken));
        assert_eq!(queue.try_take().err(), Some(Nothing::Empty));
    }
}
