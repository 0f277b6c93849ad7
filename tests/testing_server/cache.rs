//! Cache channels.

use pusher_channels::testing::TestServer;
use serde_json::json;

use crate::http;
use crate::support::{
    Client, assert_quiet, connect, join, read_json, read_text, send, signed_subscriber, start, subscribe,
    subscribe_signed, subscriber,
};

/// Subscribes, and reads the confirmation.
fn enter(server: &TestServer, client: &mut Client, socket_id: &str, channel: &str) {
    if channel.starts_with("presence") {
        join(server, client, socket_id, channel, r#"{"user_id":"u"}"#);
    } else {
        subscribe_signed(server, client, socket_id, channel);
    }
    assert_eq!(read_json(client)["event"], "pusher_internal:subscription_succeeded");
}

#[test]
fn the_last_event_comes_right_after_the_confirmation() {
    let server = start();
    let (mut a, _) = connect(&server);
    subscribe(&mut a, "cache-c");
    // Recorded from soketi.
    assert_eq!(read_text(&mut a), r#"{"event":"pusher_internal:subscription_succeeded","channel":"cache-c"}"#);
    assert_eq!(read_text(&mut a), r#"{"event":"pusher:cache_miss","channel":"cache-c"}"#);
    let cached = r#"{"event":"cached","channel":"cache-c","data":"{\"v\":1}"}"#;
    server.trigger("cache-c", "earlier", "x");
    assert_eq!(read_json(&mut a)["event"], "earlier");
    server.trigger("cache-c", "cached", &json!({"v": 1}));
    assert_eq!(read_text(&mut a), cached);
    drop(a);
    let (mut b, _) = connect(&server);
    subscribe(&mut b, "cache-c");
    assert_eq!(read_json(&mut b)["event"], "pusher_internal:subscription_succeeded");
    assert_eq!(read_text(&mut b), cached);
}

#[test]
fn all_kinds_of_cache_channels_keep_an_event() {
    let server = start();
    for channel in ["private-cache-c", "private-encrypted-cache-c", "presence-cache-c"] {
        let (mut client, socket_id) = connect(&server);
        enter(&server, &mut client, &socket_id, channel);
        assert_eq!(read_json(&mut client)["event"], "pusher:cache_miss", "{channel}");
        let body = json!({"name": "cached", "channel": channel, "data": "{}"}).to_string();
        assert_eq!(http::publish(&server, &body).0, 200);
        assert_eq!(read_json(&mut client)["event"], "cached");
        enter(&server, &mut client, &socket_id, channel);
        assert_eq!(read_json(&mut client)["event"], "cached", "{channel}");
    }
}

#[test]
fn client_events_are_not_kept() {
    let server = start();
    let (mut a, socket_id) = signed_subscriber(&server, "private-cache-c");
    assert_eq!(read_json(&mut a)["event"], "pusher:cache_miss");
    let (mut b, _) = signed_subscriber(&server, "private-cache-c");
    assert_eq!(read_json(&mut b)["event"], "pusher:cache_miss");
    send(&mut a, r#"{"event":"client-x","channel":"private-cache-c","data":{}}"#);
    assert_eq!(read_json(&mut b)["event"], "client-x");
    subscribe_signed(&server, &mut a, &socket_id, "private-cache-c");
    assert_eq!(read_json(&mut a)["event"], "pusher_internal:subscription_succeeded");
    assert_eq!(read_json(&mut a)["event"], "pusher:cache_miss");
}

#[test]
fn other_channels_keep_nothing() {
    let server = start();
    server.trigger("room", "e", "x");
    let (mut client, _) = subscriber(&server, "room");
    assert_quiet(&mut client);
}
