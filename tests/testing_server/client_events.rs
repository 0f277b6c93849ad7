//! Events from client to client.

use pusher_channels::testing::{ClientEventRules, Refusals, TestServer, TestServerBuilder};
use serde_json::json;

use crate::support::{
    Client, SOON, assert_quiet, connect, member, read_json, read_text, send, signed_subscriber, start,
    subscribe_signed, subscriber,
};

/// Two subscribers of `private-c`.
fn pair(server: &TestServer) -> (Client, Client) {
    (signed_subscriber(server, "private-c").0, signed_subscriber(server, "private-c").0)
}

fn pair_with(builder: TestServerBuilder) -> (TestServer, Client, Client) {
    let server = builder.start().unwrap();
    let (first, second) = pair(&server);
    (server, first, second)
}

#[test]
fn client_events_reach_the_other_subscribers_unchanged() {
    let server = start();
    let (mut a, mut b) = pair(&server);
    // Recorded from soketi.
    for text in [
        r#"{"event":"client-hi","channel":"private-c","data":{"x":1}}"#,
        r#"{"event":"client-str","channel":"private-c","data":"{\"x\":1}"}"#,
        r#"{"event":"client-raw","channel":"private-c","data":"plain"}"#,
        r#"{"event":"client-num","channel":"private-c","data":5}"#,
        r#"{"event":"client-nodata","channel":"private-c"}"#,
        r#"{"event":"client-null","channel":"private-c","data":null}"#,
    ] {
        send(&mut a, text);
        assert_eq!(read_text(&mut b), text);
    }
    assert_quiet(&mut a);
}

#[test]
fn client_events_on_presence_channels_carry_the_user_id() {
    let server = start();
    let (mut a, _) = member(&server, "presence-c", r#"{"user_id":"ua"}"#);
    let (mut b, _) = member(&server, "presence-c", r#"{"user_id":"ub"}"#);
    send(&mut a, r#"{"event":"client-p","channel":"presence-c","data":{"y":2}}"#);
    assert_eq!(read_text(&mut b), r#"{"event":"client-p","channel":"presence-c","data":{"y":2},"user_id":"ua"}"#);
}

#[test]
fn client_events_on_public_encrypted_and_unsubscribed_channels_are_dropped() {
    let server = start();
    let (mut public, socket_id) = subscriber(&server, "room");
    subscribe_signed(&server, &mut public, &socket_id, "private-encrypted-x");
    assert_eq!(read_json(&mut public)["event"], "pusher_internal:subscription_succeeded");
    let (mut other, _) = signed_subscriber(&server, "private-encrypted-x");
    let (mut private, _) = signed_subscriber(&server, "private-c");
    for channel in ["room", "private-encrypted-x", "private-c", "nowhere"] {
        send(&mut public, &json!({"event": "client-x", "channel": channel, "data": {}}).to_string());
    }
    send(&mut public, r#"{"event":"not-client","channel":"private-encrypted-x","data":{}}"#);
    assert!(server.wait_for(SOON, |state| state.ignored() == 5));
    for client in [&mut public, &mut other, &mut private] {
        assert_quiet(client);
    }
}

#[test]
fn the_eleventh_client_event_within_a_second_is_answered_with_an_error() {
    // On a slow machine a second could pass before the eleventh is sent, but not before 200 are.
    let server = start();
    let (mut a, mut b) = pair(&server);
    for _ in 0..200 {
        send(&mut a, r#"{"event":"client-x","channel":"private-c","data":1}"#);
    }
    for _ in 0..10 {
        assert_eq!(read_json(&mut b)["event"], "client-x");
    }
    assert_eq!(
        read_text(&mut a),
        r#"{"event":"pusher:error","channel":"private-c","data":{"code":4301,"message":"The rate limit for sending client events exceeded the quota."}}"#
    );
}

#[test]
fn the_client_event_rate_is_configurable() {
    let (_server, mut a, mut b) = pair_with(TestServer::builder().client_event_rate(0));
    send(&mut a, r#"{"event":"client-x","channel":"private-c","data":1}"#);
    assert_eq!(read_json(&mut a)["data"]["code"], 4301);
    assert_quiet(&mut b);
}

#[test]
fn data_above_the_limit_is_answered_with_an_error() {
    let server = start();
    let (mut a, mut b) = pair(&server);
    let event = |length| json!({"event": "client-big", "channel": "private-c", "data": "x".repeat(length)}).to_string();
    send(&mut a, &event(10_241));
    assert_eq!(
        read_text(&mut a),
        r#"{"event":"pusher:error","channel":"private-c","data":{"code":4301,"message":"The event data should be less than 10 KB."}}"#
    );
    send(&mut a, &event(10_240));
    assert_eq!(read_json(&mut b)["data"].as_str().unwrap().len(), 10_240);
}

#[test]
fn the_client_event_size_is_configurable() {
    let (_server, mut a, mut b) = pair_with(TestServer::builder().client_event_size(100_000));
    send(&mut a, &json!({"event": "client-big", "channel": "private-c", "data": "x".repeat(90_000)}).to_string());
    assert_eq!(read_json(&mut b)["event"], "client-big");
}

#[test]
fn client_events_can_be_switched_off() {
    let (_server, mut a, mut b) = pair_with(TestServer::builder().client_events(false));
    send(&mut a, r#"{"event":"client-x","channel":"private-c","data":1}"#);
    let error = read_json(&mut a);
    assert_eq!((&error["event"], &error["data"]["code"]), (&json!("pusher:error"), &json!(4301)));
    assert_quiet(&mut b);
}

#[test]
fn an_unsubscribed_client_cannot_send() {
    let server = start();
    let (mut client, _) = connect(&server);
    let (mut other, _) = signed_subscriber(&server, "private-c");
    send(&mut client, r#"{"event":"client-x","channel":"private-c","data":1}"#);
    assert!(server.wait_for(SOON, |state| state.ignored() == 1));
    assert_quiet(&mut other);
}

#[test]
fn the_user_id_of_client_events_can_be_switched_off() {
    let server = TestServer::builder().client_event_user_ids(false).start().unwrap();
    let (mut a, _) = member(&server, "presence-c", r#"{"user_id":"ua"}"#);
    let (mut b, _) = member(&server, "presence-c", r#"{"user_id":"ub"}"#);
    let text = r#"{"event":"client-p","channel":"presence-c","data":{"y":2}}"#;
    send(&mut a, text);
    assert_eq!(read_text(&mut b), text);
}

fn as_reverb() -> TestServerBuilder {
    TestServer::builder().refusals(Refusals::Reverb).client_event_rules(ClientEventRules::Reverb)
}

/// `pusher:error` as Reverb sends it.
fn reverb_error(code: u16, message: &str) -> String {
    let data = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    format!(r#"{{"event":"pusher:error","data":{}}}"#, json!(data))
}

#[test]
fn reverb_passes_null_objects_and_arrays_on() {
    let (_server, mut a, mut b) = pair_with(as_reverb());
    // Recorded from Reverb.
    for (sent, arrives) in [
        (r#"{"x":1}"#, r#"{"x":1}"#),
        (r#"[1,"zwei",null]"#, r#"[1,"zwei",null]"#),
        ("null", "null"),
        (r#""{\"x\":1}""#, r#"{"x":1}"#),
        (r#""[1]""#, "[1]"),
        (r#""null""#, "null"),
        (r#""""#, r#""""#),
    ] {
        send(&mut a, &format!(r#"{{"event":"client-x","channel":"private-c","data":{sent}}}"#));
        assert_eq!(read_text(&mut b), format!(r#"{{"event":"client-x","channel":"private-c","data":{arrives}}}"#));
    }
    send(&mut a, r#"{"event":"client-x","channel":"private-c"}"#);
    assert_eq!(read_text(&mut b), r#"{"event":"client-x","channel":"private-c","data":null}"#);
    assert_quiet(&mut a);
}

#[test]
fn reverb_refuses_bare_texts_numbers_and_booleans() {
    let (_server, mut a, mut b) = pair_with(as_reverb());
    for data in [r#""plain""#, "5", "1.5", "true", "false", r#""5""#, r#""\"q\"""#, r#""true""#] {
        send(&mut a, &format!(r#"{{"event":"client-x","channel":"private-c","data":{data}}}"#));
        assert_eq!(read_text(&mut a), reverb_error(4200, "Invalid message format"), "{data}");
    }
    assert_quiet(&mut b);
}

#[test]
fn reverb_accepts_client_events_on_channels_of_every_kind() {
    let server = as_reverb().start().unwrap();
    let (mut a, _) = subscriber(&server, "room");
    let (mut b, _) = subscriber(&server, "room");
    send(&mut a, r#"{"event":"client-x","channel":"room","data":{}}"#);
    assert_eq!(read_json(&mut b)["event"], "client-x");
    send(&mut a, r#"{"event":"client-x","channel":"private-c","data":{}}"#);
    assert_eq!(read_text(&mut a), reverb_error(4009, "The client is not a member of the specified channel."));
    for _ in 0..50 {
        send(&mut a, r#"{"event":"client-x","channel":"room","data":{}}"#);
        assert_eq!(read_json(&mut b)["event"], "client-x", "there is no limit for client events only");
    }
}

#[test]
fn reverb_names_no_channel_when_client_events_are_switched_off() {
    let (_server, mut a, mut b) = pair_with(as_reverb().client_events(false));
    send(&mut a, r#"{"event":"client-x","channel":"private-c","data":{}}"#);
    assert_eq!(read_text(&mut a), reverb_error(4301, "The app does not have client messaging enabled."));
    assert_quiet(&mut b);
}
