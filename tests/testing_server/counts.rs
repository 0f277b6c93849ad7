//! Counts of subscriptions.

use pusher_channels::testing::TestServer;

use crate::support::{assert_quiet, connect, member, read_json, read_text, send, start, subscribe, subscriber};

fn count(channel: &str, count: usize) -> String {
    format!(
        r#"{{"event":"pusher_internal:subscription_count","channel":"{channel}","data":"{{\"subscription_count\":{count}}}"}}"#
    )
}

fn counting() -> TestServer {
    TestServer::builder().subscription_counts(true).start().unwrap()
}

#[test]
fn each_change_is_sent_to_all_subscribers() {
    let server = counting();
    let (mut a, _) = subscriber(&server, "room");
    assert_eq!(read_text(&mut a), count("room", 1));
    let (mut b, _) = subscriber(&server, "room");
    assert_eq!(read_text(&mut a), count("room", 2));
    assert_eq!(read_text(&mut b), count("room", 2));
    send(&mut b, r#"{"event":"pusher:unsubscribe","data":{"channel":"room"}}"#);
    assert_eq!(read_text(&mut a), count("room", 1));
    let (c, _) = subscriber(&server, "room");
    assert_eq!(read_text(&mut a), count("room", 2));
    drop(c);
    assert_eq!(read_text(&mut a), count("room", 1));
    assert_quiet(&mut b);
}

#[test]
fn a_repeated_subscription_does_not_change_the_count() {
    let server = counting();
    let (mut client, _) = subscriber(&server, "room");
    assert_eq!(read_text(&mut client), count("room", 1));
    subscribe(&mut client, "room");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    assert_quiet(&mut client);
}

#[test]
fn the_count_follows_the_cached_event() {
    let server = counting();
    let (mut client, _) = connect(&server);
    subscribe(&mut client, "cache-c");
    let events = [(); 3].map(|()| read_json(&mut client)["event"].clone());
    assert_eq!(events[1], "pusher:cache_miss");
    assert_eq!(events[2], "pusher_internal:subscription_count");
}

#[test]
fn presence_channels_have_no_count() {
    let server = counting();
    let (mut client, _) = member(&server, "presence-x", r#"{"user_id":"u"}"#);
    assert_quiet(&mut client);
}

#[test]
fn there_are_no_counts_by_default() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    assert_quiet(&mut client);
}
