//! Rules T, as far as the session decides.

use super::*;
use crate::{
    event::Place,
    sync::atomic::{AtomicUsize, Ordering},
};

fn client_event(room: &Arc<Interest>, taken: &Arc<AtomicUsize>) -> ClientEvent {
    let place = Place::take(taken, 10).expect("a free place");
    ClientEvent { channel: Arc::clone(room), epoch: room.epoch(), text: "the message".to_owned(), place }
}

fn in_private_room() -> (Scenario, Arc<Interest>) {
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
