//! Rules T, as far as the session decides.

use super::*;
use crate::{
    event::Place,
    sync::atomic::{AtomicUsize, Ordering},
};

fn client_event(room: &Arc<Interest>, taken: &Arc<AtomicUsize>) -> ClientEvent {
    let place = Place::take(taken, 10).expect("a free place");
    let (name, text) = ("client-e".into(), "the message".to_owned());
    ClientEvent { channel: Arc::clone(room), epoch: room.epoch(), name, size: 7, text, place }
}

/// Sends a client event of this name.
pub(super) fn triggers(s: &mut Scenario, room: &Arc<Interest>, name: &str) {
    triggers_sized(s, room, name, 7);
}

pub(super) fn triggers_sized(s: &mut Scenario, room: &Arc<Interest>, name: &str, size: usize) {
    let event = client_event(room, &Arc::default());
    s.input(Input::Trigger(ClientEvent { name: name.into(), size, ..event }));
}

pub(super) fn in_private_room() -> (Scenario, Arc<Interest>) {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.answer("private-room", private()).receive(&succeeded("private-room"));
    s.forget();
    (s, room)
}

#[test]
fn t2_a_client_event_goes_out_as_it_was_made() {
    let ((mut s, room), taken) = (in_private_room(), Arc::default());
    s.input(Input::Trigger(client_event(&room, &taken)));
    assert_eq!(s.sent(), ["the message"]);
    assert_eq!(taken.load(Ordering::SeqCst), 0, "its place is free again");
}

#[test]
fn t1_what_cannot_be_sent_any_more_is_reported() {
    let ((mut s, room), taken) = (in_private_room(), Arc::default());
    let event = client_event(&room, &taken);
    s.forgets(&room).input(Input::Trigger(event));
    assert!(matches!(s.errors()[..], [Error::NotSubscribed { .. }]));

    let (mut s, room) = in_private_room();
    s.session.handle(Input::Trigger(client_event(&room, &taken)), s.now);
    s.lose();
    assert!(s.sent().is_empty());
    assert!(matches!(s.errors()[..], [Error::NotSubscribed { .. }]), "nothing is sent on another connection");
}

#[test]
fn t1_nothing_is_sent_on_a_channel_after_its_unsubscribe() {
    let ((mut s, room), taken) = (in_private_room(), Arc::default());
    s.session.handle(Input::Trigger(client_event(&room, &taken)), s.now);
    s.forgets(&room);
    assert_eq!(s.sent(), [unsubscribe("private-room")]);
    assert!(matches!(s.errors()[..], [Error::NotSubscribed { .. }]));
}

#[test]
fn t2_a_later_4301_is_reported_and_answers_no_subscription() {
    let (mut s, _room) = in_private_room();
    s.wants(3, "room");
    s.receive(r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#);
    assert!(matches!(s.errors()[..], [Error::Server { code: Some(4301), .. }]));
}

#[test]
fn t2_a_close_1009_is_blamed_on_the_largest_client_event_of_the_last_five_seconds() {
    let too_large = |s: &Scenario| {
        s.errors()
            .into_iter()
            .filter_map(|error| match error {
                Error::ClientEventTooLarge { size, limit: 0 } => Some(*size),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let (mut s, room) = in_private_room();
    triggers_sized(&mut s, &room, "client-a", 10_240);
    s.pass(5 * SECOND);
    for size in [9_000, 9_960, 10] {
        triggers_sized(&mut s, &room, "client-a", size);
    }
    s.pass(5 * SECOND - Duration::from_millis(1)).close(1009);
    assert_eq!(too_large(&s), [9_960]);
    assert_eq!(s.states(), [Reconnecting]);

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-a");
    s.pass(5 * SECOND).close(1009);
    assert!(too_large(&s).is_empty(), "too long ago");

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-a");
    s.close(1000);
    assert!(too_large(&s).is_empty());
    s.reconnect().close(1009);
    assert!(too_large(&s).is_empty(), "nothing was sent on this connection");
}

#[test]
fn t2_what_is_known_of_sent_client_events_is_bounded() {
    let (mut s, room) = in_private_room();
    for _ in 0..10_000 {
        triggers(&mut s, &room, "client-a");
        s.outputs.clear();
    }
    let refusal = r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#;
    for _ in 0..1025 {
        s.receive(refusal);
    }
    let of_events = s.errors().into_iter().filter(|error| matches!(error, Error::ClientEventRefused { .. })).count();
    assert_eq!(of_events, 1024);
}
