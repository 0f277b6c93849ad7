//! Rules S, R8 and R12: the intents for channels, and the subscriptions that follow.

use super::*;

#[test]
fn r8_every_wanted_channel_is_subscribed_exactly_once_on_each_connection() {
    let mut s = Scenario::new();
    let rooms: Vec<_> = (2..=20).map(|id| s.wants(id, &format!("room-{id}"))).collect();
    s.connect_background().establish();
    let expected: Vec<_> = rooms.iter().map(|room| subscribe(room.name())).collect();
    assert_eq!(s.sent(), expected);
    for room in &rooms {
        s.receive(&succeeded(room.name()));
    }
    s.forget();
    s.lose().reconnect();
    assert_eq!(s.sent(), expected);
}

#[test]
fn r8_messages_of_an_older_socket_are_dropped() {
    let (mut s, _room) = Scenario::subscribed("room");
    let old = s.session.generation;
    s.lose().reconnect();
    s.receive(&succeeded("room"));
    s.forget();
    s.input(Input::Socket(old, FromSocket::Text(&event("room", "stale"))));
    s.input(Input::Socket(old, FromSocket::Ended(Ending::Lost(Error::lost("stale")))));
    s.input(Input::Socket(old, FromSocket::DialFailed(Error::lost("stale"))));
    assert!(s.notifications.is_empty());
    assert_eq!(s.states(), []);
}

#[test]
fn r12_a_gap_is_announced_before_the_first_event() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.lose();
    let lost = s.now;
    s.reconnect();
    s.forget();
    s.pass(2 * SECOND).receive(&event("room", "too early")).receive(&succeeded("room")).receive(&event("room", "x"));
    assert_eq!(s.successes(), [(true, Some(s.now - lost))]);
    assert_eq!(s.events(), [("e", "x")], "nothing before the confirmation");
}

#[test]
fn r12_a_subscription_that_the_program_makes_is_never_a_resubscription() {
    let (mut s, room) = Scenario::subscribed("room");
    s.lose();
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).reconnect().receive(&succeeded("room"));
    assert_eq!(s.successes(), [(false, None)]);
}

#[test]
fn s1_intents_count_in_every_state() {
    let mut s = Scenario::new();
    let room = s.wants(11, "room");
    s.connect_background().withdraws(&room).establish();
    assert!(s.sent().is_empty());
}

#[test]
fn s2_unsubscribing_while_pending_wins_at_once() {
    let mut s = Scenario::connected();
    let room = s.wants(11, "room");
    s.withdraws(&room).receive(&succeeded("room")).receive(&event("room", "x"));
    assert_eq!(s.sent(), [subscribe("room"), unsubscribe("room")]);
    assert!(s.notifications.is_empty());
    s.forget();
    s.lose().reconnect();
    assert!(s.sent().is_empty(), "it does not come back");
}

#[test]
fn s2_subscribe_unsubscribe_subscribe_ends_subscribed() {
    let mut s = Scenario::connected();
    let room = s.wants(11, "room");
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).receive(&succeeded("room"));
    assert_eq!(s.sent(), [subscribe("room"), unsubscribe("room"), subscribe("room")]);
    assert_eq!(s.successes().len(), 1);
}

#[test]
fn s2_merged_intents_end_subscribed_too() {
    let (mut s, room) = Scenario::subscribed("room");
    room.withdraw();
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    assert_eq!(s.sent(), [unsubscribe("room"), subscribe("room")]);
}

#[test]
fn s2_subscribing_twice_is_one_subscription() {
    let mut s = Scenario::connected();
    let room = s.wants(11, "room");
    s.input(Input::IntentChanges(vec![change_of(&room)]))
        .receive(&succeeded("room"))
        .input(Input::IntentChanges(vec![change_of(&room)]));
    assert_eq!(s.sent(), [subscribe("room")]);
}

#[test]
fn s5_the_time_in_which_nothing_is_read_does_not_count() {
    let mut s = Scenario::connected();
    s.wants(11, "room");
    s.pass(29 * SECOND).socket(FromSocket::Paused);
    s.pass(300 * SECOND).socket(FromSocket::Resumed);
    s.pass(SECOND - Duration::from_millis(1));
    assert!(s.errors().is_empty(), "{:?}", s.errors());
    s.pass(Duration::from_millis(1));
    assert!(matches!(s.errors()[..], [Error::SubscriptionTimeout { .. }]));
}

#[test]
fn s5_a_subscription_that_is_not_answered_times_out() {
    let mut s = Scenario::connected();
    let room = s.wants(11, "room");
    s.pass(29 * SECOND).receive(r#"{"event":"pusher:pong"}"#).pass(SECOND);
    assert!(matches!(s.errors()[..], [Error::SubscriptionTimeout { .. }]));
    assert_eq!(s.sent(), [subscribe("room"), unsubscribe("room")]);
    s.forget();
    s.receive(&succeeded("room"));
    assert!(s.notifications.is_empty(), "too late");
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    assert_eq!(s.sent(), [subscribe("room")], "subscribing again tries again");
}

#[test]
fn s6_a_refusal_reaches_its_channel() {
    let refusals = [
        r#"{"event":"pusher:subscription_error","channel":"room","data":{"type":"AuthError","error":"no","status":401}}"#,
        r#"{"event":"pusher_internal:subscription_error","channel":"room"}"#,
        r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#,
    ];
    for refusal in refusals {
        let mut s = Scenario::connected();
        s.wants(11, "room");
        s.receive(refusal);
        assert!(matches!(s.errors()[..], [Error::SubscriptionRefused { .. }]), "{refusal}");
        s.forget();
        s.lose().reconnect();
        assert_eq!(s.sent(), [subscribe("room")], "a reconnect tries again");
    }
}

#[test]
fn s6_an_error_without_a_channel_refuses_neither_of_two_requests() {
    let mut s = Scenario::connected();
    s.wants(11, "a");
    s.wants(2, "b");
    s.receive(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#);
    s.receive(&succeeded("a")).receive(&succeeded("b"));
    assert_eq!(s.successes().len(), 2);
    assert!(matches!(s.errors()[..], [Error::Server { code: Some(4009), .. }]));
}

#[test]
fn s6_4301_and_errors_with_a_channel_answer_no_subscription() {
    let mut s = Scenario::connected();
    s.wants(11, "room");
    s.receive(r#"{"event":"pusher:error","data":{"code":4301,"message":"rate"}}"#);
    s.receive(r#"{"event":"pusher:error","channel":"x","data":{"code":4009,"message":"large"}}"#);
    assert!(s.errors().iter().all(|error| matches!(error, Error::Server { .. })));
}

#[test]
fn s7_a_channel_that_needs_an_authorizer_fails_without_one() {
    let mut s = Scenario::without_authorizer();
    s.wants(2, "private-room");
    assert!(matches!(s.errors()[..], [Error::NoAuthorizer { .. }]), "at once, although there is no connection");
    s.forget();
    s.connect_background().establish();
    assert!(s.sent().is_empty() && s.errors().is_empty(), "and reported once");
}

#[test]
fn s8_an_unexpected_message_is_counted_and_ignored() {
    let mut s = Scenario::connected();
    for n in 0..1000 {
        s.receive(&succeeded(&format!("room-{n}")));
        s.receive(&event(&format!("room-{n}"), "x"));
    }
    s.receive(r#"{"event":"pusher:unknown","data":{}}"#);
    s.receive(r#"{"event":"pusher_internal:member_added","channel":"presence-x","data":"{}"}"#);
    s.receive(r#"{"event":"pusher:no-channel"}"#);
    assert!(s.notifications.is_empty());
    assert_eq!(s.session.counters.ignored, 2003);
}

#[test]
fn s8_an_application_event_without_a_channel_is_the_clients() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.receive(&event("room", "1"));
    s.receive(r#"{"event":"notice","data":"2"}"#);
    s.receive(r#"{"event":"client-notice","channel":null,"data":{"a":3}}"#);
    s.receive(r#"{"event":"offline","data":"4"}"#).receive(&event("room", "5"));
    assert_eq!(
        s.events(),
        [("e", "1"), ("notice", "2"), ("client-notice", r#"{"a":3}"#), ("offline", "4"), ("e", "5")]
    );
    let channels = s.notifications.iter().filter_map(|notification| match notification {
        Notification::Event(event) => Some(event.channel()),
        _ => None,
    });
    assert_eq!(channels.collect::<Vec<_>>(), [Some("room"), None, None, None, Some("room")]);
    assert_eq!((s.session.counters.events, s.session.counters.ignored), (5, 0));
}

#[test]
fn s8_platform_names_and_changes_of_the_watchlist_without_a_channel_are_no_application_events() {
    let mut s = Scenario::connected();
    for name in ["pusher:notice", "pusher_internal:notice", "pusher_internal:member_added", "pusher:cache_miss"] {
        s.receive(&format!(r#"{{"event":"{name}","data":"x"}}"#));
    }
    s.receive(r#"{"event":"online","data":{"user_ids":["a"]}}"#);
    assert!(s.notifications.is_empty(), "no user is signed in");
    assert_eq!(s.session.counters.ignored, 5);
}

#[test]
fn r5_an_application_event_without_a_channel_is_no_confirmation() {
    let mut s = Scenario::new();
    s.connect_background().upgrade().receive(r#"{"event":"notice","data":"1"}"#);
    assert!(s.events().is_empty());
    assert!(matches!(s.changes().last().and_then(|c| c.cause.as_deref()), Some(Error::UnexpectedFirstMessage { .. })));
}

#[test]
fn s8_a_client_event_with_a_platform_name_is_an_application_event() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.receive(r#"{"event":"client-pusher_internal:subscription_succeeded","channel":"room","data":"x"}"#);
    assert_eq!(s.events(), [("client-pusher_internal:subscription_succeeded", "x")]);
}
