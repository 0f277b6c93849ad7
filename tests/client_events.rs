//! Rules T: events from client to client.

mod support;

use pusher_channels::{Channel, Error, Notification, Pusher, testing::TestServer};
use serde::Serialize;
use support::{connected, next, next_error, quick, server, subscribed};

fn member(server: &TestServer, id: &str) -> (Pusher, Channel) {
    let config = quick(server).auth_endpoint(server.auth_endpoint()).auth_param("user_id", id);
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "presence-room");
    (pusher, channel)
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
        let event = next(&receiver, |told| match told {
            Notification::Event(event) => Some(event),
            _ => None,
        });
        assert_eq!((event.data(), event.user_id()), (data, Some("ann")));
    }
}

#[test]
fn t1_what_cannot_be_sent_is_an_error_before_anything_is_sent() {
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
fn t1_the_rate_is_limited_locally_or_not_at_all() {
    let server = server();
    let (_ann, channel) = member(&server, "ann");
    let sent = (0..20).take_while(|_| channel.trigger("client-x", &1).is_ok()).count();
    assert!((10..20).contains(&sent), "{sent}");
    assert!(matches!(channel.trigger("client-x", &1), Err(Error::ClientEventRate { limit: 10 })));

    let config = quick(&server).auth_endpoint(server.auth_endpoint()).client_event_limit(None);
    let unlimited = Pusher::new(config).connect().expect("accepted");
    let receiver = unlimited.receiver();
    let channel = subscribed(&unlimited, "private-room");
    for _ in 0..50 {
        channel.trigger("client-x", &1).expect("the client sets no limit");
    }
    let refused = next_error(&receiver);
    assert_eq!(refused.code(), Some(4301), "T2: what the server refuses is reported");
    let Error::ClientEventRefused { channel, event, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((channel.as_deref(), event.as_deref()), (Some("private-room"), Some("client-x")));
}

#[test]
fn t1_what_waits_to_be_sent_is_bounded() {
    let server = server();
    let config = quick(&server).auth_endpoint(server.auth_endpoint()).client_event_limit(None);
    let pusher = Pusher::new(config).connect().expect("accepted");
    let channel = subscribed(&pusher, "private-room");
    server.set_stalled(true);
    let data = "x".repeat(10_000);
    let refused = (0..100_000).find_map(|_| channel.trigger("client-x", &data).err());
    assert!(matches!(refused, Some(Error::ClientEventQueueFull { waiting: 1024 })), "{refused:?}");
}

#[test]
fn t1_unauthorised_clients_are_told_so() {
    let server = server();
    let pusher = connected(&server);
    assert!(matches!(pusher.trigger("private-room", "client-x", "data"), Err(Error::NotSubscribed { .. })));
}
