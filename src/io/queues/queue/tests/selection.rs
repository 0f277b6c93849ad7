//! Receivers of one channel, or of some kinds.

use super::*;
use crate::{NotificationKind, event::Kinds};

/// Events of two channels in turn, with a state change among them.
fn mixed(rooms: &[Arc<Intent>; 2]) -> Arc<Batch> {
    let mut batch = Batch::default();
    let slots = rooms.each_ref().map(|room| batch.slot_of(&room.stamp(), &mut ChannelSlot::default()));
    for name in 0..6_usize {
        batch.push_text(slots[name % 2], &name.to_string(), Some("7"), "data");
        if name == 2 {
            state_change(&mut batch);
        }
    }
    Arc::new(batch)
}

fn queue_for(channel: Option<Arc<Intent>>, kinds: Kinds) -> Queue {
    let selection = Selection::new(channel, kinds);
    Queue::new(QueueOptions { selection, ..QueueOptions::new(10, Overflow::DropOldest) }, bounded(1).0)
}

#[test]
fn a_queue_of_a_channel_accepts_only_entries_of_that_channel() {
    let rooms = [Intent::of_channel(2, "a"), Intent::of_channel(3, "b")];
    let queue = queue_for(Some(Arc::clone(&rooms[1])), Kinds::ALL);
    assert!(!queue.push(&mixed(&rooms)));
    assert_eq!((drain(&queue), queue.dropped()), (vec!["1".to_owned(), "3".to_owned(), "5".to_owned()], 0));
}

#[test]
fn a_queue_of_some_kinds_accepts_only_those() {
    let rooms = [Intent::of_channel(2, "a"), Intent::of_channel(3, "b")];
    let queue = queue_for(None, Kinds::of([NotificationKind::ConnectionStateChange]));
    assert!(!queue.push(&mixed(&rooms)) && !queue.push(&Arc::new(events(0..3))));
    assert_eq!(drain(&queue), ["state"]);
}

#[test]
fn selected_entries_keep_their_texts_and_hold_no_others() {
    let rooms = [Intent::of_channel(2, "a"), Intent::of_channel(3, "b")];
    let whole = mixed(&rooms);
    let queue = queue_for(Some(Arc::clone(&rooms[0])), Kinds::ALL);
    assert!(!queue.push(&whole));
    let batch = Arc::clone(take_one(&queue).batch());
    assert!(batch.len() == 3 && batch.bytes() < whole.bytes());
    let last = (batch.name(2), batch.data(2), batch.user_id(2), batch.channel_name(batch.slot(2).expect("one")));
    assert_eq!((last.0, last.1, last.2, last.3.as_str()), ("4", "data", Some("7"), "a"));
}
