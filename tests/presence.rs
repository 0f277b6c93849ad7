//! Rules P: members of presence channels. And S9: counts and caches.

mod support;

use std::{collections::BTreeSet, sync::mpsc};

use pusher_channels::{Channel, ConnectionState, Notification, Pusher, testing::TestServer};
use support::{PATIENCE, eventually, next, next_state, quick, server, subscribed};

fn member(server: &TestServer, id: &str) -> Pusher {
    let config = quick(server).auth_endpoint(server.auth_endpoint()).auth_param("user_id", id);
    Pusher::new(config).connect().expect("the embedded server accepts")
}

fn ids(channel: &Channel) -> BTreeSet<String> {
    channel.members().iter().map(|member| member.id().to_owned()).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn p1_the_list_is_complete_when_the_handlers_of_the_confirmation_run() {
    let server = server();
    let ann = member(&server, "ann");
    subscribed(&ann, "presence-room");
    let bob = member(&server, "bob");
    let channel = bob.channel("presence-room").expect("a valid name");
    let (report, reports) = mpsc::channel();
    let inside = channel.clone();
    channel.on_subscription_succeeded(move |_| report.send((ids(&inside), inside.me())).unwrap_or_default());
    channel.subscribe();
    let (members, me) = reports.recv_timeout(PATIENCE).expect("confirmed");
    assert_eq!(members, set(&["ann", "bob"]));
    assert_eq!(me.expect("a member").id(), "bob");
    assert_eq!(channel.member("ann").expect("a member").id(), "ann");
    assert!(channel.member("carl").is_none());
}

#[test]
fn p3_the_list_is_up_to_date_when_the_handlers_of_member_changes_run() {
    let server = server();
    let ann = member(&server, "ann");
    let channel = subscribed(&ann, "presence-room");
    let (report, reports) = mpsc::channel();
    for added in [true, false] {
        let (report, inside) = (report.clone(), channel.clone());
        let handler = move |change: &pusher_channels::MemberChange| {
            report.send((added, change.member.id().to_owned(), ids(&inside))).unwrap_or_default();
        };
        let (client, of_channel) = (handler.clone(), handler);
        if added {
            ann.on_member_added(client);
            channel.on_member_added(of_channel);
        } else {
            ann.on_member_removed(client);
            channel.on_member_removed(of_channel);
        }
    }
    let bob = member(&server, "bob");
    subscribed(&bob, "presence-room");
    let next_report = || reports.recv_timeout(PATIENCE).expect("a report");
    for _ in 0..2 {
        assert_eq!(next_report(), (true, "bob".to_owned(), set(&["ann", "bob"])));
    }
    drop(bob);
    for _ in 0..2 {
        assert_eq!(next_report(), (false, "bob".to_owned(), set(&["ann"])));
    }
}

#[test]
fn p1_after_a_reconnect_the_difference_is_reported() {
    let server = server();
    let ann = member(&server, "ann");
    let channel = subscribed(&ann, "presence-room");
    let bob = member(&server, "bob");
    subscribed(&bob, "presence-room");
    eventually("bob is a member", || ids(&channel) == set(&["ann", "bob"]));
    let receiver = ann.receiver();
    bob.disconnect();
    next(&receiver, |notification| matches!(notification, Notification::MemberRemoved(_)).then_some(()));
    // Bob joins while Ann is disconnected.
    ann.disconnect();
    bob.connect().expect("the embedded server accepts");
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.members("presence-room") == 1));
    ann.connect().expect("the embedded server accepts");
    let joined = next(&receiver, |notification| match notification {
        Notification::SubscriptionSucceeded(succeeded) => {
            assert!(succeeded.resubscribed);
            None
        }
        Notification::MemberAdded(change) => Some(change.member.id().to_owned()),
        _ => None,
    });
    assert_eq!(joined, "bob");
}

#[test]
fn p1_members_are_kept_during_a_loss_and_removed_by_unsubscribe() {
    let server = server();
    let ann = member(&server, "ann");
    let receiver = ann.receiver();
    let channel = subscribed(&ann, "presence-room");
    server.stop_listening();
    server.drop_all();
    next_state(&receiver, ConnectionState::Reconnecting);
    assert_eq!(ids(&channel), set(&["ann"]));
    channel.unsubscribe();
    assert!(channel.members().is_empty() && channel.me().is_none());
}

#[test]
fn s9_the_subscription_count_is_kept() {
    let server = TestServer::builder().subscription_counts(true).start().expect("a free port");
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    let channel = pusher.subscribe("room").expect("a valid name");
    eventually("the count is 1", || channel.subscription_count() == Some(1));
    let other = Pusher::new(quick(&server)).connect().expect("accepted");
    let (report, reports) = mpsc::channel();
    other.on_subscription_count(move |count| report.send(count.count).unwrap_or_default());
    subscribed(&other, "room");
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(2));
    eventually("the count is 2", || channel.subscription_count() == Some(2));
    drop(other);
    eventually("the count is 1 again", || channel.subscription_count() == Some(1));
    channel.unsubscribe();
    assert_eq!(channel.subscription_count(), None);
}

#[test]
fn s9_every_kind_of_cache_channel_begins_with_its_last_event() {
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port");
    let pusher = member(&server, "ann");
    for name in ["cache-a", "private-cache-a", "presence-cache-a", "private-encrypted-cache-a"] {
        let channel = pusher.channel(name).expect("a valid name");
        let (report, reports) = mpsc::channel();
        let missed = report.clone();
        channel.on_cache_miss(move |channel| missed.send(format!("missed {channel}")).unwrap_or_default());
        channel.bind("e", move |event| report.send(event.data().to_owned()).unwrap_or_default());
        channel.subscribe();
        assert_eq!(reports.recv_timeout(PATIENCE), Ok(format!("missed {name}")));
        server.trigger(name, "e", "kept");
        assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("kept"), "{name}");
        channel.unsubscribe();
        channel.subscribe();
        assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("kept"), "{name}");
    }
}

#[test]
fn s9_a_count_of_zero_is_a_count() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    let channel = subscribed(&pusher, "room");
    let (report, reports) = mpsc::channel();
    channel.on_subscription_count(move |count| report.send(count.count).unwrap_or_default());
    server
        .send_raw(r#"{"event":"pusher_internal:subscription_count","channel":"room","data":{"subscription_count":0}}"#);
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(0));
    assert_eq!(channel.subscription_count(), Some(0));
}

#[test]
fn s9_a_cache_channel_begins_with_its_last_event_or_with_a_miss() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    let (report, reports) = mpsc::channel();
    let missed = report.clone();
    pusher.on_cache_miss(move |channel| missed.send(format!("missed {channel}")).unwrap_or_default());
    pusher.on_event(move |event| report.send(event.data().to_owned()).unwrap_or_default());
    let channel = subscribed(&pusher, "cache-room");
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("missed cache-room"));
    server.trigger("cache-room", "e", "kept");
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("kept"));
    channel.unsubscribe();
    channel.subscribe();
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("kept"));
}

#[test]
fn p2_the_clients_member_stays_while_subscribed() {
    let server = server();
    let ann = member(&server, "ann");
    let channel = subscribed(&ann, "presence-cache-room");
    let (report, reports) = mpsc::channel();
    channel.on_member_removed(move |change: &pusher_channels::MemberChange| {
        report.send(change.member.id().to_owned()).unwrap_or_default();
    });
    let receiver = ann.receiver();
    let removed = |id: &str| {
        server.send_raw(&format!(
            r#"{{"event":"pusher_internal:member_removed","channel":"presence-cache-room","data":{{"user_id":"{id}"}}}}"#
        ));
    };
    server.send_raw(
        r#"{"event":"pusher_internal:member_added","channel":"presence-cache-room","data":{"user_id":"bob"}}"#,
    );
    removed("ann");
    removed("bob");
    next(&receiver, |notification| matches!(notification, Notification::MemberRemoved(_)).then_some(()));
    assert_eq!(reports.recv_timeout(PATIENCE).as_deref(), Ok("bob"), "the first reported removal");
    assert_eq!(ids(&channel), set(&["ann"]));
    assert_eq!(channel.me().expect("a member").id(), "ann");
    assert_eq!(ann.stats().ignored, 1);
}

/// A confirmation with a list of members, as a server sends it. The client of the test is not in the list.
fn confirmation(ids: &[String], info: &str) -> String {
    let hash: serde_json::Map<_, _> = ids.iter().map(|id| (id.clone(), info.into())).collect();
    let data = serde_json::json!({ "presence": { "ids": ids, "hash": hash, "count": ids.len() } }).to_string();
    let event = "pusher_internal:subscription_succeeded";
    serde_json::json!({ "event": event, "channel": "presence-room", "data": data }).to_string()
}

#[test]
fn p2_100_000_members_are_kept_within_the_defaults() {
    let server = server();
    let config = quick(&server).auth_endpoint(server.auth_endpoint()).max_message_size(16 << 20);
    let pusher = Pusher::new(config).connect().expect("accepted");
    let receiver = pusher.receiver();
    server.set_silent(true);
    let channel = pusher.subscribe("presence-room").expect("a valid name");
    assert!(server.wait_for_received(|received| received.text.contains("pusher:subscribe"), PATIENCE));
    let ids: Vec<_> = (0..100_000).map(|n| format!("id{n:08}")).collect();
    server.send_raw(&confirmation(&ids, &"x".repeat(48)));
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    assert_eq!(channel.members().len(), 100_000);
    let error = std::iter::from_fn(|| receiver.try_recv().ok())
        .find(|notification| matches!(notification, Notification::Error(_)));
    assert!(error.is_none(), "{error:?}");
}

#[test]
fn d1_half_of_a_surrogate_pair_in_a_member_is_u_fffd() {
    let server = server();
    let ann = member(&server, "ann");
    let channel = subscribed(&ann, "presence-room");
    let receiver = ann.receiver();
    server.send_raw(
        r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":{"user_id":"b\ud83d","user_info":{"n":"\ude00"}}}"#,
    );
    let change = next(&receiver, |notification| match notification {
        Notification::MemberAdded(change) => Some(change),
        _ => None,
    });
    assert_eq!(change.member.id(), "b\u{fffd}");
    let info: serde_json::Value = change.member.info_as().expect("JSON");
    assert_eq!(info, serde_json::json!({ "n": "\u{fffd}" }));
    assert!(channel.member("b\u{fffd}").is_some());
}
