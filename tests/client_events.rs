//! Rules T: events from client to client.

mod support;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{
    Channel, Config, ConnectionState, Error, Notification, Pusher, Receiver, Reconnect, testing::TestServer,
};
use serde::Serialize;
use support::{PATIENCE, connected, eventually, next, next_error, next_event, quick, server, subscribed};

fn member(server: &TestServer, id: &str) -> (Pusher, Channel) {
    let config = quick(server).auth_endpoint(server.auth_endpoint()).auth_param("user_id", id);
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "presence-room");
    (pusher, channel)
}

fn authorized(server: &TestServer) -> Config {
    quick(server).auth_endpoint(server.auth_endpoint())
}

/// A client in `private-room`, and another one there with its receiver.
fn pair(server: &TestServer, config: Config) -> (Pusher, Channel, Receiver, Pusher) {
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "private-room");
    let other = Pusher::new(authorized(server)).connect().expect("the embedded server accepts");
    subscribed(&other, "private-room");
    (pusher, channel, other.receiver(), other)
}

/// The errors that were reported so far.
fn errors(receiver: &Receiver) -> Vec<Error> {
    let all = receiver.try_iter().collect::<Vec<_>>();
    let errors = all.into_iter().filter_map(|notification| match notification {
        Notification::Error(error) => Some(Error::clone(&error)),
        _ => None,
    });
    errors.collect()
}

#[test]
fn t2_any_value_goes_out_as_its_json_and_carries_the_users_id() {
    #[derive(Serialize)]
    struct Position {
        x: i32,
        name: &'static str,
    }
    let server = server();
    let (_ann, from) = member(&server, "ann");
    let (bob, _) = member(&server, "bob");
    let receiver = bob.receiver();
    from.trigger("client-object", &Position { x: -1, name: "ż\"" }).expect("sent");
    from.trigger("client-text", "plain \"text\"").expect("sent");
    from.trigger("client-number", &7).expect("sent");
    from.trigger("client-null", &()).expect("sent");
    from.trigger("client-large", &"x".repeat(9_000)).expect("sent");
    let expected = [r#"{"x":-1,"name":"ż\""}"#, "plain \"text\"", "7", "null", &"x".repeat(9_000)];
    for data in expected {
        let event = next(&receiver, |notification| match notification {
            Notification::Event(event) => Some(event),
            _ => None,
        });
        assert_eq!((event.data(), event.user_id()), (data, Some("ann")));
    }
}

#[test]
fn t1_an_invalid_client_event_is_an_error_before_anything_is_sent() {
    let server = server();
    let (pusher, channel) = member(&server, "ann");
    subscribed(&pusher, "room");
    let before = server.received().len();
    let too_much = "x".repeat(10_241);
    assert!(matches!(pusher.trigger("room", "client-x", "data"), Err(Error::ClientEventChannel { .. })));
    assert!(matches!(pusher.trigger("a b", "client-x", "data"), Err(Error::ChannelName { .. })));
    assert!(matches!(pusher.trigger("private-x", "client-x", "data"), Err(Error::NotSubscribed { .. })));
    assert!(matches!(channel.trigger("x", "data"), Err(Error::ClientEventName { .. })));
    assert!(matches!(channel.trigger("client-x", &too_much), Err(Error::ClientEventTooLarge { .. })));
    pusher.disconnect();
    assert!(matches!(channel.trigger("client-x", "data"), Err(Error::Disconnected)));
    assert_eq!(server.received().len(), before);
}

#[test]
fn t1_trigger_is_an_error_while_the_client_connects_or_reconnects() {
    let server = server();
    let is_in = |error: &Error, expected| matches!(error, Error::NotConnected { state } if *state == expected);
    let trigger = |pusher: &Pusher| {
        let refused = pusher.trigger("private-room", "client-x", "data");
        refused.expect_err("there is no connection")
    };
    let config = server.config().reconnect(Reconnect::default().min_delay(PATIENCE));
    let pusher = Pusher::new(config.clone()).connect().expect("the embedded server accepts");
    server.drop_all();
    eventually("it reconnects", || pusher.state() == ConnectionState::Reconnecting);
    let error = trigger(&pusher);
    assert!(is_in(&error, ConnectionState::Reconnecting), "{error}");
    assert!(error.to_string().contains("is reconnecting; wait until it is connected"), "{error}");
    assert!(error.is_retryable());

    server.set_silent(true);
    let pusher = Pusher::new(config);
    assert!(matches!(trigger(&pusher), Error::Disconnected));
    pusher.connect_background().expect("the configuration is valid");
    eventually("it connects", || pusher.state() == ConnectionState::Connecting);
    assert!(is_in(&trigger(&pusher), ConnectionState::Connecting));
}

/// A server with a high limit. The client cannot control how long the system takes to deliver a message to it.
fn generous_server() -> TestServer {
    TestServer::builder().client_event_rate(1000).start().expect("a free port")
}

/// The data of the events of a client, with the times at which they arrive.
fn arrivals(pusher: &Pusher) -> mpsc::Receiver<(String, Instant)> {
    let (sender, arrivals) = mpsc::channel();
    // Sending fails after the end of the test.
    pusher.on_event(move |event| sender.send((event.data().to_owned(), Instant::now())).unwrap_or_default());
    arrivals
}

/// Waits for client events whose data are the numbers from 0 on. Asserts that no second had more of them than the
/// limit, with a tolerance of a tenth of a second for the delivery.
fn arrive_in_order_within_the_limit(arrivals: &mpsc::Receiver<(String, Instant)>, count: usize, limit: usize) {
    let mut times = Vec::new();
    for n in 0..count {
        let (data, at) = arrivals.recv_timeout(PATIENCE).expect("each event arrives");
        assert_eq!(data, n.to_string(), "in order");
        times.push(at);
    }
    for window in times.windows(limit + 1) {
        let span = window[limit] - window[0];
        assert!(span > Duration::from_millis(900), "{} events within {span:?}", window.len());
    }
}

#[test]
fn t1_events_over_the_limit_wait_for_their_turn() {
    let server = generous_server();
    let (pusher, channel, _, other) = pair(&server, authorized(&server));
    let (reports, arrivals) = (pusher.receiver(), arrivals(&other));
    let begin = Instant::now();
    let accepted = (0..1000).take_while(|n| channel.trigger("client-x", n).is_ok()).count();
    assert!(begin.elapsed() < Duration::from_secs(1), "trigger does not wait");
    assert!((20..30).contains(&accepted), "ten are sent at once, and ten wait for a second: {accepted}");
    arrive_in_order_within_the_limit(&arrivals, accepted, 10);
    assert!(errors(&reports).is_empty());
}

#[test]
fn t1_the_limit_holds_across_channels() {
    let server = generous_server();
    let pusher = Pusher::new(authorized(&server)).connect().expect("accepted");
    let other = Pusher::new(authorized(&server)).connect().expect("accepted");
    let channels: Vec<_> = (0..20).map(|n| subscribed(&pusher, &format!("private-{n}"))).collect();
    for channel in &channels {
        subscribed(&other, channel.name());
    }
    let arrivals = arrivals(&other);
    for (n, channel) in channels.iter().enumerate() {
        channel.trigger("client-x", &n).expect("it waits for its turn");
    }
    arrive_in_order_within_the_limit(&arrivals, 20, 10);
}

#[test]
fn t1_a_loop_exactly_at_the_limit_gets_no_error() {
    let server = generous_server();
    for limit in [10, 12] {
        let (pusher, channel, _, other) = pair(&server, authorized(&server).client_event_limit(Some(limit)));
        let (reports, arrivals) = (pusher.receiver(), arrivals(&other));
        let begin = Instant::now();
        for n in 0..3 * limit {
            // The loop keeps its own time, as a game does.
            thread::sleep((begin + Duration::from_secs(1) / limit * n).saturating_duration_since(Instant::now()));
            channel.trigger("client-x", &n).expect("no error at the limit");
        }
        arrive_in_order_within_the_limit(&arrivals, 3 * limit as usize, limit as usize);
        assert!(errors(&reports).is_empty());
    }
}

#[test]
fn t1_unsubscribe_a_loss_and_disconnect_drop_the_events_that_wait_and_report_them() {
    let ways: [fn(&TestServer, &Pusher); 3] = [
        |_, pusher| pusher.unsubscribe("private-room"),
        |server, _| assert_eq!(server.drop_all(), 1),
        |_, p| p.disconnect(),
    ];
    for (index, way) in ways.into_iter().enumerate() {
        let server = server();
        // Even with a long patience, an event that waits ends with its channel or its connection.
        let config = authorized(&server).client_event_patience(Duration::from_secs(60));
        let pusher = Pusher::new(config).connect().expect("accepted");
        let channel = subscribed(&pusher, "private-room");
        let reports = pusher.receiver();
        let (sender, handled) = mpsc::channel();
        pusher.on_error(support::send_to(sender));
        for n in 0..30 {
            channel.trigger("client-x", &n).expect("it waits for its turn");
        }
        let sent = |count| move |received: &_| event_number(received) == Some(count);
        assert!(server.wait_for_received(sent(9), PATIENCE), "the first ten are sent at once");
        way(&server, &pusher);
        for _ in 0..20 {
            assert!(matches!(next_error(&reports), Error::NotSubscribed { .. }), "way {index}");
            let handled = handled.recv_timeout(PATIENCE).expect("the handler gets an error for each event");
            assert!(matches!(handled, Error::NotSubscribed { .. }), "way {index}");
        }
        let numbers: Vec<_> = server.received().iter().filter_map(event_number).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "way {index}");
    }
}

/// The number that is the data of a client event.
fn event_number(received: &pusher_channels::testing::Received) -> Option<u32> {
    let message: serde_json::Value = serde_json::from_str(&received.text).ok()?;
    message["event"].as_str()?.starts_with("client-").then(|| message["data"].as_u64()).flatten()?.try_into().ok()
}

#[test]
fn t1_the_limit_and_the_patience_are_options() {
    let server = generous_server();
    let impatient = authorized(&server).client_event_limit(Some(3)).client_event_patience(Duration::ZERO);
    let (_pusher, channel, received, _other) = pair(&server, impatient);
    let accepted = (0..100).take_while(|n| channel.trigger("client-x", n).is_ok()).count();
    assert_eq!(accepted, 3, "only events that are sent at once are accepted");
    assert!(matches!(channel.trigger("client-x", &1), Err(Error::ClientEventRate { limit: 3 })));
    for n in 0..3 {
        assert_eq!(next_event(&received).1, n.to_string());
    }
}

#[test]
fn t1_data_may_be_as_large_as_the_server_allows() {
    let server = TestServer::builder().client_event_size(100 * 1024).start().expect("a free port");
    let large = "x".repeat(20 * 1024);
    for (size, refused_above) in [(Some(100 * 1024), Some(100 * 1024)), (None, None), (Some(5), Some(5))] {
        let (_pusher, channel, received, _other) = pair(&server, authorized(&server).client_event_size(size));
        let fits = size.is_none_or(|size| size >= large.len());
        match channel.trigger("client-x", &large) {
            Ok(()) if fits => assert_eq!(next_event(&received).1, large),
            Err(Error::ClientEventTooLarge { size: 20_480, limit: 5 }) if !fits => {}
            other => panic!("{size:?}: {other:?}"),
        }
        let too_large = refused_above.map(|size| channel.trigger("client-x", &"x".repeat(size + 1)));
        assert!(too_large.is_none_or(|result| matches!(result, Err(Error::ClientEventTooLarge { .. }))));
    }
}

#[test]
fn t1_a_number_that_json_does_not_have_is_an_error_before_anything_is_sent() {
    let server = server();
    let (_pusher, channel, received, _other) = pair(&server, authorized(&server));
    for numbers in [[f64::NAN, f64::INFINITY], [0.5, f64::NEG_INFINITY]] {
        let refused = channel.trigger("client-x", &numbers).expect_err("JSON does not have this number");
        assert!(matches!(refused, Error::Encode { .. }), "{refused:?}");
    }
    channel.trigger("client-x", &[0.5, 1.0]).expect("JSON has these numbers");
    assert_eq!(next_event(&received).1, "[0.5,1.0]", "nothing was sent before");
}

#[test]
fn t1_without_a_limit_the_server_decides() {
    let server = server();
    let unlimited = Pusher::new(authorized(&server).client_event_limit(None)).connect().expect("accepted");
    let receiver = unlimited.receiver();
    let channel = subscribed(&unlimited, "private-room");
    for _ in 0..50 {
        channel.trigger("client-x", &1).expect("the client sets no limit");
    }
    let refused = next_error(&receiver);
    assert_eq!(refused.code(), Some(4301), "T2: a refusal of the server is reported");
    let Error::ClientEventRefused { channel, event, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((channel.as_deref(), event.as_deref()), (Some("private-room"), Some("client-x")));
}

#[test]
fn t1_the_number_of_events_that_wait_is_bounded() {
    let server = server();
    let config = authorized(&server).client_event_limit(None);
    let pusher = Pusher::new(config).connect().expect("accepted");
    let channel = subscribed(&pusher, "private-room");
    server.set_stalled(true);
    let data = "x".repeat(10_000);
    let refused = (0..100_000).find_map(|_| channel.trigger("client-x", &data).err());
    assert!(matches!(refused, Some(Error::ClientEventQueueFull { waiting: 1024 })), "{refused:?}");
}

#[test]
fn t1_a_channel_that_is_not_subscribed_is_an_error() {
    let server = server();
    let pusher = connected(&server);
    assert!(matches!(pusher.trigger("private-room", "client-x", "data"), Err(Error::NotSubscribed { .. })));
}
