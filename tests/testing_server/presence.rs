//! Members of presence channels.

use pusher_channels::testing::TestServer;
use serde_json::json;

use crate::support::{
    Client, SOON, assert_quiet, connect, join, member, read_json, read_text, send, sign_in, start, subscribe_signed,
};

const ANN: &str = r#"{"user_id":"u1","user_info":{"name":"Ann"}}"#;
const BOB: &str = r#"{"user_id":"u2","user_info":{"name":"Bob"}}"#;

fn enter(server: &TestServer, channel_data: &str) -> Client {
    member(server, "presence-room", channel_data).0
}

#[test]
fn members_see_each_other_as_recorded_from_soketi() {
    let server = start();
    let (mut ann, socket_id) = connect(&server);
    join(&server, &mut ann, &socket_id, "presence-room", ANN);
    assert_eq!(
        read_text(&mut ann),
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{\"presence\":{\"ids\":[\"u1\"],\"hash\":{\"u1\":{\"name\":\"Ann\"}},\"count\":1}}"}"#
    );
    let (mut bob, socket_id) = connect(&server);
    join(&server, &mut bob, &socket_id, "presence-room", BOB);
    assert_eq!(
        read_text(&mut bob),
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{\"presence\":{\"ids\":[\"u1\",\"u2\"],\"hash\":{\"u1\":{\"name\":\"Ann\"},\"u2\":{\"name\":\"Bob\"}},\"count\":2}}"}"#
    );
    assert_eq!(
        read_text(&mut ann),
        r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"u2\",\"user_info\":{\"name\":\"Bob\"}}"}"#
    );
    send(&mut bob, r#"{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}"#);
    assert_eq!(
        read_text(&mut ann),
        r#"{"event":"pusher_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"u2\"}"}"#
    );
}

#[test]
fn several_connections_of_a_user_are_one_member() {
    let server = start();
    let mut ann = enter(&server, ANN);
    let first = enter(&server, BOB);
    assert_eq!(read_json(&mut ann)["event"], "pusher_internal:member_added");
    let (second, confirmed) = member(&server, "presence-room", BOB);
    assert_eq!(confirmed["presence"]["count"], 2);
    assert_eq!((server.members("presence-room"), server.subscribers("presence-room")), (2, 3));
    drop(first);
    assert!(server.wait_for_subscribers("presence-room", 2, SOON));
    assert_quiet(&mut ann);
    drop(second);
    assert_eq!(read_json(&mut ann)["event"], "pusher_internal:member_removed");
    assert!(server.wait_for(SOON, |state| state.members("presence-room") == 1));
}

#[test]
fn numeric_ids_pass_through() {
    let server = start();
    let mut ann = enter(&server, ANN);
    let (number, confirmed) = member(&server, "presence-room", r#"{"user_id":7}"#);
    assert_eq!(confirmed, json!({"presence": {"ids": ["u1", 7], "hash": {"u1": {"name": "Ann"}}, "count": 2}}));
    let added = r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":7}"}"#;
    assert_eq!(read_text(&mut ann), added);
    drop(number);
    assert_eq!(read_text(&mut ann), added.replace("added", "removed"));
}

#[test]
fn a_repeated_subscription_can_change_the_user() {
    let server = start();
    let mut ann = enter(&server, ANN);
    let (mut client, socket_id) = connect(&server);
    join(&server, &mut client, &socket_id, "presence-room", BOB);
    assert_eq!(read_json(&mut ann)["event"], "pusher_internal:member_added");
    join(&server, &mut client, &socket_id, "presence-room", BOB);
    join(&server, &mut client, &socket_id, "presence-room", r#"{"user_id":"u3"}"#);
    assert_eq!(read_json(&mut ann)["event"], "pusher_internal:member_removed");
    assert_eq!(read_json(&mut ann)["data"], r#"{"user_id":"u3"}"#);
}

#[test]
fn a_signed_in_user_needs_no_channel_data() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    subscribe_signed(&server, &mut client, &socket_id, "presence-room");
    assert_eq!(read_json(&mut client)["data"]["status"], 401);
    sign_in(&server, &mut client, &socket_id, r#"{"id":"ann","user_info":[1]}"#);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
    subscribe_signed(&server, &mut client, &socket_id, "presence-room");
    assert_eq!(read_json(&mut client)["data"], r#"{"presence":{"ids":["ann"],"hash":{"ann":[1]},"count":1}}"#);
}

#[test]
fn the_hundred_and_first_member_is_refused() {
    let server = start();
    let members: Vec<_> = (0..100).map(|n| enter(&server, &json!({"user_id": n}).to_string())).collect();
    let (mut client, socket_id) = connect(&server);
    join(&server, &mut client, &socket_id, "presence-room", ANN);
    assert_eq!(read_json(&mut client)["data"]["type"], "LimitReached");
    join(&server, &mut client, &socket_id, "presence-room", r#"{"user_id":0}"#);
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    drop(members);
}

#[test]
fn a_silent_server_does_not_report_members() {
    let server = start();
    let mut ann = enter(&server, ANN);
    let bob = enter(&server, BOB);
    assert_eq!(read_json(&mut ann)["event"], "pusher_internal:member_added");
    server.set_silent(true);
    drop(bob);
    assert_quiet(&mut ann);
}
