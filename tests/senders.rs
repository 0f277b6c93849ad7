//! Senders that get events and notifications, and closures that get decoded data.

mod support;

use std::{fmt::Debug, iter, sync::mpsc};

use pusher_channels::{
    AnySender, Channel, ConnectionState, Error, Event, Notification, Overflow, Pusher, testing::TestServer,
};
use serde::Deserialize;
use support::{PATIENCE, connected, eventually, next, next_event, quick, server, subscribed};

const USER: &str = "ann";

/// A client that has signed in, with a subscribed channel.
fn room() -> (TestServer, Pusher, Channel) {
    let server = TestServer::builder().subscription_counts(true).start().expect("a free port on loopback");
    let config = quick(&server).secret(server.secret()).user_data(serde_json::json!({"id": USER}));
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "room");
    pusher.sign_in().expect("a user is configured");
    // The server then has the channel of the user's events.
    assert!(server.wait_for_subscribers(&format!("#server-to-user-{USER}"), 1, PATIENCE));
    (server, pusher, channel)
}

fn received<T: Debug>(receiver: &mpsc::Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("received in time")
}

#[test]
fn h10_senders_of_three_kinds_get_events() {
    let (server, pusher, channel) = room();
    let (sender, unbounded) = mpsc::channel();
    channel.bind_sender("e", sender);
    let (sender, bounded) = mpsc::sync_channel(1);
    channel.bind_all_sender(sender);
    let (sender, crossbeam) = crossbeam_channel::bounded(1);
    pusher.bind_sender("e", sender);
    let (sender, of_client) = mpsc::channel();
    pusher.bind_all_sender(sender);
    for n in 0..100 {
        server.trigger("room", "e", &n);
    }
    let data = |event: Event| (event.name() == "e").then(|| event.json::<u32>().expect("a number"));
    for n in 0..100 {
        let events = [received(&unbounded), crossbeam.recv_timeout(PATIENCE).expect("received in time")];
        assert_eq!(events.map(data), [Some(n); 2]);
        // These senders get the events of the platform, too.
        for receiver in [&bounded, &of_client] {
            assert_eq!(iter::repeat_with(|| received(receiver)).find_map(data), Some(n));
        }
    }
}

#[test]
fn h10_senders_get_the_events_of_the_user() {
    let (server, pusher, _channel) = room();
    let (sender, named) = mpsc::channel();
    pusher.user().bind_sender("e", sender);
    let (sender, all) = mpsc::channel();
    pusher.user().bind_all_sender(sender);
    for name in ["other", "e"] {
        server.send_to_user(USER, name, "x");
    }
    let event = received(&named);
    assert_eq!((event.name(), event.data()), ("e", "x"));
    let names =
        iter::repeat_with(|| received(&all)).filter(|event| event.data() == "x").map(|event| event.name().to_owned());
    assert_eq!(names.take(2).collect::<Vec<_>>(), ["other", "e"]);
}

#[test]
fn h10_forward_sends_the_notifications_of_a_receiver_in_the_same_order() {
    let (server, pusher, channel) = room();
    let (sender, forwarded) = mpsc::channel();
    let (receiver, of_channel) = (pusher.receiver(), channel.receiver());
    pusher.forward(sender);
    let (sender, forwarded_of_channel) = crossbeam_channel::unbounded();
    channel.forward(sender);
    let shown = |notification: &Notification| format!("{notification:?}");
    server.send_raw("nonsense");
    server.trigger("room", "e", "1");
    pusher.channel("private-no").expect("a valid name").subscribe_with_auth(pusher_channels::ChannelAuth::new("k:s"));
    pusher.subscribe("cache-room").expect("a valid name").wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger("room", "e", "2");
    server.drop_all();
    eventually("the client has reconnected", || server.accepted() == 2);
    channel.wait_subscribed(PATIENCE).expect("subscribed again");
    server.trigger("room", "last", "3");
    let is_last = |shown: &String| shown.contains("\"last\"");
    let until_last = |next: &dyn Fn() -> Notification| -> Vec<String> {
        let mut all = Vec::new();
        while !all.last().is_some_and(is_last) {
            all.push(shown(&next()));
        }
        all
    };
    let received = until_last(&|| receiver.recv_timeout(PATIENCE).expect("received in time"));
    assert_eq!(until_last(&|| self::received(&forwarded)), received);
    for kind in ["Error", "SubscriptionError", "CacheMiss", "ConnectionStateChange", "SubscriptionSucceeded"] {
        assert!(received.iter().any(|shown| shown.starts_with(kind)), "{kind}: {received:?}");
    }
    let received = until_last(&|| of_channel.recv_timeout(PATIENCE).expect("received in time"));
    let forwarded = || forwarded_of_channel.recv_timeout(PATIENCE).expect("received in time");
    assert_eq!(until_last(&forwarded), received);
}

#[test]
fn h10_forward_reports_losses() {
    let (server, pusher, channel) = {
        let server = server();
        let config = quick(&server).manual_dispatch().queue_capacity(10).overflow(Overflow::DropOldest);
        let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
        let channel = pusher.subscribe("room").expect("a valid name");
        (server, pusher, channel)
    };
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    pusher.dispatch();
    let (sender, forwarded) = mpsc::channel();
    pusher.forward(sender);
    for n in 0..100 {
        server.trigger("room", "e", &n);
    }
    eventually("notifications are dropped", || pusher.stats().dropped >= 90);
    pusher.dispatch();
    assert!(forwarded.try_iter().any(|notification| matches!(notification, Notification::Lagged(90..))));
}

#[test]
fn h10_a_sender_without_a_receiver_unbinds_itself() {
    fn check(what: &str, sender: impl AnySender<Event>, receiver: impl Send) {
        let (server, pusher, channel) = room();
        let (other, others) = mpsc::channel();
        let binding = channel.bind_sender("e", sender);
        channel.bind_sender("e", other);
        server.trigger("room", "e", "1");
        assert_eq!(received(&others).data(), "1");
        assert!(format!("{binding:?}").contains("true"), "{what}: with a receiver");
        drop(receiver);
        server.trigger("room", "e", "2");
        assert_eq!(received(&others).data(), "2", "{what}: other senders go on");
        assert!(format!("{binding:?}").contains("false"), "{what}");
        // Unbinding has no effect, and is legal.
        binding.unbind();
        assert_eq!(pusher.stats().dropped, 0);
    }
    let (sender, receiver) = mpsc::channel();
    check("Sender", sender, receiver);
    let (sender, receiver) = mpsc::sync_channel(10);
    check("SyncSender", sender, receiver);
    let (sender, receiver) = crossbeam_channel::unbounded();
    check("crossbeam's Sender", sender, receiver);
}

/// Only handlers wait for room in the sender.
#[test]
fn h3_a_full_sender_blocks_only_handlers() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let (sender, first) = mpsc::sync_channel::<Event>(1);
    let (second_sender, second) = mpsc::channel::<Event>();
    let channel = pusher.channel("room").expect("a valid name");
    channel.bind_sender("e", sender);
    channel.bind_sender("e", second_sender);
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    for n in 0..100 {
        server.trigger("room", "e", &n);
    }
    for n in 0..100 {
        assert_eq!(next_event(&receiver).1, n.to_string(), "a receiver does not wait");
    }
    server.send_raw(r#"{"event":"pusher:ping"}"#);
    assert!(server.wait_for_received(|received| received.text.contains("pusher:pong"), PATIENCE));
    // The first event is in the channel, and the handler waits with the next one.
    assert_eq!(received(&second).data(), "0");
    assert!(second.try_recv().is_err(), "the second handler runs after the first");
    for n in 0..100 {
        assert_eq!(received(&first).data(), n.to_string());
    }
    for n in 1..100 {
        assert_eq!(received(&second).data(), n.to_string());
    }
    assert_eq!((pusher.state(), server.accepted()), (ConnectionState::Connected, 1));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Position {
    x: f32,
    y: f32,
}

/// Publishes data, and returns the number of connections that it reaches.
type Publish<'a> = &'a dyn Fn(&str) -> usize;

#[test]
fn h11_bind_as_decodes_and_reports_data_that_does_not_decode() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver();
    let (report, positions) = mpsc::channel();
    let handler = |handle: &'static str| {
        let report = report.clone();
        move |position: Position, event: &Event| {
            let place = (event.channel().map(str::to_owned), event.name().to_owned());
            report.send((handle, position, place)).unwrap_or_default();
        }
    };
    channel.bind_as_with("moved", handler("channel"));
    pusher.bind_as_with("moved", handler("pusher"));
    pusher.user().bind_as_with("moved", handler("user"));
    let undecoded = || {
        next(&receiver, |notification| match notification {
            Notification::Error(error) => match &*error {
                Error::Decode { channel, event, .. } => Some((channel.clone(), event.clone())),
                _ => None,
            },
            _ => None,
        })
    };
    let own_channel = format!("#server-to-user-{USER}");
    let to_room = |data: &str| server.trigger("room", "moved", data);
    let to_user = |data: &str| server.send_to_user(USER, "moved", data);
    let ways: [(Publish<'_>, &str, [&str; 2]); 2] =
        [(&to_room, "room", ["channel", "pusher"]), (&to_user, &own_channel, ["user", "pusher"])];
    for (send, channel, handles) in ways {
        let place = (Some(channel.to_owned()), "moved".to_owned());
        send(r#"{"x":1.5,"y":-2}"#);
        for handle in handles {
            assert_eq!(received(&positions), (handle, Position { x: 1.5, y: -2.0 }, place.clone()));
        }
        for wrong in [r#"{"x":1.5}"#, "no JSON", ""] {
            send(wrong);
            for handle in handles {
                assert_eq!(undecoded(), place, "{handle}: {wrong}");
            }
        }
        send(r#"{"x":0,"y":0}"#);
        for handle in handles {
            assert_eq!(
                received(&positions),
                (handle, Position { x: 0.0, y: 0.0 }, place.clone()),
                "later events are decoded"
            );
        }
    }
}
