//! Rules D and H4: notifications through a receiver.

mod support;

use std::{thread, time::Duration};

use pusher_channels::{
    ConnectionState, Error, Event, Notification, Overflow, Pusher, Receiver, RecvTimeoutError, TryRecvError,
    testing::TestServer,
};
use support::{PATIENCE, connected, eventually, next, next_error, next_event, next_state, quick, server, subscribed};

fn room() -> (TestServer, Pusher, Receiver) {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    (server, pusher, receiver)
}

fn next_full_event(receiver: &Receiver) -> Event {
    next(receiver, |notification| match notification {
        Notification::Event(event) => Some(event),
        _ => None,
    })
}

#[test]
fn d1_data_is_what_the_publisher_sent() {
    let (server, _pusher, receiver) = room();
    let cases = [
        ("", ""),
        (r#","data":null"#, "null"),
        (r#","data":"text""#, "text"),
        (r#","data":"{\"a\":1}""#, r#"{"a":1}"#),
        (r#","data":{"a":1}"#, r#"{"a":1}"#),
        (r#","data":[1, "x"]"#, r#"[1, "x"]"#),
        (r#","data":1.50"#, "1.50"),
        (r#","data":"żółć ☃ 𝄞 \ud834\udd1e""#, "żółć ☃ 𝄞 𝄞"),
    ];
    for (data, expected) in cases {
        server.send_raw(&format!(r#"{{"event":"e","channel":"room"{data},"serial":7}}"#));
        let event = next_full_event(&receiver);
        assert_eq!((event.channel(), event.name(), event.data()), (Some("room"), "e", expected));
        assert_eq!(event.user_id(), None);
    }
    server.send_raw(r#"{"event":"e","channel":"room"}"#);
    assert_eq!(next_full_event(&receiver).json::<Option<u8>>().ok(), Some(None), "absent data is no value");
    server.send_raw(r#"{"event":"client-e","channel":"room","data":"{\"n\":[1,2]}","user_id":"u1"}"#);
    let event = next_full_event(&receiver);
    assert_eq!(event.user_id(), Some("u1"));
    assert_eq!(event.json::<serde_json::Value>().expect("JSON"), serde_json::json!({"n": [1, 2]}));
    let error = event.json::<Vec<u8>>().expect_err("not a list");
    assert!(matches!(&error, Error::Decode { event, .. } if event == "client-e"), "{error:?}");
    assert!(std::error::Error::source(&error).is_some());
    server.trigger("room", "e", &format!("\"{}\"", "x".repeat(100_000)));
    let error = next_full_event(&receiver).json::<u8>().expect_err("not a number");
    assert!(error.to_string().len() < 400, "an error does not contain the data");
}

/// Browsers keep the half in such messages, and show U+FFFD for it.
#[test]
fn d1_half_of_a_surrogate_pair_becomes_u_fffd_in_data_and_in_decoded_json() {
    let (server, pusher, receiver) = room();
    let cases = [
        (r#""good morning \ud83d""#, "good morning \u{fffd}"),
        (r#""\ude00!""#, "\u{fffd}!"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\uD83D\u0041""#, "\u{fffd}A"),
    ];
    for (data, expected) in cases {
        server.send_raw(&format!(r#"{{"event":"e","channel":"room","data":{data}}}"#));
        assert_eq!(next_full_event(&receiver).data(), expected);
    }
    let (sender, decoded) = std::sync::mpsc::channel();
    let channel = pusher.channel("room").expect("a valid name");
    channel.bind_as::<serde_json::Value>("e", move |value| drop(sender.send(value)));
    for data in [r#"{"\ude00":["\ud83d"]}"#, r#""{\"\\ude00\":[\"\\ud83d\"]}""#] {
        server.send_raw(&format!(r#"{{"event":"e","channel":"room","data":{data}}}"#));
        let event = next_full_event(&receiver);
        assert_eq!(event.data(), r#"{"\ude00":["\ud83d"]}"#, "JSON is unchanged");
        let expected = serde_json::json!({ "\u{fffd}": ["\u{fffd}"] });
        assert_eq!(event.json::<serde_json::Value>().ok().as_ref(), Some(&expected));
        assert_eq!(decoded.recv_timeout(PATIENCE).ok(), Some(expected));
    }
    server.send_raw(r#"{"event":"e\ud83d","channel":"room","user_id":"u\ud83d","\ud83d":1}"#);
    let event = next_full_event(&receiver);
    assert_eq!((event.name(), event.user_id()), ("e\u{fffd}", Some("u\u{fffd}")));
    assert_eq!(pusher.stats().bad_messages, 0);
}

#[test]
fn s8_handlers_and_receivers_of_the_client_get_an_application_event_without_a_channel() {
    let (server, pusher, receiver) = room();
    let channel = pusher.channel("room").expect("a valid name");
    let of_channel = channel.receiver();
    let (sender, handled) = std::sync::mpsc::channel();
    let handler = |what: &'static str| {
        let sender = sender.clone();
        move |event: &Event| {
            drop(sender.send((
                what,
                event.channel().map(str::to_owned),
                event.name().to_owned(),
                event.data().to_owned(),
            )));
        }
    };
    pusher.on_event(handler("on_event"));
    pusher.bind("notice", handler("bind"));
    pusher.bind_all(handler("bind_all"));
    channel.bind_all(handler("of the channel"));
    pusher.user().bind("notice", handler("of the user"));
    server.trigger("room", "before", "0");
    server.send_raw(r#"{"event":"notice","data":"1"}"#);
    server.send_raw(r#"{"event":"pusher:notice","data":"x"}"#);
    server.send_raw(r#"{"event":"pusher_internal:notice","data":"x"}"#);
    server.send_raw(r#"{"event":"client-notice","data":{"a":2}}"#);
    server.trigger("room", "after", "3");
    for (channel, name, data) in [
        (Some("room"), "before", "0"),
        (None, "notice", "1"),
        (None, "client-notice", r#"{"a":2}"#),
        (Some("room"), "after", "3"),
    ] {
        let event = next_full_event(&receiver);
        assert_eq!((event.channel(), event.name(), event.data()), (channel, name, data));
    }
    for name in ["before", "after"] {
        assert_eq!(next_event(&of_channel).0, name, "a receiver of a channel gets no event without a channel");
    }
    let mut calls = Vec::new();
    while !calls.iter().any(|(what, _, name, _): &(&str, _, String, _)| *what == "bind_all" && name == "after") {
        calls.push(handled.recv_timeout(PATIENCE).expect("handled"));
    }
    let of_notice: Vec<_> = calls.iter().filter(|(.., name, _)| name == "notice").collect();
    assert_eq!(
        of_notice.iter().map(|(what, ..)| *what).collect::<std::collections::BTreeSet<_>>(),
        ["bind", "bind_all", "on_event"].into()
    );
    assert!(of_notice.iter().all(|(_, channel, ..)| channel.is_none()));
    assert_eq!((pusher.stats().events, pusher.stats().ignored), (4, 2));
}

#[test]
fn d2_a_bad_message_is_reported_and_the_next_event_arrives() {
    let (server, pusher, receiver) = room();
    let deep = format!(r#"{{"event":"e","channel":"room","data":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for bad in ["", "null", "[1]", "{", r#"{"data":1}"#, r#"{"event":7}"#, "\u{0}", &deep] {
        server.send_raw(bad);
        assert!(matches!(next_error(&receiver), Error::BadMessage { .. }), "{bad}");
        server.trigger("room", "next", bad);
        assert_eq!(next_event(&receiver).1, bad);
    }
    server.send_binary(b"\x00\x01");
    assert!(next_error(&receiver).to_string().contains("binary"));
    assert_eq!(pusher.stats().bad_messages, 9);
    assert_eq!(server.accepted(), 1, "the connection stays");
}

#[test]
fn d3_a_message_over_the_limit_ends_the_connection_and_the_client_reconnects() {
    let server = server();
    let pusher = Pusher::new(quick(&server).max_message_size(10_000)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    let fits = "x".repeat(9_000);
    server.trigger("room", "fits", &fits);
    assert_eq!(next_event(&receiver).1, fits);
    server.trigger("room", "large", &"x".repeat(10_000));
    let lost = next_state(&receiver, ConnectionState::Reconnecting);
    assert!(matches!(lost.cause.as_deref(), Some(Error::MessageTooLarge { limit: 10_000 })), "{lost:?}");
    next_state(&receiver, ConnectionState::Connected);
}

#[test]
fn d3_a_huge_length_or_a_malformed_frame_ends_the_connection_and_the_client_reconnects() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let long_ping: &[u8] = &[&[0x89, 0x7e, 0x00, 0x7e][..], &[0; 126]].concat();
    let frames: [&[u8]; 6] = [
        &[0x81, 0x7f, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0xf1, 0x00],
        &[0x81, 0x02, 0xc3, 0x28],
        &[0x80, 0x01, b'x'],
        long_ping,
    ];
    for frame in frames {
        server.send_raw_bytes(frame);
        let lost = next_state(&receiver, ConnectionState::Reconnecting);
        assert!(lost.cause.is_some(), "{frame:?}");
        next_state(&receiver, ConnectionState::Connected);
        assert!(server.wait_for_connections(1, PATIENCE));
    }
}

#[test]
fn d3_messages_of_any_size_up_to_the_limit_arrive() {
    let (server, _pusher, receiver) = room();
    for size in [0, 1, 125, 126, 65_535, 65_536, 200_000, 1_000_000] {
        let data = "ż".repeat(size / 2);
        server.trigger("room", "e", &data);
        assert_eq!(next_event(&receiver).1, data);
    }
}

#[test]
fn h4_a_receiver_that_is_not_polled_drops_the_oldest_and_counts_them() {
    let server = server();
    let pusher = Pusher::new(quick(&server).queue_capacity(100)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    for n in 0..1000 {
        server.trigger("room", "e", &n);
    }
    eventually("all messages are delivered", || receiver.dropped() == 900);
    assert_eq!(pusher.stats().events, 1000);
    let mut lagged = 0;
    let mut received = Vec::new();
    for notification in receiver.try_iter() {
        match notification {
            Notification::Lagged(count) => {
                assert!(received.is_empty(), "the loss is reported in its place");
                lagged += count;
            }
            Notification::Event(event) => received.push(event.json::<usize>().expect("a number")),
            _ => {}
        }
    }
    assert_eq!(lagged, 900);
    assert_eq!(received, (900..1000).collect::<Vec<_>>());
    assert_eq!(pusher.stats().dropped, 900);
}

#[test]
fn h4_a_notification_larger_than_the_queue_is_delivered() {
    let server = TestServer::builder().queue_limit(256 << 20).start().expect("a free port");
    let pusher = Pusher::new(quick(&server).max_message_size(64 << 20)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    let data = "x\"".repeat(9 << 20);
    server.trigger("room", "big", &data);
    assert_eq!(next_full_event(&receiver).data().len(), data.len());
}

#[test]
fn h4_dropped_notifications_stay_counted_after_the_receiver() {
    let (server, pusher, receiver) = room();
    let small = Pusher::new(quick(&server).queue_capacity(1)).connect().expect("the embedded server accepts");
    drop(receiver);
    let receiver = small.receiver();
    subscribed(&small, "room");
    for _ in 0..10 {
        server.trigger("room", "e", "x");
    }
    eventually("some are dropped", || receiver.dropped() >= 9);
    let dropped = receiver.dropped();
    drop(receiver);
    assert!(small.stats().dropped >= dropped);
    assert_eq!(pusher.stats().dropped, 0);
}

#[test]
fn h4_drop_newest_keeps_the_oldest() {
    let server = server();
    let config = quick(&server).queue_capacity(100).overflow(Overflow::DropNewest);
    let pusher = Pusher::new(config).connect().expect("accepted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    for n in 0..1000 {
        server.trigger("room", "e", &n);
    }
    eventually("all messages are delivered", || receiver.dropped() == 900);
    let received: Vec<_> = receiver.try_iter().collect();
    let events = received.iter().filter(|notification| matches!(notification, Notification::Event(_))).count();
    assert_eq!(events, 100);
    assert!(matches!(received.last(), Some(Notification::Lagged(900))), "{:?}", received.last());
}

#[test]
fn h4_state_changes_are_not_dropped_before_events() {
    let server = server();
    let pusher = Pusher::new(quick(&server).queue_capacity(50));
    let receiver = pusher.receiver();
    pusher.connect().expect("accepted");
    subscribed(&pusher, "room");
    for n in 0..1000 {
        server.trigger("room", "e", &n);
    }
    eventually("all messages are read", || pusher.stats().events == 1000);
    let states: Vec<_> = receiver
        .try_iter()
        .filter_map(|notification| match notification {
            Notification::ConnectionStateChange(change) => Some(change.current),
            _ => None,
        })
        .collect();
    assert_eq!(states, [ConnectionState::Connecting, ConnectionState::Connected]);
}

#[test]
fn h4_a_receiver_that_blocks_loses_nothing() {
    let server = server();
    let config = quick(&server).queue_capacity(16).overflow(Overflow::Block);
    let pusher = Pusher::new(config).connect().expect("accepted");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    let publisher = server.publisher();
    let publishing = thread::spawn(move || {
        for n in 0..20_000 {
            publisher.trigger("room", "e", &n);
        }
    });
    for n in 0..20_000 {
        assert_eq!(next_event(&receiver).1, n.to_string());
    }
    publishing.join().expect("no panic");
    assert_eq!(receiver.dropped(), 0);
}

#[test]
fn a_receiver_stays_closed_after_the_client_has_ended() {
    let (server, pusher, receiver) = room();
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(Duration::from_millis(1)).err(), Some(RecvTimeoutError::Timeout));
    let waiting = thread::spawn({
        let receiver = pusher.receiver();
        move || receiver.iter().count()
    });
    drop(pusher);
    assert!(waiting.join().expect("no panic") >= 2, "the last changes of state, and then the end");
    while receiver.try_recv().is_ok() {}
    assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
    assert!(receiver.recv().is_err());
    assert_eq!(receiver.recv_timeout(PATIENCE).err(), Some(RecvTimeoutError::Closed));
    drop(server);
}

#[test]
fn an_event_outlives_the_client() {
    let (server, pusher, receiver) = room();
    server.trigger("room", "e", "kept");
    let event = next_full_event(&receiver);
    let copy = event.clone();
    drop((pusher, receiver, server, event));
    assert_eq!((copy.channel(), copy.name(), copy.data()), (Some("room"), "e", "kept"));
}

#[test]
fn x1_debug_of_an_event_does_not_show_its_data() {
    let (server, _pusher, receiver) = room();
    server.trigger("room", "e", "canary");
    assert!(!format!("{:?}", next_full_event(&receiver)).contains("canary"));
}
