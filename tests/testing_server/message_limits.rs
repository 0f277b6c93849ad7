//! Limits of the number and the size of the messages of a connection.

use std::time::Duration;

use pusher_channels::testing::{OverLimit, Refusals, TestServer, TestServerBuilder};
use tungstenite::Message;

use crate::support::{
    SOON, assert_quiet, connect, is_cut, read_close, read_json, read_text, send, signed_subscriber, subscribe,
    subscribe_signed,
};

const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;
/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3600);

fn start(messages: u32, window: Duration, over_limit: OverLimit) -> TestServer {
    start_with(TestServer::builder(), messages, window, over_limit)
}

fn start_with(builder: TestServerBuilder, messages: u32, window: Duration, over_limit: OverLimit) -> TestServer {
    builder.message_limit(messages, window, over_limit).start().unwrap()
}

#[test]
fn messages_of_every_kind_are_counted_together() {
    let server = start(4, HOUR, OverLimit::Refuse);
    let (mut client, socket_id) = connect(&server);
    send(&mut client, PING);
    assert_eq!(read_json(&mut client)["event"], "pusher:pong");
    subscribe_signed(&server, &mut client, &socket_id, "private-c");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    send(&mut client, r#"{"event":"client-x","channel":"private-c","data":1}"#);
    send(&mut client, "not a valid message");
    let refusal = r#"{"event":"pusher:error","data":{"code":4301,"message":"Rate limit exceeded"}}"#;
    for _ in 0..2 {
        send(&mut client, PING);
        assert_eq!(read_text(&mut client), refusal);
        subscribe(&mut client, "room");
        assert_eq!(read_text(&mut client), refusal);
    }
    assert_eq!(server.subscribers("room"), 0);
    let (mut other, _) = connect(&server);
    send(&mut other, PING);
    assert_eq!(read_json(&mut other)["event"], "pusher:pong", "each connection has its own count");
}

#[test]
fn the_refusal_has_the_shape_of_the_server() {
    let builder = TestServer::builder().refusals(Refusals::Reverb);
    let server = start_with(builder, 0, HOUR, OverLimit::Refuse);
    let (mut client, _) = connect(&server);
    send(&mut client, PING);
    // Recorded from Reverb.
    let refusal = r#"{"event":"pusher:error","data":"{\"code\":4301,\"message\":\"Rate limit exceeded\"}"}"#;
    assert_eq!(read_text(&mut client), refusal);
}

#[test]
fn the_count_starts_again_with_the_next_window() {
    let server = start(2, Duration::from_millis(50), OverLimit::Refuse);
    let (mut client, _) = connect(&server);
    let mut answers = Vec::new();
    // The loop sends more messages than one window allows, until the next windows have begun.
    while answers.iter().filter(|event| *event == "pusher:pong").count() < 5 {
        send(&mut client, PING);
        answers.push(read_json(&mut client)["event"].clone());
    }
    assert_eq!(answers[..2], ["pusher:pong", "pusher:pong"]);
    assert!(answers.iter().any(|event| event == "pusher:error"), "they were sent within two windows");
}

#[test]
fn the_connection_may_end_without_a_frame() {
    let server = start(3, HOUR, OverLimit::Terminate);
    let (mut client, _) = connect(&server);
    for channel in ["a", "b", "c"] {
        subscribe(&mut client, channel);
    }
    for _ in 0..20 {
        send(&mut client, PING);
    }
    for channel in ["a", "b", "c"] {
        assert_eq!(read_json(&mut client)["channel"], channel, "earlier answers arrive");
    }
    assert!(is_cut(&mut client));
    assert!(server.wait_for_connections(0, SOON));
    assert_eq!(server.subscribers("a"), 0);
}

#[test]
fn a_silent_server_does_not_count() {
    let server = start(1, HOUR, OverLimit::Terminate);
    let (mut client, _) = connect(&server);
    server.set_silent(true);
    for _ in 0..10 {
        send(&mut client, PING);
    }
    assert!(server.wait_for(SOON, |state| state.received().count() == 10));
    server.set_silent(false);
    send(&mut client, PING);
    assert_eq!(read_json(&mut client)["event"], "pusher:pong");
}

#[test]
fn a_message_above_the_largest_size_ends_the_connection_with_1009() {
    let server = TestServer::builder().max_message_size(10_000).start().unwrap();
    let (mut client, _) = signed_subscriber(&server, "private-c");
    let (mut other, _) = signed_subscriber(&server, "private-c");
    let message = |length: usize| {
        let frame = r#"{"event":"client-big","channel":"private-c","data":{"s":""}}"#;
        frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    send(&mut client, &message(10_000));
    assert_eq!(read_json(&mut other)["event"], "client-big");
    client.send(Message::text(message(10_001))).unwrap();
    assert_eq!(read_close(&mut client).0, 1009);
    assert_quiet(&mut other);
}
