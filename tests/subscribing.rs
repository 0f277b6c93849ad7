//! Rules S: subscribing and unsubscribing.

mod support;

use std::{sync::mpsc, time::Duration};

use pusher_channels::{
    AuthRequest, ChannelAuth, ConnectionState, Error, Notification, Pusher,
    testing::{Refusals, TestServer},
};
use support::{PATIENCE, connected, eventually, next, next_event, next_state, quick, server, subscribed};

#[test]
fn s1_subscribing_and_binding_are_legal_before_connect() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let (received, events) = mpsc::channel();
    let channel = pusher.channel("room").expect("a valid name");
    channel.bind("e", move |event| received.send(event.data().to_owned()).unwrap_or_default());
    channel.subscribe();
    pusher.unsubscribe("never-subscribed");
    pusher.connect().expect("accepted");
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger("room", "e", "x");
    assert_eq!(events.recv_timeout(PATIENCE).expect("an event"), "x");
}

#[test]
fn s1_the_last_call_counts() {
    let server = server();
    let pusher = connected(&server);
    let a = pusher.channel("a").expect("a valid name");
    let b = pusher.channel("b").expect("a valid name");
    for _ in 0..100 {
        a.subscribe();
        b.subscribe();
        a.unsubscribe();
        b.unsubscribe();
    }
    b.subscribe();
    b.wait_subscribed(PATIENCE).expect("confirmed");
    assert!(server.wait_for_subscribers("a", 0, PATIENCE));
    assert!(server.wait_for_subscribers("b", 1, PATIENCE));
    assert!(!a.is_subscribed() && b.is_subscribed());
    assert_eq!(pusher.channels().iter().map(|channel| channel.name().to_owned()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn s1_thousands_of_channels_are_subscribed_and_unsubscribed() {
    let server = server();
    let pusher = connected(&server);
    let channels: Vec<_> = (0..3_500).map(|n| pusher.subscribe(&format!("room-{n}")).expect("a valid name")).collect();
    for channel in &channels {
        channel.wait_subscribed(PATIENCE).expect("confirmed");
    }
    pusher.unsubscribe_all();
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.subscribers("room-3499") == 0));
    assert_eq!(server.subscribers("room-0"), 0);
}

#[test]
fn s2_subscribing_twice_is_one_subscription_and_one_delivery() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    subscribed(&pusher, "room");
    subscribed(&pusher, "room");
    server.trigger("room", "e", "1");
    server.trigger("room", "e", "2");
    assert_eq!(next_event(&receiver).1, "1");
    assert_eq!(next_event(&receiver).1, "2");
    let sent = server.received().iter().filter(|received| received.text.contains("pusher:subscribe")).count();
    assert_eq!(sent, 1);
}

#[test]
fn s3_after_unsubscribe_no_event_of_the_channel_is_delivered() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "other");
    for round in 0..20 {
        let channel = subscribed(&pusher, "room");
        let receiver = pusher.receiver();
        for n in 0..1000 {
            server.trigger("room", "tick", &n);
        }
        next_event(&receiver);
        channel.unsubscribe();
        assert!(!channel.is_subscribed());
        server.trigger("other", "after", &round);
        assert_eq!(next_event(&receiver).0, "after", "queued events of the channel are skipped");
        assert!(server.wait_for_subscribers("room", 0, PATIENCE));
    }
}

#[test]
fn s3_a_handler_that_unsubscribes_is_the_last_to_get_the_event() {
    let server = server();
    let pusher = connected(&server);
    let channel = subscribed(&pusher, "room");
    let (report, reports) = mpsc::channel();
    for place in ["first", "second"] {
        let (report, channel) = (report.clone(), channel.clone());
        pusher.on_event(move |_| {
            channel.unsubscribe();
            report.send(place).unwrap_or_default();
        });
    }
    let last = report.clone();
    pusher.on_subscription_succeeded(move |_| last.send("subscribed").unwrap_or_default());
    assert_eq!(reports.recv_timeout(PATIENCE), Ok("subscribed"), "the handlers are bound");
    server.trigger("room", "e", "x");
    assert_eq!(reports.recv_timeout(PATIENCE), Ok("first"));
    channel.subscribe();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok("subscribed"), "no other handler got the event before");
}

#[test]
fn s1_wait_subscribed_waits_for_a_connection_in_the_background() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let channel = pusher.subscribe("room").expect("a valid name");
    for _ in 0..20 {
        pusher.connect_background().expect("a valid configuration");
        channel.wait_subscribed(PATIENCE).expect("confirmed");
        pusher.disconnect();
        assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::Disconnected)));
    }
}

#[test]
fn s4_a_late_handler_runs_for_each_subscribed_channel() {
    let server = server();
    let pusher = connected(&server);
    let (report, reports) = mpsc::channel();
    let early = report.clone();
    let binding = pusher.on_subscription_succeeded(move |_| early.send("early".to_owned()).unwrap_or_default());
    let channel = subscribed(&pusher, "room");
    subscribed(&pusher, "second");
    for _ in 0..2 {
        assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("early"), "later handlers are late");
    }
    binding.unbind();
    for _ in 0..2 {
        let report = report.clone();
        channel.on_subscription_succeeded(move |s| report.send(format!("channel {}", s.channel)).unwrap_or_default());
    }
    let by_name = report.clone();
    channel.bind("pusher:subscription_succeeded", move |event| {
        by_name.send(format!("event {:?} {}", event.channel(), event.data())).unwrap_or_default();
    });
    pusher.on_subscription_succeeded(move |s| report.send(format!("client {}", s.channel)).unwrap_or_default());
    let expected =
        ["channel room", "channel room", r#"event Some("room") "#, "client room", "client second"].map(str::to_owned);
    let reported: Vec<_> =
        expected.iter().map(|_| reports.recv_timeout(PATIENCE).expect("the handler runs at once")).collect();
    assert_eq!(reported, expected);
    channel.unsubscribe();
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    let again: Vec<_> = (0..4).map(|_| reports.recv_timeout(PATIENCE).expect("the handler runs again")).collect();
    assert_eq!(again.iter().filter(|line| line.starts_with("channel")).count(), 2, "{again:?}");
    assert!(reports.try_recv().is_err(), "each handler runs once");
}

#[test]
fn s4_a_late_handler_does_not_run_for_an_unsubscribed_channel() {
    let server = server();
    let pusher = connected(&server);
    let gone = subscribed(&pusher, "gone");
    subscribed(&pusher, "room");
    gone.unsubscribe();
    let (report, reports) = mpsc::channel();
    pusher.on_subscription_succeeded(move |s| report.send(s.channel.to_string()).unwrap_or_default());
    assert_eq!(reports.recv_timeout(PATIENCE).expect("a confirmation"), "room");
}

#[test]
fn s5_a_subscription_without_an_answer_is_a_timeout() {
    let server = server();
    let pusher =
        Pusher::new(quick(&server).subscription_timeout(Duration::from_millis(50))).connect().expect("accepted");
    server.set_silent(true);
    let (report, reports) = mpsc::channel();
    pusher.on_subscription_error(move |failed| {
        report.send((failed.channel.clone(), failed.error.to_string())).unwrap_or_default();
    });
    let channel = pusher.subscribe("room").expect("a valid name");
    let error = channel.wait_subscribed(PATIENCE).expect_err("no answer");
    assert!(matches!(error, Error::SubscriptionTimeout { .. }), "{error:?}");
    assert!(error.is_timeout());
    let (name, text) = reports.recv_timeout(PATIENCE).expect("an error");
    assert_eq!(name.as_deref(), Some("room"));
    assert_eq!(text, "subscription to room: no answer from the server within 50ms");
    server.set_silent(false);
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("subscribing again tries again");
}

#[test]
fn s6_a_refusal_reaches_handlers_and_wait_subscribed() {
    let server = server();
    let pusher = connected(&server);
    let channel = pusher.channel("room").expect("a valid name");
    let receiver = pusher.receiver();
    server.set_silent(true);
    channel.subscribe();
    assert!(server.wait_for_received(|received| received.text.contains("room"), PATIENCE));
    server.send_raw(
        r#"{"event":"pusher:subscription_error","channel":"room","data":{"type":"LimitReached","error":"full","status":4100}}"#,
    );
    let error = channel.wait_subscribed(PATIENCE).expect_err("refused");
    assert_eq!(error.to_string(), "subscription to room: refused by the server with 4100: LimitReached: full");
    let failed = next(&receiver, |notification| match notification {
        Notification::SubscriptionError(failed) => Some(failed),
        _ => None,
    });
    assert_eq!(failed.channel.as_deref(), Some("room"));
}

#[test]
fn r8_a_new_connection_subscribes_a_refused_channel_again() {
    let server = server();
    let pusher = connected(&server);
    server.set_silent(true);
    let channel = pusher.subscribe("room").expect("a valid name");
    assert!(server.wait_for_received(|received| received.text.contains("pusher:subscribe"), PATIENCE));
    server.send_raw(r#"{"event":"pusher:subscription_error","channel":"room","data":{"error":"no","status":429}}"#);
    assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::SubscriptionRefused { .. })));
    server.set_silent(false);
    pusher.disconnect();
    pusher.connect().expect("the embedded server accepts");
    channel.wait_subscribed(PATIENCE).expect("a new connection tries again");
}

#[test]
fn c9_a_confirmation_that_arrives_with_the_end_of_the_connection_is_dropped() {
    let server = server();
    let pusher = connected(&server);
    server.set_silent(true);
    let channel = pusher.subscribe("room").expect("a valid name");
    assert!(server.wait_for_received(|received| received.text.contains("pusher:subscribe"), PATIENCE));
    let confirmation = br#"{"event":"pusher_internal:subscription_succeeded","channel":"room"}"#;
    let mut bytes = vec![0x81, confirmation.len() as u8];
    bytes.extend_from_slice(confirmation);
    bytes.extend([0x88, 2]);
    bytes.extend(4001u16.to_be_bytes());
    server.send_raw_bytes(&bytes);
    eventually("the client fails", || pusher.state() == ConnectionState::Failed);
    assert!(!channel.is_subscribed());
    assert_eq!(channel.wait_subscribed(PATIENCE).expect_err("no connection").code(), Some(4001));
}

#[test]
fn s7_names_are_checked_by_the_call() {
    let server = server();
    let pusher = connected(&server);
    for name in ["", "a b", "a/b", "ż", "#room", &"x".repeat(201)] {
        assert!(matches!(pusher.subscribe(name), Err(Error::ChannelName { .. })), "{name:?}");
        assert!(matches!(pusher.channel(name), Err(Error::ChannelName { .. })), "{name:?}");
    }
    subscribed(&pusher, "A-z_0=@,.;");
}

#[test]
fn s7_a_private_channel_without_an_authorizer_is_an_error_of_that_channel() {
    let server = server();
    let pusher = connected(&server);
    let error =
        pusher.subscribe("private-x").expect("a valid name").wait_subscribed(PATIENCE).expect_err("no authorizer");
    assert!(matches!(error, Error::NoAuthorizer { .. }) && error.is_auth(), "{error:?}");
    subscribed(&pusher, "room");
}

#[test]
fn s8_unexpected_messages_are_counted_and_ignored() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    server.send_raw(r#"{"event":"pusher_internal:subscription_succeeded","channel":"other","data":"{}"}"#);
    server.send_raw(r#"{"event":"e","channel":"other","data":"x"}"#);
    server.send_raw(r#"{"event":"pusher:new_thing","data":"x"}"#);
    subscribed(&pusher, "room");
    server.trigger("room", "after", "x");
    assert_eq!(next_event(&receiver).0, "after");
    assert_eq!(pusher.stats().ignored, 3);
}

#[test]
fn wait_subscribed_is_an_error_if_the_channel_cannot_be_subscribed() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let channel = pusher.channel("room").expect("a valid name");
    assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::NotSubscribed { .. })));
    channel.subscribe();
    assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::Disconnected)));
    pusher.connect().expect("accepted");
    server.set_silent(true);
    let slow = pusher.subscribe("slow").expect("a valid name");
    let error = slow.wait_subscribed(Duration::from_millis(20)).expect_err("no answer");
    assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    let waiting = std::thread::spawn({
        let slow = slow.clone();
        move || slow.wait_subscribed(PATIENCE)
    });
    slow.unsubscribe();
    assert!(matches!(waiting.join().expect("no panic"), Err(Error::NotSubscribed { .. })));
}

#[test]
fn s2_unsubscribe_all_unsubscribes_every_channel() {
    let server = server();
    let pusher = connected(&server);
    for n in 0..10 {
        subscribed(&pusher, &format!("room-{n}"));
    }
    assert_eq!(pusher.channels().len(), 10);
    pusher.unsubscribe_all();
    assert!(pusher.channels().is_empty());
    for n in 0..10 {
        assert!(server.wait_for_subscribers(&format!("room-{n}"), 0, PATIENCE));
    }
}

#[test]
fn r12_a_gap_is_announced_before_the_first_event_of_the_new_socket() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    server.drop_all();
    next_state(&receiver, ConnectionState::Connected);
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
    server.trigger("room", "after", "x");
    let succeeded = next(&receiver, |notification| match notification {
        Notification::SubscriptionSucceeded(succeeded) => Some(succeeded),
        Notification::Event(event) => panic!("{event:?} came before the confirmation"),
        _ => None,
    });
    assert!(succeeded.resubscribed && succeeded.gap.is_some());
    assert_eq!(next_event(&receiver).0, "after");
}

#[test]
fn s6_several_channels_that_are_refused_get_their_errors() {
    for refusals in [Refusals::Reverb, Refusals::Sockudo] {
        let server = TestServer::builder().refusals(refusals).start().expect("a free port");
        let config = quick(&server).authorizer(|_: &AuthRequest| Ok(ChannelAuth::new("app-key:bad")));
        let pusher = Pusher::new(config).connect().expect("accepted");
        let receiver = pusher.receiver();
        let channels =
            ["private-a", "private-b", "private-c"].map(|name| pusher.subscribe(name).expect("a valid name"));
        for channel in &channels {
            let error = channel.wait_subscribed(PATIENCE).expect_err("refused");
            assert!(matches!(error, Error::SubscriptionRefused { status: Some(4009), .. }), "{error:?}");
        }
        assert!(
            receiver.try_iter().all(|notification| !matches!(notification, Notification::Error(_))),
            "no refusal is reported twice"
        );
        server.drop_all();
        next_state(&receiver, ConnectionState::Connected);
    }
}
