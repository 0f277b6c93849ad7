//! Channels that need a signature, and the refusals of a wrong one.

use pusher_channels::testing::{Refusals, TestServer};
use serde_json::json;

use crate::support::{
    assert_quiet, connect, join, read_close, read_json, read_text, send, sign_in, signed_subscriber, start, subscribe,
    subscribe_signed,
};

fn refusing(refusals: Refusals) -> TestServer {
    TestServer::builder().refusals(refusals).start().unwrap()
}

/// A sign-in with a wrong signature, as in the recorded traffic.
const BAD_SIGN_IN: &str = r#"{"event":"pusher:signin","data":{"auth":"app-key:bad","user_data":"{\"id\":\"z\"}"}}"#;
const BAD_SUBSCRIPTION: &str = r#"{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"app-key:0000000000000000000000000000000000000000000000000000000000000000"}}"#;

#[test]
fn signatures_are_those_of_the_documentation() {
    let server = TestServer::builder().app("3", "278d425bdf160c739803", "7ad3773142a6692b25b8").start().unwrap();
    assert_eq!(
        server.sign_channel("1234.1234", "private-foobar", None),
        "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    );
    assert_eq!(
        server.sign_channel(
            "1234.1234",
            "presence-foobar",
            Some(r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#)
        ),
        "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    );
    assert_eq!(
        server.sign_user("1234.1234", r#"{"id":"12345"}"#),
        "278d425bdf160c739803:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    );
}

#[test]
fn a_signed_subscription_is_confirmed() {
    let server = start();
    for channel in ["private-x", "private-encrypted-x"] {
        let (mut client, socket_id) = connect(&server);
        subscribe_signed(&server, &mut client, &socket_id, channel);
        let confirmed = format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}"}}"#);
        assert_eq!(read_text(&mut client), confirmed);
        assert_eq!(server.trigger(channel, "e", "x"), 1);
    }
}

#[test]
fn a_wrong_or_missing_signature_is_refused_for_its_channel() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    let refusal = r#"{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"The connection is unauthorized.","status":401}}"#;
    send(&mut client, BAD_SUBSCRIPTION);
    assert_eq!(read_text(&mut client), refusal);
    subscribe(&mut client, "private-x");
    assert_eq!(read_text(&mut client), refusal);
    assert_eq!(server.subscribers("private-x"), 0);
    subscribe_signed(&server, &mut client, &socket_id, "private-x");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
}

#[test]
fn a_signature_for_another_socket_is_refused() {
    let server = start();
    let (_first, stale) = connect(&server);
    let (mut client, _) = connect(&server);
    subscribe_signed(&server, &mut client, &stale, "private-x");
    assert_eq!(read_json(&mut client)["data"]["status"], 401);
}

#[test]
fn channel_data_other_than_the_signed_one_is_refused() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    let auth = server.sign_channel(&socket_id, "presence-x", Some(r#"{"user_id":"1"}"#));
    let data = json!({"channel": "presence-x", "auth": auth, "channel_data": r#"{"user_id":"2"}"#});
    send(&mut client, &json!({"event": "pusher:subscribe", "data": data}).to_string());
    assert_eq!(read_json(&mut client)["data"]["status"], 401);
}

#[test]
fn channel_data_without_a_user_is_refused() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    for data in ["{}", "nonsense", "[]", r#"{"user_id":null}"#] {
        join(&server, &mut client, &socket_id, "presence-x", data);
        let refusal = read_json(&mut client);
        assert_eq!(refusal["event"], "pusher:subscription_error");
        assert_eq!(refusal["data"]["status"], 4302, "{data}");
    }
}

#[test]
fn invalid_names_are_refused_with_the_messages_of_soketi() {
    let server = start();
    let (mut client, _) = connect(&server);
    subscribe(&mut client, "bad name!");
    assert_eq!(
        read_text(&mut client),
        r#"{"event":"pusher:subscription_error","channel":"bad name!","data":{"error":"The channel name is not allowed. Read channel conventions: https://pusher.com/docs/channels/using_channels/channels/#channel-naming-conventions","status":4009}}"#
    );
    subscribe(&mut client, &"x".repeat(201));
    let refusal = read_json(&mut client);
    assert_eq!(
        refusal["data"],
        json!({"type": "LimitReached", "error": "The channel name is longer than the allowed 200 characters.", "status": 4009})
    );
}

#[test]
fn reverb_refuses_without_a_channel_and_with_data_in_a_string() {
    let server = refusing(Refusals::Reverb);
    let (mut client, socket_id) = connect(&server);
    send(&mut client, BAD_SUBSCRIPTION);
    assert_eq!(
        read_text(&mut client),
        r#"{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}"#
    );
    send(&mut client, BAD_SIGN_IN);
    assert_eq!(
        read_text(&mut client),
        r#"{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}"#
    );
    subscribe_signed(&server, &mut client, &socket_id, "private-x");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
}

#[test]
fn sockudo_refuses_without_a_channel_and_with_an_object() {
    let server = refusing(Refusals::Sockudo);
    let (mut client, socket_id) = connect(&server);
    for message in [BAD_SUBSCRIPTION, BAD_SIGN_IN] {
        send(&mut client, message);
        let error = read_json(&mut client);
        assert_eq!(error["event"], "pusher:error");
        assert_eq!(error["data"]["code"], 4009);
        assert!(error.get("channel").is_none());
    }
    sign_in(&server, &mut client, &socket_id, r#"{"id":"z"}"#);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
}

#[test]
fn soketi_closes_after_a_refused_sign_in() {
    let server = start();
    let (mut client, _) = connect(&server);
    send(&mut client, BAD_SIGN_IN);
    assert_eq!(
        read_text(&mut client),
        r#"{"event":"pusher:error","data":{"code":4009,"message":"Connection not authorized."}}"#
    );
    assert_eq!(read_close(&mut client), (4009, String::new()));
}

#[test]
fn a_silent_server_does_not_refuse() {
    let server = start();
    let (mut client, _) = signed_subscriber(&server, "private-x");
    server.set_silent(true);
    send(&mut client, BAD_SUBSCRIPTION);
    send(&mut client, BAD_SIGN_IN);
    assert_quiet(&mut client);
}
