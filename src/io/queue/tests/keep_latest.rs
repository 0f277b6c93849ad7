//! What a game wants of positions.

use super::*;

/// Events by their channel, name and sender.
fn events(room: &Arc<Interest>, events: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    let slot = batch.add_channel(room, room.epoch());
    for (name, user) in events {
        batch.push_text(slot, name, *user, "");
    }
    batch
}

#[test]
fn h4_only_the_newest_event_of_a_name_waits_in_its_own_place() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let (room, other) = (Interest::new(2, "room"), Interest::new(3, "other"));
    fill(&queue, events(&room, &[("a", None), ("b", None), ("a", None)]));
    fill(&queue, events(&other, &[("a", None)]));
    fill(&queue, events(&room, &[("b", None), ("c", None)]));
    assert_eq!(queue.len(), 4);
    assert_eq!(drain(&queue), ["a", "a", "b", "c"]);
    assert_eq!((queue.superseded(), queue.dropped()), (2, 0));
    fill(&queue, events(&room, &[("a", None)]));
    assert_eq!(drain(&queue), ["a"], "what was taken is not superseded any more");
    assert_eq!(queue.superseded(), 2);
}

#[test]
fn h4_players_do_not_supersede_each_other() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Interest::new(2, "presence-room");
    fill(&queue, events(&room, &[("moved", Some("1")), ("moved", Some("2")), ("moved", Some("1")), ("moved", None)]));
    assert_eq!((queue.len(), queue.superseded()), (3, 1));
}

#[test]
fn h4_state_changes_and_other_notices_are_not_superseded() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Interest::new(2, "room");
    let mut batch = events(&room, &[("", None)]);
    state_change(&mut batch);
    state_change(&mut batch);
    let slot = batch.slot(0).expect("an event");
    batch.push_platform_event(slot, "", "", Notification::CacheMiss { channel: room.name().clone() });
    fill(&queue, batch);
    assert_eq!((queue.len(), queue.superseded()), (4, 0));
}

#[test]
fn h4_when_there_are_too_many_names_the_oldest_go_and_are_told() {
    let (queue, _) = queue(3, Overflow::KeepLatest);
    let room = Interest::new(2, "room");
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
    let room = Interest::new(2, "room");
    let mut batch = Batch::default();
    let slot = batch.add_channel(&room, room.epoch());
    for name in 0..40 {
        batch.push_text(slot, &name.to_string(), None, &"x".repeat(1 << 20));
    }
    batch.push_text(slot, "small", None, "");
    fill(&queue, batch);
    assert_eq!((queue.len() + queue.dropped() as usize, queue.superseded()), (41, 0));
    assert!((15..=17).contains(&queue.len()), "{}", queue.len());
    let last = std::iter::from_fn(|| queue.try_pop().ok()).last();
    assert!(matches!(last, Some(Item::Entry(small, 0)) if small.bytes() < 1_000));
    assert_eq!(queue.state.lock().held.bytes(), 0);
}

#[test]
fn h4_what_is_put_back_yields_to_what_came_meanwhile() {
    let (queue, _) = queue(10, Overflow::KeepLatest);
    let room = Interest::new(2, "room");
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
