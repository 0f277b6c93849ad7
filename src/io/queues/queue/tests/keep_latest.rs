//! Queues that keep the latest event of each name, as games need for positions.

use super::*;
use crate::{
    Event,
    io::guard::{fork::ForkGuard, user_code::CallContext},
};

fn context() -> CallContext {
    CallContext::new(ForkGuard::current())
}

/// Events by their channel, name and sender.
fn events(room: &Arc<Intent>, events: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
    for (name, user) in events {
        batch.push_text(slot, name, *user, "");
    }
    batch
}

#[test]
fn h4_only_the_newest_event_of_a_name_waits_in_its_own_place() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let (room, other) = (Intent::of_channel(2, "room"), Intent::of_channel(3, "other"));
    fill(&queue, events(&room, &[("a", None), ("b", None), ("a", None)]));
    fill(&queue, events(&other, &[("a", None)]));
    fill(&queue, events(&room, &[("b", None), ("c", None)]));
    assert_eq!(queue.len(), 4);
    assert_eq!(drain(&queue), ["a", "a", "b", "c"]);
    assert_eq!((queue.superseded(), queue.dropped()), (2, 0));
    fill(&queue, events(&room, &[("a", None)]));
    assert_eq!(drain(&queue), ["a"], "an event that was taken is not superseded");
    assert_eq!(queue.superseded(), 2);
}

#[test]
fn h4_players_do_not_supersede_each_other() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "presence-room");
    fill(&queue, events(&room, &[("moved", Some("1")), ("moved", Some("2")), ("moved", Some("1")), ("moved", None)]));
    assert_eq!((queue.len(), queue.superseded()), (3, 1));
}

#[test]
fn h4_state_changes_and_other_notices_are_not_superseded() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "room");
    let mut batch = events(&room, &[("", None)]);
    state_change(&mut batch);
    state_change(&mut batch);
    let slot = batch.slot(0).expect("an event");
    batch.push_platform_event(slot, "", "", Notification::CacheMiss { channel: room.name().clone() });
    fill(&queue, batch);
    assert_eq!((queue.len(), queue.superseded()), (4, 0));
}

#[test]
fn h4_with_too_many_names_the_oldest_are_dropped_and_reported() {
    let (queue, _) = queue(3, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "room");
    let mut batch = events(&room, &[("a", None), ("b", None)]);
    state_change(&mut batch);
    fill(&queue, batch);
    fill(&queue, events(&room, &[("c", None), ("d", None)]));
    assert_eq!((queue.len(), queue.dropped()), (3, 2));
    assert_eq!(drain(&queue), ["lagged 2", "state", "c", "d"]);
}

#[test]
fn h4_the_bytes_are_bounded_and_a_small_event_does_not_hold_its_neighbours() {
    let (queue, _) = queue(usize::MAX, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "room");
    let mut batch = Batch::default();
    let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
    for name in 0..40 {
        batch.push_text(slot, &name.to_string(), None, &"x".repeat(1 << 20));
    }
    batch.push_text(slot, "small", None, "");
    fill(&queue, batch);
    assert_eq!((queue.len() + queue.dropped() as usize, queue.superseded()), (41, 0));
    assert!((15..=17).contains(&queue.len()), "{}", queue.len());
    let last = std::iter::from_fn(|| queue.try_pop().ok()).last();
    assert!(matches!(last, Some(Item::Entry(small, 0)) if small.bytes() < 1_000));
    assert_eq!(queue.state.lock().store.counts().bytes, 0);
}

#[test]
fn h4_a_returned_event_is_superseded_by_one_that_came_meanwhile() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "room");
    fill(&queue, events(&room, &[("a", None), ("b", None)]));
    let unused = take_one(&queue);
    fill(&queue, events(&room, &[("a", None)]));
    put_back(&queue, unused);
    assert_eq!((drain(&queue), queue.superseded()), (vec!["b".to_owned(), "a".to_owned()], 1));
    fill(&queue, events(&room, &[("a", None), ("b", None)]));
    let unused = take_one(&queue);
    put_back(&queue, unused);
    assert_eq!(drain(&queue), ["a", "b"]);
}

#[test]
fn h4_client_events_without_a_sender_supersede_nothing() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Intent::of_channel(2, "presence-room");
    let moved = ("client-moved", None);
    fill(&queue, events(&room, &[moved, moved, ("client-moved", Some("1"))]));
    fill(&queue, events(&room, &[moved, ("client-moved", Some("1")), ("moved", None), ("moved", None)]));
    assert_eq!((queue.len(), queue.superseded()), (5, 2));
    let unused = take_one(&queue);
    fill(&queue, events(&room, &[moved]));
    put_back(&queue, unused);
    assert_eq!((queue.len(), queue.superseded()), (6, 2), "nor does a returned event");
    drain(&queue);
    assert_eq!(queue.state.lock().store.counts().bytes, 0);
}

/// A queue with keys from this closure.
fn keyed(capacity: usize, key_of: impl Fn(&Event) -> Option<String> + Send + Sync + 'static) -> Queue {
    let options = QueueOptions { key_of: Some(Arc::new(key_of)), ..QueueOptions::new(capacity, Overflow::KeepLatest) };
    Queue::new(options, bounded(1).0)
}

/// Fills the queue as a delivery does.
fn deliver(queue: &Queue, batch: Batch) -> bool {
    queue.push(&Arc::new(batch)) && queue.take_in(context()).1.is_ok()
}

#[test]
fn h4_a_key_from_the_program_counts_across_names_and_channels() {
    // The key is the end of the name: `a1` and `b1` have the same key.
    let queue = keyed(10, |event| event.name().strip_prefix(['a', 'b']).map(str::to_owned));
    let (room, other) = (Intent::of_channel(2, "room"), Intent::of_channel(3, "other"));
    assert!(deliver(&queue, events(&room, &[("a1", None), ("a2", None), ("c", None), ("b1", None)])));
    assert!(deliver(&queue, events(&other, &[("b2", Some("7")), ("c", None), ("client-x", None)])));
    assert!(deliver(&queue, events(&room, &[("c", None), ("client-x", None)])));
    assert_eq!(queue.superseded(), 3);
    let unused = take_one(&queue);
    assert!(deliver(&queue, events(&room, &[("a1", None)])));
    put_back(&queue, unused);
    assert_eq!(queue.superseded(), 4, "a returned event, too");
    assert_eq!(
        drain(&queue),
        ["b2", "c", "client-x", "c", "client-x", "a1"],
        "without a key, the rule of the queue counts"
    );
    assert_eq!((queue.superseded(), queue.dropped()), (4, 0));
    assert_eq!(queue.state.lock().store.counts().bytes, 0);
}

#[test]
fn h2_a_closure_that_panics_is_reported_and_not_run_again() {
    let queue = keyed(10, |event| if event.name() == "bad" { panic!("on purpose") } else { Some("same".to_owned()) });
    let room = Intent::of_channel(2, "room");
    assert!(deliver(&queue, events(&room, &[("a", None), ("b", None)])));
    assert!(!deliver(&queue, events(&room, &[("bad", None), ("c", None)])));
    assert!(deliver(&queue, events(&room, &[("d", None), ("d", None)])));
    assert_eq!(drain(&queue), ["b", "bad", "c", "d"]);
}

#[test]
fn h4_staged_events_are_delivered_although_the_queue_was_closed_meanwhile() {
    let queue = keyed(10, |event| Some(event.name().to_owned()));
    let room = Intent::of_channel(2, "room");
    assert!(queue.push(&Arc::new(events(&room, &[("a", None)]))));
    queue.close();
    assert!(!queue.is_closed(), "an event is still staged");
    assert!(queue.take_in(context()).1.is_ok() && !queue.push(&Arc::new(events(&room, &[("b", None)]))));
    assert_eq!(drain(&queue), ["a"]);
    assert!(queue.is_closed());
}

#[test]
fn h1_a_closure_may_deliver_to_its_own_queue() {
    let room = Intent::of_channel(2, "room");
    let queue = Arc::new_cyclic(|queue: &std::sync::Weak<Queue>| {
        let (queue, room) = (queue.clone(), Arc::clone(&room));
        keyed(10, move |event| {
            if let Some(queue) = queue.upgrade().filter(|_| event.name() == "first") {
                // Another thread, or this one, delivers while keys are being made.
                assert!(queue.push(&Arc::new(events(&room, &[("second", None)]))) && !queue.take_in(context()).0);
            }
            Some(event.name().to_owned())
        })
    });
    assert!(deliver(&queue, events(&room, &[("first", None)])));
    assert_eq!(drain(&queue), ["first", "second"]);
}
