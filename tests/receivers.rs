//! Rules H4 and S3 for receivers with options: the notifications that they get, their capacity, their end, and their
//! wake-ups.

mod support;

use std::{
    cell::OnceCell,
    sync::{Arc, OnceLock, mpsc},
    thread,
};

use pusher_channels::{
    Error, Notification, NotificationKind, Overflow, Pusher, Receiver, ReceiverOptions, TryRecvError,
    testing::TestServer,
};
use support::{PATIENCE, eventually, next, next_error, quick, room, server, subscribed, waits, with_manual_dispatch};

fn publish(server: &TestServer, events: impl IntoIterator<Item = (&'static str, usize)>) {
    for (name, data) in events {
        server.trigger("room", name, &data);
    }
}

/// A short text for a notification.
fn short(notification: &Notification) -> String {
    match notification {
        Notification::Event(event) => format!("{}{}", event.name(), event.data()),
        Notification::Lagged(count) => format!("lagged {count}"),
        Notification::MemberAdded(change) => format!("{} joined", change.member.id()),
        Notification::MemberRemoved(change) => format!("{} left", change.member.id()),
        Notification::SubscriptionSucceeded(succeeded) => format!("subscribed to {}", &*succeeded.channel),
        other => format!("{:?}", other.kind()),
    }
}

fn shorts(notifications: impl Iterator<Item = Notification>) -> Vec<String> {
    notifications.map(|notification| short(&notification)).collect()
}

/// Takes all notifications, and returns whether the receiver is closed.
fn is_closed(receiver: &Receiver) -> bool {
    let end = std::iter::repeat_with(|| receiver.try_recv()).find_map(Result::err);
    end == Some(TryRecvError::Closed)
}

#[test]
fn h4_each_receiver_has_a_capacity_and_a_policy_of_its_own() {
    let (server, pusher, _channel) = room();
    let options = |overflow| ReceiverOptions::new().capacity(2).overflow(overflow);
    let oldest = pusher.receiver_with(options(Overflow::DropOldest));
    let newest = pusher.receiver_with(options(Overflow::DropNewest));
    let all = pusher.receiver();
    publish(&server, (0..5).map(|n| ("e", n)));
    waits(&all, 5);
    assert_eq!(shorts(oldest.try_iter()), ["lagged 3", "e3", "e4"]);
    assert_eq!(shorts(newest.try_iter()), ["e0", "e1", "lagged 3"]);
    assert_eq!((oldest.dropped(), newest.dropped(), all.dropped()), (3, 3, 0));
    let none = pusher.receiver_with(ReceiverOptions::new().capacity(0));
    publish(&server, [("e", 5)]);
    assert_eq!(shorts(none.iter().take(1)), ["e5"], "the capacity is at least 1");
}

#[test]
fn a_receiver_of_a_channel_gets_only_notifications_of_that_channel() {
    let server = server();
    let config = |id: &str| quick(&server).secret(server.secret()).user_data(serde_json::json!({ "id": id }));
    let (pusher, other) = (Pusher::new(config("ann")), Pusher::new(config("bob")));
    let channel = pusher.channel("presence-room").expect("a valid name");
    let receiver = channel.receiver();
    pusher.connect().expect("accepted");
    channel.subscribe();
    subscribed(&pusher, "elsewhere");
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    let guest = subscribed(&other.connect().expect("accepted"), "presence-room");
    server.trigger("elsewhere", "e", "x");
    server.trigger("presence-room", "e", &7);
    guest.unsubscribe();
    assert!(server.wait_for_subscribers("presence-room", 1, PATIENCE));
    let seen = shorts(receiver.iter().take(4));
    assert_eq!(seen, ["subscribed to presence-room", "bob joined", "e7", "bob left"]);
    pusher.disconnect();
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Empty), "changes of state belong to no channel");
    drop((pusher, channel));
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
}

#[test]
fn a_receiver_gets_only_the_chosen_kinds() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let only = |kind| pusher.receiver_with(ReceiverOptions::new().only([kind]));
    let states = only(NotificationKind::ConnectionStateChange);
    let events = only(NotificationKind::Event);
    let nothing = pusher.receiver_with(ReceiverOptions::new().only([]));
    pusher.connect().expect("accepted");
    subscribed(&pusher, "room");
    publish(&server, [("e", 1)]);
    assert_eq!(shorts(events.iter().take(1)), ["e1"]);
    assert_eq!(shorts(states.try_iter()), ["ConnectionStateChange", "ConnectionStateChange"]);
    assert_eq!((nothing.len(), nothing.dropped()), (0, 0));
}

#[test]
fn an_error_of_the_decoder_is_a_failure_and_not_an_event() {
    let server = TestServer::builder().encryption_master_key([0; 32]).start().expect("a free port");
    let master_key = "A".repeat(43) + "=";
    let config = quick(&server).secret(server.secret()).encryption_master_key(master_key);
    let config = config.encrypted_data_decoder(|bytes| match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("good") => Ok(text.to_owned()),
        _ => Err("not good".to_owned()),
    });
    let pusher = Pusher::new(config).connect().expect("accepted");
    let channel = subscribed(&pusher, "private-encrypted-room");
    let only = |kind| channel.receiver_with(ReceiverOptions::new().only([kind]));
    let (events, failures) = (only(NotificationKind::Event), only(NotificationKind::DecryptionFailure));
    for data in ["bad", "good", "bad"] {
        server.trigger("private-encrypted-room", "e", data);
    }
    waits(&events, 3);
    assert_eq!(shorts(events.try_iter()), ["egood"]);
    waits(&failures, 3);
    assert_eq!(shorts(failures.try_iter()), ["DecryptionFailure", "DecryptionFailure"]);
}

#[test]
fn h4_keep_latest_keeps_the_newest_event_of_each_name() {
    let (server, pusher, channel) = room();
    let latest = channel.receiver_with(ReceiverOptions::new().overflow(Overflow::KeepLatest));
    let all = pusher.receiver();
    publish(&server, (0..100).flat_map(|n| [("x", n), ("y", n)]));
    waits(&all, 200);
    assert_eq!(shorts(latest.try_iter()), ["x99", "y99"]);
    assert_eq!((latest.superseded(), latest.dropped()), (198, 0));
    assert_eq!((pusher.stats().superseded, pusher.stats().dropped), (198, 0));
    publish(&server, [("x", 100)]);
    assert_eq!(shorts(latest.iter().take(1)), ["x100"]);
    drop(latest);
    assert_eq!(pusher.stats().superseded, 198, "the count outlives the receiver");
}

#[test]
fn h4_keep_latest_keeps_an_event_of_each_sender() {
    let (server, pusher, channel) = room();
    let latest = channel.receiver_with(ReceiverOptions::new().overflow(Overflow::KeepLatest));
    let all = pusher.receiver();
    for (user, position) in [("ann", 1), ("bob", 2), ("ann", 3)] {
        let event = serde_json::json!({"event": "client-moved", "channel": "room", "data": position, "user_id": user});
        server.send_raw(&event.to_string());
    }
    waits(&all, 3);
    assert_eq!(shorts(latest.try_iter()), ["client-moved2", "client-moved3"]);
}

/// Sockudo sends client events without `user_id`, so that the player is only in the data.
#[test]
fn h4_client_events_without_a_sender_are_superseded_only_by_a_key_of_the_program() {
    let (server, pusher, channel) = room();
    let latest = channel.receiver_with(ReceiverOptions::new().overflow(Overflow::KeepLatest));
    let by_player = channel.receiver_with(ReceiverOptions::new().keep_latest_by(|event| {
        let moved: Option<serde_json::Value> = event.json().ok();
        moved.and_then(|moved| Some(moved.get("player")?.as_str()?.to_owned()))
    }));
    let all = pusher.receiver();
    for (player, n) in [("ann", 1), ("bob", 2), ("cid", 3), ("ann", 4)] {
        let data = serde_json::json!({"player": player, "n": n});
        let event = serde_json::json!({"event": "client-moved", "channel": "room", "data": data});
        server.send_raw(&event.to_string());
    }
    waits(&all, 4);
    let numbers = |receiver: &Receiver| -> Vec<u64> {
        let events = receiver.try_iter().filter_map(|notification| match notification {
            Notification::Event(event) => event.json::<serde_json::Value>().ok()?["n"].as_u64(),
            _ => None,
        });
        events.collect()
    };
    waits(&by_player, 3);
    assert_eq!((numbers(&latest), latest.superseded()), (vec![1, 2, 3, 4], 0));
    assert_eq!((numbers(&by_player), by_player.superseded()), (vec![2, 3, 4], 1));
}

#[test]
fn h2_a_panic_in_a_key_is_reported_and_a_key_may_call_the_client() {
    let (server, pusher, channel) = room();
    let inside = pusher.clone();
    let receiver = channel.receiver_with(ReceiverOptions::new().keep_latest_by(move |event| {
        assert!(matches!(inside.connect(), Err(Error::WouldDeadlock { .. })));
        inside.dispatch();
        assert!(event.name() != "bad", "on purpose");
        Some(String::new())
    }));
    let all = pusher.receiver();
    publish(&server, [("a", 1), ("b", 2)]);
    waits(&receiver, 1);
    publish(&server, [("bad", 3), ("x", 4), ("x", 5)]);
    let reported = next(&all, |notification| match notification {
        Notification::Error(error) => Some(error.to_string()),
        _ => None,
    });
    assert!(reported.contains("keys"), "{reported}");
    waits(&receiver, 3);
    eventually("two are superseded", || receiver.superseded() == 2);
    assert_eq!(shorts(receiver.try_iter()), ["b2", "bad3", "x5"]);
    // The closure has a handle of its own client.
    drop(receiver);
}

#[test]
fn h4_handlers_may_keep_only_the_latest_event() {
    let server = server();
    let (pusher, channel) = with_manual_dispatch(quick(&server).overflow(Overflow::KeepLatest), "room");
    let (report, reports) = mpsc::channel();
    channel.bind_sender("e", report);
    let all = pusher.receiver_with(ReceiverOptions::new().overflow(Overflow::Block));
    publish(&server, (0..10).map(|n| ("e", n)));
    waits(&all, 10);
    assert_eq!(pusher.dispatch(), 1);
    assert_eq!(reports.try_iter().map(|event| event.data().to_owned()).collect::<Vec<_>>(), ["9"]);
}

#[test]
fn h4_try_iter_ends_with_the_notifications_that_waited_when_it_began() {
    let (server, pusher, _channel) = room();
    let receiver = pusher.receiver();
    publish(&server, [("e", 0), ("e", 1)]);
    waits(&receiver, 2);
    let mut seen = Vec::new();
    for notification in receiver.try_iter() {
        seen.push(short(&notification));
        // Handling a notification causes another one.
        let waiting = receiver.len();
        publish(&server, [("later", seen.len())]);
        eventually("the event is queued", || receiver.len() > waiting);
    }
    assert_eq!(seen, ["e0", "e1"]);
    assert_eq!(shorts(receiver.try_iter()), ["later1", "later2"]);
}

#[test]
fn h4_notifications_that_are_not_drained_stay_in_order() {
    let (server, pusher, _channel) = room();
    let receiver = pusher.receiver();
    publish(&server, (0..7).map(|n| ("e", n)));
    waits(&receiver, 7);
    assert_eq!(shorts(receiver.drain(2)), ["e0", "e1"]);
    assert_eq!(shorts(receiver.drain(0)), [""; 0]);
    assert_eq!(shorts(receiver.try_iter().take(1)), ["e2"]);
    assert_eq!((receiver.len(), short(&receiver.recv().expect("an event waits"))), (4, "e3".to_owned()));
    assert_eq!(shorts(receiver.drain(100)), ["e4", "e5", "e6"]);
    assert_eq!(receiver.dropped(), 0);
}

#[test]
fn s3_an_iterator_returns_no_event_of_a_channel_that_was_unsubscribed_meanwhile() {
    let (server, pusher, channel) = room();
    subscribed(&pusher, "kept");
    let receiver = pusher.receiver();
    publish(&server, (0..3).map(|n| ("e", n)));
    server.trigger("kept", "k", &0);
    waits(&receiver, 4);
    let mut notifications = receiver.try_iter();
    assert_eq!(notifications.next().as_ref().map(short).as_deref(), Some("e0"));
    channel.unsubscribe();
    assert_eq!(shorts(notifications), ["k0"]);
}

#[test]
fn a_wake_up_runs_after_the_notification_is_queued_and_once_until_the_next_look() {
    let (server, pusher, _channel) = room();
    let (wake, woken) = mpsc::channel();
    let receiver = pusher.receiver_with(ReceiverOptions::new().wake(move || wake.send(()).unwrap_or_default()));
    for round in 0..100 {
        publish(&server, [("e", round)]);
        woken.recv_timeout(PATIENCE).expect("woken");
        assert_eq!(receiver.try_recv().as_ref().map(short), Ok(format!("e{round}")));
    }
    // There is no second wake-up before the program looks at the queue.
    publish(&server, [("e", 0)]);
    woken.recv_timeout(PATIENCE).expect("woken");
    publish(&server, [("e", 1), ("e", 2)]);
    waits(&receiver, 3);
    assert_eq!(receiver.try_iter().count(), 3);
    assert!(woken.try_recv().is_err());
    // A look at an empty queue counts.
    assert!(receiver.try_iter().next().is_none());
    publish(&server, [("e", 3)]);
    woken.recv_timeout(PATIENCE).expect("woken");
    assert_eq!(receiver.try_iter().count(), 1);
    drop((pusher, _channel));
    let last = thread::spawn(move || {
        // The last changes of state, and the end.
        while !is_closed(&receiver) {
            woken.recv_timeout(PATIENCE).expect("woken");
        }
    });
    last.join().expect("woken at the end");
}

#[test]
fn h2_a_wake_up_that_panics_is_reported_once_and_events_go_on() {
    let (server, pusher, _channel) = room();
    let receiver = pusher.receiver();
    let broken = Arc::new(OnceLock::<Receiver>::new());
    let own = Arc::clone(&broken);
    let held = Arc::new(());
    let count = Arc::downgrade(&held);
    let wake_up = move || {
        let _held = &held;
        assert_eq!(own.get().map(|receiver| receiver.try_iter().count()), None, "on purpose");
    };
    broken.set(pusher.receiver_with(ReceiverOptions::new().wake(wake_up))).expect("once");
    publish(&server, [("e", 0)]);
    assert!(matches!(next_error(&receiver), Error::HandlerPanicked { handler } if handler.contains("receiver")));
    publish(&server, [("e", 1)]);
    assert_eq!(shorts(receiver.iter().take(1)), ["e1"]);
    assert_eq!(count.strong_count(), 0, "the closure is dropped");
}

#[test]
fn h4_notifications_that_an_iterator_returns_cause_a_wake_up() {
    let (server, pusher, _channel) = room();
    let (wake, woken) = mpsc::channel();
    let receiver = pusher.receiver_with(ReceiverOptions::new().wake(move || wake.send(()).unwrap_or_default()));
    publish(&server, [("e", 0), ("e", 1)]);
    woken.recv_timeout(PATIENCE).expect("woken");
    waits(&receiver, 2);
    let mut notifications = receiver.try_iter();
    notifications.next();
    // Another consumer looks meanwhile, and finds nothing.
    while receiver.try_recv().is_ok() || woken.try_recv().is_ok() {}
    drop(notifications);
    assert_eq!((woken.try_recv(), shorts(receiver.try_iter())), (Ok(()), vec!["e1".to_owned()]));
}

#[test]
fn h4_try_iter_ends_although_each_notification_causes_losses() {
    let (server, pusher, _channel) = room();
    let options = ReceiverOptions::new().capacity(2).overflow(Overflow::KeepLatest);
    let (receiver, all) = (pusher.receiver_with(options), pusher.receiver());
    let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    let mut published = 0;
    let mut publish_names = |count: usize| {
        for name in names.iter().cycle().skip(published).take(count) {
            server.trigger("room", name, &0);
        }
        published += count;
        waits(&all, published);
    };
    publish_names(4);
    let seen = receiver.try_iter().inspect(|_| publish_names(3)).take(50).count();
    assert!(seen < 10, "two events, and losses between them: {seen}");
}

#[test]
fn h4_a_receiver_is_not_closed_while_an_iterator_has_notifications() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let receiver = pusher.receiver();
    pusher.connect().expect("accepted");
    drop(pusher);
    let mut notifications = receiver.try_iter();
    assert!(notifications.next().is_some() && !receiver.is_closed(), "the iterator has more than one notification");
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Empty));
    thread::scope(|scope| {
        let other = scope.spawn(|| receiver.iter().count());
        drop(notifications);
        assert_eq!(
            other.join().expect("no panic"),
            3,
            "a waiting consumer gets the returned notifications, and then the end"
        );
    });
    assert!(receiver.is_closed());
}

#[test]
fn h4_a_receiver_is_closed_when_the_client_has_ended_and_the_queue_is_empty() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver();
    publish(&server, [("e", 0)]);
    waits(&receiver, 1);
    assert!(!receiver.is_closed());
    drop((pusher, channel));
    assert!(!receiver.is_closed(), "notifications still wait");
    while receiver.try_iter().count() > 0 {}
    assert!(receiver.is_closed() && receiver.try_recv().err() == Some(TryRecvError::Closed));
}

#[test]
fn a_wake_up_is_dropped_with_its_receiver() {
    let (_server, pusher, _channel) = room();
    let held = Arc::new(());
    let count = Arc::downgrade(&held);
    let receiver = pusher.receiver_with(ReceiverOptions::new().wake(move || drop(Arc::clone(&held))));
    assert_eq!(count.strong_count(), 1);
    drop(receiver);
    eventually("the closure is dropped", || count.strong_count() == 0);
}

#[test]
fn h6_a_thread_local_may_have_the_last_handle() {
    support::run_alone("alone_a_thread_local_has_the_last_handle");
}

/// The thread-local mark of threads that run the program's code is made after the client here, and is dropped before
/// it.
#[test]
#[ignore = "run by h6_a_thread_local_may_have_the_last_handle in a process of its own, which a failure would abort"]
fn alone_a_thread_local_has_the_last_handle() {
    thread_local! {
        static CLIENT: OnceCell<Pusher> = const { OnceCell::new() };
    }
    let server = server();
    let (wake, woken) = mpsc::channel();
    let config = quick(&server);
    let receiver = thread::spawn(move || {
        CLIENT.with(|client| {
            let pusher = Pusher::new(config);
            let options = ReceiverOptions::new().wake(move || wake.send(()).unwrap_or_default());
            let receiver = pusher.receiver_with(options);
            client.set(pusher).expect("once");
            client.get().expect("set").connect().expect("accepted");
            receiver
        })
    });
    let receiver = receiver.join().expect("the thread ends without a panic");
    woken.recv_timeout(PATIENCE).expect("woken");
    while receiver.try_recv().is_ok() {}
    assert!(receiver.is_closed());
}
