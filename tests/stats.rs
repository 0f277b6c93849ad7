//! The counters of a client.

mod support;

use std::sync::mpsc;

use pusher_channels::{ConnectionState, Pusher, Stats, testing::Fault};
use support::{PATIENCE, connected, eventually, next_state, quick, server, subscribed};

#[test]
fn nothing_is_counted_before_the_first_connection() {
    let server = server();
    assert_eq!(Pusher::new(server.config()).stats(), Stats::default());
}

#[test]
fn attempts_reconnects_and_connections_are_counted() {
    let server = server();
    for _ in 0..2 {
        server.push_fault(Fault::DropAfterUpgrade);
    }
    let pusher = Pusher::new(quick(&server));
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    next_state(&receiver, ConnectionState::Connected);
    let stats = pusher.stats();
    assert_eq!((stats.attempts, stats.reconnect_attempts, stats.connections), (3, 2, 1));
    pusher.disconnect();
    pusher.connect().expect("accepted");
    let stats = pusher.stats();
    assert_eq!(
        (stats.attempts, stats.reconnect_attempts, stats.connections),
        (4, 2, 2),
        "a call of connect is not a reconnect"
    );
}

#[test]
fn the_last_close_has_its_code_and_its_reason() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let lose = |lose: &dyn Fn() -> usize| {
        lose();
        next_state(&receiver, ConnectionState::Reconnecting);
        let stats = pusher.stats();
        next_state(&receiver, ConnectionState::Connected);
        assert!(server.wait_for_connections(1, PATIENCE));
        (stats.last_close_code, stats.last_close_reason)
    };
    let closed = lose(&|| server.close_all(4200, "please reconnect"));
    assert_eq!(closed, (Some(4200), "please reconnect".to_owned()));
    let (code, reason) = lose(&|| server.drop_all());
    assert_eq!(code, None);
    assert!(reason.starts_with("connection lost: "), "{reason}");
    pusher.disconnect();
    assert_eq!(pusher.stats().last_close_reason, reason, "a disconnect is not a close");
}

#[test]
fn an_attempt_that_is_refused_with_a_code_is_a_close_and_one_without_is_not() {
    let server = server();
    let pusher = connected(&server);
    server.stop_listening();
    server.close_all(4100, "full");
    eventually("another attempt fails", || pusher.stats().attempts > 2);
    assert_eq!(pusher.stats().last_close_code, Some(4100));

    let unknown = Pusher::new(server.config());
    unknown.connect().expect_err("the server does not listen");
    assert_eq!(unknown.stats().last_close_reason, "");
}

#[test]
fn messages_in_both_directions_are_counted() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let before = pusher.stats();
    assert_eq!((before.messages, before.messages_sent), (2, 1), "two confirmations, and the subscribe");
    for n in 0..10 {
        server.trigger("room", "e", &n);
    }
    eventually("all events are read", || pusher.stats().events == 10);
    assert_eq!(pusher.stats().messages, before.messages + 10);
}

#[test]
fn the_round_trip_of_a_ping_is_measured() {
    let server = server();
    let pusher = connected(&server);
    assert_eq!(pusher.stats().ping_round_trip, None);
    pusher.reconnect_now();
    eventually("the pong arrives", || pusher.stats().ping_round_trip.is_some());
    assert!(pusher.stats().ping_round_trip.is_some_and(|time| time < PATIENCE));
}

#[test]
fn the_notifications_that_wait_for_handlers_are_counted() {
    let server = server();
    let pusher = connected(&server);
    let room = subscribed(&pusher, "room");
    let (go_on, wait) = mpsc::channel::<()>();
    room.bind("e", move |_| {
        let _ = wait.recv_timeout(PATIENCE);
    });
    for n in 0..5 {
        server.trigger("room", "e", &n);
    }
    // Notifications that the dispatch thread has taken are not in the queue.
    eventually("the first is handled", || pusher.stats().events == 5);
    server.trigger("room", "e", "later");
    eventually("the event is queued", || pusher.stats().queue_depth > 0);
    drop(go_on);
    eventually("the queue is empty", || pusher.stats().queue_depth == 0);
}

#[test]
fn bytes_in_both_directions_are_counted_with_their_frames() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let before = pusher.stats();
    let sent: usize = server.received().iter().map(|message| message.text.len()).sum();
    // The client has sent at least the upgrade request, the mask of a frame, and the message.
    assert!(before.bytes_sent > 100 + sent as u64, "{before:?}");
    assert!(before.bytes_received > 100, "{before:?}");
    server.trigger("room", "e", &"x".repeat(100_000));
    eventually("the event is read", || pusher.stats().events == 1);
    let received = pusher.stats().bytes_received - before.bytes_received;
    assert!((100_000..101_000).contains(&received), "{received}");
}
