//! A bounded queue of notifications that says what it does when it is full.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use parking_lot::{Condvar, Mutex};

use crate::{Notification, config::Overflow, event::Batch};

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
    segments: VecDeque<Segment>,
    len: usize,
    bytes: usize,
    dropped: u64,
    /// Dropped, and not yet told, at the front and at the back of the queue.
    lost_first: u64,
    lost_last: u64,
    closed: bool,
    /// Somebody waits for the queue to be filled, or must be called although it is empty.
    wake: bool,
}

/// What is left of one batch.
#[derive(Debug)]
pub(crate) struct Segment {
    batch: Arc<Batch>,
    next: usize,
    /// The entries outside this range are dropped, unless they must be kept.
    live: Range<usize>,
    /// How many notifications were dropped between this segment and the one before.
    lost_before: u64,
}

/// What a queue hands out.
#[derive(Debug)]
pub(crate) enum Item {
    /// One entry of a batch.
    Entry(Arc<Batch>, usize),
    /// So many were dropped here.
    Lagged(u64),
}

/// What a queue hands out to a consumer that takes whole batches.
#[derive(Debug)]
pub(crate) enum Taken {
    Segment(Segment),
    Lagged(u64),
}

impl Taken {
    /// How many notifications that is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.entries().count(),
            Self::Lagged(_) => 1,
        }
    }
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

    /// Takes a batch in, and drops by the policy what there is no room for.
    pub(crate) fn push(&self, batch: &Arc<Batch>) {
        if batch.len() == 0 {
            return;
        }
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.push(batch);
        match self.overflow {
            Overflow::Block => {}
            Overflow::DropOldest => state.drop_while(|state| self.exceeded(state), State::drop_oldest),
            Overflow::DropNewest => state.drop_while(|state| self.exceeded(state), State::drop_newest),
        }
        self.len.store(state.waiting(), Ordering::Release);
        drop(state);
        self.filled.notify_one();
    }

    fn exceeded(&self, state: &State) -> bool {
        state.len > self.capacity || state.bytes > MAX_BYTES
    }

    /// False while the producer has to wait before it reads on.
    pub(crate) fn has_room(&self) -> bool {
        if self.overflow != Overflow::Block || self.len.load(Ordering::Acquire) == 0 {
            return true;
        }
        let state = self.state.lock();
        state.closed || !self.is_full(&state)
    }

    fn is_full(&self, state: &State) -> bool {
        state.len >= self.capacity || state.bytes >= MAX_BYTES
    }

    /// The next notification, if one waits.
    pub(crate) fn try_pop(&self) -> Result<Item, Nothing> {
        if self.len.load(Ordering::Acquire) == 0 {
            // The lock is needed only to tell an empty queue from a closed one.
            let state = self.state.lock();
            if state.waiting() == 0 {
                return Err(if state.closed { Nothing::Closed } else { Nothing::Empty });
            }
        }
        self.pop(&mut self.state.lock())
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
            match self.pop(&mut state) {
                Err(Nothing::Empty) => {}
                result => return result,
            }
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) if self.filled.wait_until(&mut state, deadline).timed_out() => {
                    return self.pop(&mut state);
                }
                Some(_) => {}
            }
        }
    }

    /// All that is left of the oldest batch; waits for it.
    pub(crate) fn take(&self) -> Result<Taken, Nothing> {
        let mut state = self.state.lock();
        loop {
            match self.hand_out(&mut state, State::take) {
                Err(Nothing::Empty) => self.filled.wait(&mut state),
                result => return result,
            }
        }
    }

    /// All that is left of the oldest batch, if there is one.
    pub(crate) fn try_take(&self) -> Result<Taken, Nothing> {
        self.hand_out(&mut self.state.lock(), State::take)
    }

    fn pop(&self, state: &mut State) -> Result<Item, Nothing> {
        self.hand_out(state, State::pop)
    }

    fn hand_out<T>(
        &self,
        state: &mut State,
        from: impl FnOnce(&mut State) -> Result<T, Nothing>,
    ) -> Result<T, Nothing> {
        let was_full = self.is_full(state);
        let item = from(state);
        self.len.store(state.waiting(), Ordering::Release);
        if was_full && !self.is_full(state) {
            let _ = self.room.try_send(());
        }
        item
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
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
    fn push(&mut self, batch: &Arc<Batch>) {
        let lost_before = std::mem::take(&mut self.lost_last);
        self.segments.push_back(Segment { batch: Arc::clone(batch), next: 0, live: 0..batch.len(), lost_before });
        self.len += batch.len();
        self.bytes += batch.bytes();
    }

    /// How many notifications wait. A report of a loss counts only when nothing else waits, so that a queue that has
    /// something to hand out is never empty.
    fn waiting(&self) -> usize {
        self.len.max(usize::from(self.lost_first > 0 || self.lost_last > 0))
    }

    fn pop(&mut self) -> Result<Item, Nothing> {
        while let Some(segment) = self.segments.front_mut() {
            if let Some(lost) = lost(&mut self.lost_first, segment) {
                return Ok(Item::Lagged(lost));
            }
            let Some(index) = segment.entries().next() else {
                self.finish_front();
                continue;
            };
            segment.next = index + 1;
            self.len -= 1;
            let batch = Arc::clone(&segment.batch);
            if segment.is_spent() {
                self.finish_front();
            }
            return Ok(Item::Entry(batch, index));
        }
        self.lost_at_the_end().map(Item::Lagged)
    }

    fn take(&mut self) -> Result<Taken, Nothing> {
        if let Some(segment) = self.segments.front_mut() {
            if let Some(lost) = lost(&mut self.lost_first, segment) {
                return Ok(Taken::Lagged(lost));
            }
        }
        match self.segments.pop_front() {
            Some(segment) => {
                self.bytes -= segment.batch.bytes();
                self.len -= segment.entries().count();
                Ok(Taken::Segment(segment))
            }
            None => self.lost_at_the_end().map(Taken::Lagged),
        }
    }

    fn lost_at_the_end(&mut self) -> Result<u64, Nothing> {
        match std::mem::take(&mut self.lost_first) + std::mem::take(&mut self.lost_last) {
            0 if self.closed => Err(Nothing::Closed),
            0 if std::mem::take(&mut self.wake) => Err(Nothing::Woken),
            0 => Err(Nothing::Empty),
            lost => Ok(lost),
        }
    }

    fn finish_front(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.bytes -= segment.batch.bytes();
        }
    }

    fn drop_while(&mut self, exceeded: impl Fn(&Self) -> bool, drop_one: impl Fn(&mut Self) -> bool) {
        while exceeded(self) && drop_one(self) {}
    }

    /// Drops the oldest entry that may be dropped; when there is none, the oldest of all. False when nothing is left.
    fn drop_oldest(&mut self) -> bool {
        let Some(found) = self.segments.iter().position(Segment::has_droppable) else { return self.drop_front() };
        let segment = &mut self.segments[found];
        segment.drop_first();
        segment.lost_before += 1;
        self.len -= 1;
        self.dropped += 1;
        if segment.is_spent() {
            self.remove(found);
        }
        true
    }

    /// Even state changes go when nothing else is left, because a consumer that never looks must not cost ever more.
    fn drop_front(&mut self) -> bool {
        match self.pop() {
            Ok(Item::Entry(..)) => {
                self.lost_first += 1;
                self.dropped += 1;
                true
            }
            Ok(Item::Lagged(lost)) => {
                // Reports of losses merge with the loss that is about to be added.
                let more = self.drop_front();
                self.lost_first += lost;
                more
            }
            Err(_) => false,
        }
    }

    /// Drops the newest entry that may be dropped; when there is none, the oldest of all.
    fn drop_newest(&mut self) -> bool {
        let Some(found) = self.segments.iter().rposition(Segment::has_droppable) else { return self.drop_front() };
        self.segments[found].drop_last();
        self.len -= 1;
        self.dropped += 1;
        match self.segments.get_mut(found + 1) {
            Some(after) => after.lost_before += 1,
            None => self.lost_last += 1,
        }
        if self.segments[found].is_spent() {
            self.remove(found);
        }
        true
    }

    /// Removes a segment of which nothing is left; what was lost is told where it stood.
    fn remove(&mut self, found: usize) {
        let Some(segment) = self.segments.remove(found) else { return };
        self.bytes -= segment.batch.bytes();
        match self.segments.get_mut(found) {
            Some(after) => after.lost_before += segment.lost_before,
            None => self.lost_last += segment.lost_before,
        }
    }
}

impl Segment {
    pub(crate) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The entries that are still to be handed out.
    pub(crate) fn entries(&self) -> impl Iterator<Item = usize> {
        let kept = |range: Range<usize>| range.filter(|index| is_kept(&self.batch, *index));
        let live = self.live.start.max(self.next)..self.live.end.max(self.next);
        kept(self.next..live.start).chain(live.clone()).chain(kept(live.end..self.batch.len()))
    }

    /// The entries that may be dropped and have neither been dropped nor handed out.
    fn droppable(&self) -> impl DoubleEndedIterator<Item = usize> {
        let range = self.live.start.max(self.next)..self.live.end;
        range.filter(|index| !is_kept(&self.batch, *index))
    }

    fn has_droppable(&self) -> bool {
        self.droppable().next().is_some()
    }

    fn drop_first(&mut self) {
        let first = self.droppable().next();
        self.live.start = first.map_or(self.live.end, |index| index + 1);
    }

    fn drop_last(&mut self) {
        let last = self.droppable().next_back();
        self.live.end = last.unwrap_or(self.live.start);
    }

    /// Nothing of the batch will be handed out any more.
    fn is_spent(&self) -> bool {
        self.entries().next().is_none()
    }
}

/// The loss that is to be told before the next entry of the first segment, if there is one.
fn lost(lost_first: &mut u64, segment: &mut Segment) -> Option<u64> {
    let lost = std::mem::take(lost_first) + std::mem::take(&mut segment.lost_before);
    (lost > 0).then_some(lost)
}

/// State changes are not dropped before anything else.
fn is_kept(batch: &Batch, index: usize) -> bool {
    matches!(batch.notice(index), Some(Notification::ConnectionStateChange(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ConnectionState, ConnectionStateChange,
        event::{EventText, Interest},
    };

    fn events(names: Range<u32>) -> Batch {
        let room = Interest::new(1, "room");
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room, room.epoch());
        for name in names {
            batch.push_event(slot, EventText { name: &name.to_string(), data: "", user_id: None });
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

    fn queue(capacity: usize, overflow: Overflow) -> (Queue, crossbeam_channel::Receiver<()>) {
        let (room, made) = crossbeam_channel::bounded(1);
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
            batch.push_event(slot, EventText { name: "e", data: &data, user_id: None });
            queue.push(&Arc::new(batch));
        }
        assert_eq!(queue.dropped() as usize + queue.len(), 100);
        assert!(queue.len() <= 17);
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
