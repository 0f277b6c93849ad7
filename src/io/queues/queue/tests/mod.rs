//! The guarantees of queues, for each policy.

mod exactness;
mod keep_latest;
mod selection;

use std::collections::VecDeque;

use super::*;
use crate::{
    ConnectionState, ConnectionStateChange, Notification,
    event::{ChannelSlot, Intent},
    sync::{Receiver, bounded},
};

fn events(names: std::ops::Range<u32>) -> Batch {
    let room = Intent::of_channel(1, "room");
    let mut batch = Batch::default();
    let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
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
    (Queue::new(QueueOptions::new(capacity, overflow), room), made)
}

/// Fills a queue without a wake-up closure.
fn fill(queue: &Queue, batch: Batch) {
    assert!(!queue.push(&Arc::new(batch)));
}

/// All waiting notifications: names of events, `state`, `lagged n`.
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

fn taken(taken: Result<Taken, PopError>) -> Segment {
    match taken {
        Ok(Taken::Segment(segment)) => segment,
        other => panic!("{other:?}"),
    }
}

/// The oldest batch alone.
fn take_one(queue: &Queue) -> Segment {
    let mut into = VecDeque::new();
    queue.take_batches(1, &mut into);
    assert_eq!(into.len(), 1);
    taken(into.pop_front().ok_or(PopError::Empty))
}

fn put_back(queue: &Queue, segment: Segment) {
    queue.return_unused(&mut VecDeque::from([Taken::Segment(segment)]));
}

fn steps(segment: &mut Segment) -> Vec<Step> {
    std::iter::from_fn(|| segment.step()).collect()
}

#[test]
fn h4_drop_oldest_reports_the_loss_where_it_happened() {
    let (queue, _) = queue(3, Overflow::DropOldest);
    fill(&queue, events(0..2));
    fill(&queue, events(2..7));
    assert_eq!((queue.len(), queue.dropped()), (3, 4));
    assert_eq!(drain(&queue), ["lagged 4", "4", "5", "6"]);
}

#[test]
fn h4_drop_newest_reports_the_loss_where_it_happened() {
    let (queue, _) = queue(3, Overflow::DropNewest);
    fill(&queue, events(0..2));
    fill(&queue, events(2..7));
    fill(&queue, events(7..9));
    assert_eq!(queue.dropped(), 6);
    assert!(matches!(queue.try_pop(), Ok(Item::Entry(..))));
    fill(&queue, events(9..10));
    assert_eq!(drain(&queue), ["1", "2", "lagged 6", "9"]);
}

#[test]
fn h4_state_changes_are_kept_before_events_in_both_policies() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (queue, _) = queue(2, overflow);
        let mut batch = events(0..3);
        state_change(&mut batch);
        fill(&queue, batch);
        let mut batch = Batch::default();
        state_change(&mut batch);
        fill(&queue, batch);
        let seen = drain(&queue);
        assert_eq!(seen.iter().filter(|entry| *entry == "state").count(), 2, "{overflow:?}: {seen:?}");
        assert!(seen.contains(&"lagged 3".to_owned()), "{overflow:?}: {seen:?}");
    }
}

#[test]
fn h4_even_state_changes_are_dropped_when_nothing_else_is_left() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (queue, _) = queue(5, overflow);
        for _ in 0..100 {
            let mut batch = Batch::default();
            state_change(&mut batch);
            fill(&queue, batch);
        }
        assert_eq!(queue.dropped(), 95);
        let seen = drain(&queue);
        assert_eq!(seen, ["lagged 95", "state", "state", "state", "state", "state"], "{overflow:?}");
    }
}

#[test]
fn h4_delivered_and_dropped_notifications_are_the_received_ones() {
    for (overflow, capacity) in [(Overflow::DropOldest, 1), (Overflow::DropOldest, 7), (Overflow::DropNewest, 5)] {
        let (queue, _) = queue(capacity, overflow);
        let (mut pushed, mut popped, mut lagged) = (0u64, 0u64, 0u64);
        for round in 0..500u32 {
            let batch = events(0..round % 11);
            pushed += u64::from(round % 11);
            fill(&queue, batch);
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
    let room = Intent::of_channel(1, "room");
    let data = "x".repeat(1 << 20);
    for _ in 0..100 {
        let mut batch = Batch::default();
        let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
        batch.push_text(slot, "e", None, &data);
        fill(&queue, batch);
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
        fill(&queue, batch);
    }
    assert_eq!(queue.dropped() as usize + queue.len(), 100_000);
    assert!(queue.len() <= MAX_BYTES / 1024);
}

#[test]
fn h4_as_much_as_fits_of_a_too_large_batch_is_kept() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (queue, _) = queue(usize::MAX, overflow);
        let room = Intent::of_channel(2, "room");
        let mut batch = Batch::default();
        let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
        let data = "x".repeat(1 << 20);
        for _ in 0..40 {
            batch.push_text(slot, "e", None, &data);
        }
        fill(&queue, batch);
        assert!((9..=16).contains(&queue.len()), "{overflow:?}: {}", queue.len());
        assert_eq!(queue.dropped() as usize + queue.len(), 40);
        while queue.try_pop().is_ok() {}
        assert_eq!(queue.state.lock().store.counts().bytes, 0);
    }
}

#[test]
fn every_waiting_thread_gets_an_entry_of_one_batch() {
    for _ in 0..100 {
        let (queue, _) = queue(10, Overflow::Block);
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| queue.pop_within(None, Some).is_ok())).collect();
            fill(&queue, events(0..3));
            assert!(waiting.into_iter().all(|waiting| waiting.join().expect("no panic")));
        });
    }
}

#[test]
fn h4_a_queue_that_blocks_signals_when_there_is_room_again() {
    let (queue, made) = queue(2, Overflow::Block);
    fill(&queue, events(0..3));
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
fn a_closed_queue_delivers_its_contents_and_accepts_nothing() {
    let (queue, _) = queue(10, Overflow::Block);
    fill(&queue, events(0..1));
    queue.close();
    fill(&queue, events(1..2));
    assert_eq!(drain(&queue), ["0"]);
    assert_eq!(queue.try_pop().err(), Some(PopError::Closed));
    assert_eq!(queue.pop_within(None, Some).err(), Some(PopError::Closed));
    assert_eq!(queue.take().err(), Some(PopError::Closed));
}

#[test]
fn a_whole_batch_is_taken_at_once() {
    let (queue, made) = queue(2, Overflow::Block);
    fill(&queue, events(0..3));
    assert!(matches!(queue.try_pop(), Ok(Item::Entry(_, 0))));
    let mut segment = taken(queue.take());
    assert_eq!(steps(&mut segment), [Step::Entry(1), Step::Entry(2)]);
    assert!(queue.has_room() && made.try_recv().is_ok());
    queue.wake();
    assert_eq!(queue.take().err(), Some(PopError::Woken));
    assert_eq!(queue.take_batches(1, &mut VecDeque::new()), 0);
}

#[test]
fn h4_a_loss_is_reported_between_the_entries_around_it() {
    let (queue, _) = queue(3, Overflow::DropOldest);
    let mut batch = events(0..2);
    state_change(&mut batch);
    let slot = batch.slot(0).expect("the first is an event");
    for name in ["2", "3", "4"] {
        batch.push_text(slot, name, None, "");
    }
    fill(&queue, batch);
    assert_eq!(drain(&queue), ["lagged 2", "state", "lagged 1", "3", "4"]);
}

#[test]
fn h4_returned_entries_come_first_again() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest] {
        let (queue, _) = queue(5, overflow);
        fill(&queue, events(0..3));
        let mut segment = take_one(&queue);
        assert_eq!((segment.step(), queue.len()), (Some(Step::Entry(0)), 0));
        fill(&queue, events(3..5));
        put_back(&queue, segment);
        assert_eq!(queue.len(), 4, "{overflow:?}");
        assert_eq!(drain(&queue), ["1", "2", "3", "4"], "{overflow:?}");
    }
}

#[test]
fn h4_entries_returned_to_a_full_queue_are_dropped_by_its_policy() {
    let outcome = |overflow| {
        let (queue, _) = queue(3, overflow);
        fill(&queue, events(0..3));
        let segment = take_one(&queue);
        fill(&queue, events(3..6));
        put_back(&queue, segment);
        (drain(&queue), queue.dropped())
    };
    let texts = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
    assert_eq!(outcome(Overflow::DropOldest), (texts(["lagged 3", "3", "4", "5"]), 3));
    assert_eq!(outcome(Overflow::DropNewest), (texts(["0", "1", "2", "lagged 3"]), 3));
}
