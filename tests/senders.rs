//! Handlers that are the sending halves of channels, and closures that get data decoded.

mod support;

use std::{
    fmt::Debug,
    iter,
    ops::ControlFlow,
    sync::{Arc, mpsc},
};

use pusher_channels::{
    Channel, ConnectionState, ConnectionStateChange, Error, Event, Handler, MemberChange, Notification, Pusher,
    SubscriptionCount, SubscriptionError, SubscriptionSucceeded, WatchlistEvent, testing::TestServer,
};
use serde::Deserialize;
use support::{PATIENCE, connected, eventually, next, next_event, quick, server, subscribed};

const USER: &str = "ann";

/// A client of a user who is signed in, with one subscribed channel.
fn room() -> (TestServer, Pusher, Channel) {
    let server = TestServer::builder().subscription_counts(true).start().expect("a free port on loopback");
    let config = quick(&server).secret(server.secret()).user_data(serde_json::json!({"id": USER}));
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "room");
    pusher.sign_in().expect("who the user is was configured");
    // From then on the server has a channel for what is sent to the user.
    assert!(server.wait_for_subscribers(&format!("#server-to-user-{USER}"), 1, PATIENCE));
    (server, pusher, channel)
}

fn told<T: Debug>(tells: &mpsc::Receiver<T>) -> T {
    tells.recv_timeout(PATIENCE).expect("told in time")
}

#[test]
fn senders_of_three_kinds_are_handlers_of_events() {
    let (server, pusher, channel) = room();
    let (sender, unbounded) = mpsc::channel::<Event>();
    channel.bind("e", sender);
    let (sender, bounded) = mpsc::sync_channel::<Event>(1);
    pusher.on_event(sender);
    let (sender, crossbeam) = crossbeam_channel::bounded::<Event>(1);
    pusher.bind("e", sender);
    for n in 0..100 {
        server.trigger("room", "e", &n);
    }
    for n in 0..100 {
        let heard = [told(&unbounded), told(&bounded), crossbeam.recv_timeout(PATIENCE).expect("told in time")];
        assert_eq!(heard.map(|event| event.json::<u32>().ok()), [Some(n); 3]);
    }
}

#[test]
fn a_sender_hears_of_whatever_a_closure_hears_of() {
    let (server, pusher, channel) = room();
    let (sender, states) = mpsc::channel::<ConnectionStateChange>();
    pusher.on_connection_state_change(sender);
    let (sender, errors) = mpsc::channel::<Error>();
    pusher.on_error(sender);
    let (sender, succeeded) = mpsc::channel::<SubscriptionSucceeded>();
    channel.on_subscription_succeeded(sender);
    let (sender, failed) = mpsc::channel::<SubscriptionError>();
    pusher.on_subscription_error(sender);
    let (sender, counts) = mpsc::channel::<SubscriptionCount>();
    channel.on_subscription_count(sender);
    // What is borrowed as a `str` is owned as a `String`.
    let (sender, misses) = mpsc::channel::<String>();
    pusher.on_cache_miss(sender);
    let (sender, users) = mpsc::channel::<String>();
    pusher.user().on_signed_in(sender);
    let (sender, events_of_the_user) = mpsc::channel::<Event>();
    pusher.user().bind_all(sender);
    let (sender, watched) = mpsc::channel::<WatchlistEvent>();
    pusher.user().on_watchlist(sender);
    let (sender, added) = mpsc::channel::<MemberChange>();
    pusher.on_member_added(sender);

    assert_eq!(told(&succeeded).channel, "room", "for what is subscribed already");
    pusher.user().wait_signed_in(PATIENCE).expect("confirmed");
    server.send_raw("nonsense");
    assert!(matches!(told(&errors), Error::BadMessage { .. }));
    pusher.channel("private-no").expect("a valid name").subscribe_with_auth(pusher_channels::ChannelAuth::new("k:s"));
    assert_eq!(told(&failed).channel.as_deref(), Some("private-no"));
    pusher.subscribe("cache-room").expect("a valid name");
    assert_eq!(told(&misses), "cache-room");
    server.send_to_user(USER, "e", "x");
    assert_eq!(
        iter::repeat_with(|| told(&events_of_the_user)).find(|event| event.name() == "e").expect("told").data(),
        "x"
    );
    let data = r#"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"bob\"]}]}"#;
    server.send_raw(&format!(r#"{{"event":"pusher_internal:watchlist_events","data":"{data}"}}"#));
    assert_eq!(told(&watched).name, "online");
    subscribed(&pusher, "presence-room");
    let data = r#"{\"user_id\":\"bob\",\"user_info\":null}"#;
    let member = r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":"#;
    server.send_raw(&format!(r#"{member}"{data}"}}"#));
    assert_eq!(told(&added).member.id(), "bob");
    server.drop_all();
    // What had happened before may have waited to be told when the sender was bound.
    let reconnecting = |change: &ConnectionStateChange| change.current == ConnectionState::Reconnecting;
    assert!(iter::repeat_with(|| told(&states)).any(|change| reconnecting(&change)));
    assert_eq!(told(&counts).count, 1);
    assert_eq!(told(&users), USER);
}

/// A handler that shows whether it still exists.
struct Shown<H> {
    handler: H,
    _life: Arc<()>,
}

impl<H: Handler<Event>> Handler<Event> for Shown<H> {
    fn handle(&mut self, event: &Event) -> ControlFlow<()> {
        self.handler.handle(event)
    }
}

#[test]
fn a_sender_whose_receiver_is_gone_unbinds_itself() {
    fn goes<H: Handler<Event>>(what: &str, make: impl Fn() -> (H, Box<dyn Send>)) {
        let (server, pusher, channel) = room();
        let (sender, others) = mpsc::channel::<Event>();
        let ((handler, receiver), life) = (make(), Arc::new(()));
        let alive = Arc::downgrade(&life);
        let binding = channel.bind("e", Shown { handler, _life: life });
        channel.bind("e", sender);
        server.trigger("room", "e", "1");
        assert_eq!(told(&others).data(), "1");
        assert_eq!(alive.strong_count(), 1, "{what}: while somebody receives");
        drop(receiver);
        server.trigger("room", "e", "2");
        assert_eq!(told(&others).data(), "2", "{what}: the others go on");
        eventually(&format!("{what}: the handler is dropped"), || alive.strong_count() == 0);
        server.trigger("room", "e", "3");
        assert_eq!(told(&others).data(), "3");
        // There is nothing left to unbind, and no harm in it.
        pusher.unbind(binding);
        assert_eq!(pusher.stats().dropped, 0);
    }
    goes("Sender", || {
        let (sender, receiver) = mpsc::channel::<Event>();
        (sender, Box::new(receiver))
    });
    goes("SyncSender", || {
        let (sender, receiver) = mpsc::sync_channel::<Event>(10);
        (sender, Box::new(receiver))
    });
    goes("crossbeam's Sender", || {
        let (sender, receiver) = crossbeam_channel::unbounded::<Event>();
        (sender, Box::new(receiver))
    });
}

/// Handlers wait for room, and nobody else does.
#[test]
fn h3_a_full_sender_holds_only_the_handlers_up() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    let (sender, first) = mpsc::sync_channel::<Event>(1);
    let (told_second, second) = mpsc::channel::<Event>();
    let channel = pusher.channel("room").expect("a valid name");
    channel.bind("e", sender);
    channel.bind("e", told_second);
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
    assert_eq!(told(&second).data(), "0");
    assert!(second.try_recv().is_err(), "the second handler has its turn after the first");
    for n in 0..100 {
        assert_eq!(told(&first).data(), n.to_string());
    }
    for n in 1..100 {
        assert_eq!(told(&second).data(), n.to_string());
    }
    assert_eq!((pusher.state(), server.accepted()), (ConnectionState::Connected, 1));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Position {
    x: f32,
    y: f32,
}

/// Publishes data, and returns to how many connections.
type Publish<'a> = &'a dyn Fn(&str) -> usize;

#[test]
fn bind_as_decodes_and_reports_what_does_not_fit() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver();
    let (told_of, positions) = mpsc::channel();
    let tell = |handle: &'static str| {
        let told_of = told_of.clone();
        move |position: Position, event: &Event| {
            let place = (event.channel().map(str::to_owned), event.name().to_owned());
            told_of.send((handle, position, place)).unwrap_or_default();
        }
    };
    channel.bind_as("moved", tell("channel"));
    pusher.bind_as("moved", tell("pusher"));
    pusher.user().bind_as("moved", tell("user"));
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
            assert_eq!(told(&positions), (handle, Position { x: 1.5, y: -2.0 }, place.clone()));
        }
        for unfit in [r#"{"x":1.5}"#, "no JSON", ""] {
            send(unfit);
            for handle in handles {
                assert_eq!(undecoded(), place, "{handle}: {unfit}");
            }
        }
        send(r#"{"x":0,"y":0}"#);
        for handle in handles {
            assert_eq!(told(&positions), (handle, Position { x: 0.0, y: 0.0 }, place.clone()), "it goes on");
        }
    }
}

#[test]
fn a_handler_of_errors_that_has_enough_is_dropped_too() {
    struct Once(Arc<()>);
    impl Handler<Error> for Once {
        fn handle(&mut self, _: &Error) -> ControlFlow<()> {
            assert_eq!(Arc::strong_count(&self.0), 1);
            ControlFlow::Break(())
        }
    }
    let (server, pusher, _channel) = room();
    let (sender, errors) = mpsc::channel::<Error>();
    let life = Arc::new(());
    let alive = Arc::downgrade(&life);
    pusher.on_error(Once(life));
    pusher.on_error(sender);
    server.send_raw("no JSON");
    assert!(matches!(told(&errors), Error::BadMessage { .. }));
    eventually("it is dropped", || alive.strong_count() == 0);
}
