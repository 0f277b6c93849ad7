//! Subscribing to public channels, and publishing to them.

use std::thread;

use pusher_channels::testing::TestServer;
use serde_json::json;

use crate::support::{SOON, assert_quiet, connect, read_json, read_text, send, start, subscribe, subscriber};

#[test]
fn an_event_reaches_the_subscribers_of_its_channel_only() {
    let server = start();
    let (mut one, _) = subscriber(&server, "room");
    let (mut two, _) = subscriber(&server, "room");
    let (mut other, _) = subscriber(&server, "elsewhere");
    assert_eq!(server.trigger("room", "my-event", "hello"), 2);
    for client in [&mut one, &mut two] {
        assert_eq!(read_text(client), r#"{"event":"my-event","channel":"room","data":"hello"}"#);
    }
    assert_quiet(&mut other);
    assert_eq!(server.trigger("nobody", "my-event", "hello"), 0);
}

#[test]
fn data_other_than_a_string_is_sent_as_json_in_a_string() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    server.trigger("room", "e", &json!({"a": 1, "s": "żółć"}));
    assert_eq!(read_text(&mut client), r#"{"event":"e","channel":"room","data":"{\"a\":1,\"s\":\"żółć\"}"}"#);
}

#[test]
fn an_unsubscribed_channel_gets_no_events() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    send(&mut client, r#"{"event":"pusher:unsubscribe","data":{"channel":"room"}}"#);
    assert!(server.wait_for_subscribers("room", 0, SOON));
    assert_eq!(server.trigger("room", "e", "x"), 0);
    assert_quiet(&mut client);
}

#[test]
fn a_repeated_subscription_is_confirmed_and_counts_once() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    subscribe(&mut client, "room");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    assert_eq!(server.subscribers("room"), 1);
}

#[test]
fn channels_that_need_authorization_are_refused() {
    let server = start();
    let (mut client, _) = connect(&server);
    for channel in ["private-x", "presence-x", "private-encrypted-x"] {
        subscribe(&mut client, channel);
        let message = read_json(&mut client);
        assert_eq!(message["event"], "pusher:subscription_error");
        assert_eq!(message["channel"], channel);
        assert_eq!(message["data"]["type"], "AuthError");
        assert_eq!(message["data"]["status"], 401);
    }
    assert_eq!(server.subscribers("private-x"), 0);
}

#[test]
fn the_subscriptions_of_a_closed_connection_end() {
    let server = start();
    let (client, _) = subscriber(&server, "room");
    drop(client);
    assert!(server.wait_for_subscribers("room", 0, SOON));
}

#[test]
fn events_of_one_publisher_arrive_in_order() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    let publisher = server.publisher();
    let publishing = thread::spawn(move || {
        for n in 0..10_000 {
            publisher.trigger("room", "n", &n);
        }
    });
    for n in 0..10_000 {
        assert_eq!(read_json(&mut client)["data"], n.to_string());
    }
    publishing.join().unwrap();
}

#[test]
fn a_publisher_outlives_the_server() {
    let server = start();
    let publisher = server.publisher();
    drop(server);
    assert_eq!(publisher.trigger("room", "e", "x"), 0);
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_does_not_delay_others() {
    let server = TestServer::builder().queue_limit(1 << 20).start().unwrap();
    let (_slow, _) = subscriber(&server, "room");
    let (mut quick, _) = subscriber(&server, "room");
    let data = "x".repeat(100_000);
    let mut rounds = 0;
    while server.subscribers("room") == 2 {
        assert!(server.trigger("room", "e", &data) >= 1);
        assert_eq!(read_json(&mut quick)["event"], "e");
        rounds += 1;
        assert!(rounds < 10_000, "the slow client is never dropped");
    }
    assert_eq!(server.trigger("room", "last", "x"), 1);
    assert_eq!(read_json(&mut quick)["event"], "last");
}
