//! Users who sign in, events for them, and watchlists.

use pusher_channels::testing::{TestServer, WatchlistEvents};
use serde_json::json;

use crate::http;
use crate::support::{
    SOON, assert_quiet, connect, data_of, read_close, read_json, read_text, send, sign_in, signed_in, start, subscribe,
};

const ANN: &str = r#"{"id":"user-1","user_info":{"name":"Ann"}}"#;
const WATCHING: &str = r#"{"id":"ann","watchlist":["bob","cid"]}"#;
const BOB: &str = r#"{"id":"bob"}"#;

#[test]
fn the_confirmation_of_a_sign_in_repeats_its_data() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    sign_in(&server, &mut client, &socket_id, ANN);
    let data = json!({"auth": server.sign_user(&socket_id, ANN), "user_data": ANN});
    assert_eq!(read_json(&mut client), json!({"event": "pusher:signin_success", "data": data}));
    assert_eq!(server.signed_in("user-1"), 1);
    drop(client);
    assert!(server.wait_for(SOON, |state| state.signed_in("user-1") == 0));
}

#[test]
fn user_data_without_an_id_is_refused() {
    let server = start();
    for data in ["{}", "", r#"{"id":""}"#] {
        let (mut client, socket_id) = connect(&server);
        sign_in(&server, &mut client, &socket_id, data);
        assert_eq!(read_json(&mut client)["data"]["code"], 4009, "{data}");
        assert_eq!(read_close(&mut client).0, 4009);
    }
}

#[test]
fn events_for_a_user_reach_each_connection_of_the_user_once() {
    let server = start();
    let (mut a, _) = signed_in(&server, ANN);
    let (mut b, _) = signed_in(&server, r#"{"id":"user-1"}"#);
    subscribe(&mut b, "#server-to-user-user-1");
    // Recorded from soketi.
    assert_eq!(
        read_text(&mut b),
        r##"{"event":"pusher_internal:subscription_succeeded","channel":"#server-to-user-user-1"}"##
    );
    let (mut other, _) = signed_in(&server, BOB);
    assert_eq!(server.send_to_user("user-1", "hello", &json!({"m": 1})), 2);
    for client in [&mut a, &mut b] {
        assert_eq!(read_text(client), r##"{"event":"hello","channel":"#server-to-user-user-1","data":"{\"m\":1}"}"##);
        assert_quiet(client);
    }
    assert_quiet(&mut other);
}

#[test]
fn the_http_api_publishes_to_a_user() {
    let server = start();
    let (mut client, _) = signed_in(&server, BOB);
    let body = r##"{"name":"hello","data":"x","channels":["#server-to-user-bob"]}"##;
    assert_eq!(http::publish(&server, body).0, 200);
    assert_eq!(read_text(&mut client), r##"{"event":"hello","channel":"#server-to-user-bob","data":"x"}"##);
}

#[test]
fn only_the_user_can_subscribe_to_the_channel_of_the_user() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    for channel in ["#server-to-user-bob", "#server-to-user-", "#x"] {
        subscribe(&mut client, channel);
        assert_eq!(read_json(&mut client)["event"], "pusher:subscription_error", "{channel}");
    }
    sign_in(&server, &mut client, &socket_id, BOB);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
    subscribe(&mut client, "#server-to-user-ann");
    assert_eq!(read_json(&mut client)["event"], "pusher:subscription_error");
    subscribe(&mut client, "#server-to-user-bob");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
}

#[test]
fn a_second_sign_in_replaces_the_user() {
    let server = start();
    let (mut client, socket_id) = signed_in(&server, BOB);
    subscribe(&mut client, "#server-to-user-bob");
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    sign_in(&server, &mut client, &socket_id, ANN);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
    assert_eq!((server.signed_in("bob"), server.signed_in("user-1")), (0, 1));
    assert_eq!(server.subscribers("#server-to-user-bob"), 0);
}

#[test]
fn terminating_closes_the_connections_of_the_user() {
    for over_http in [false, true] {
        let server = start();
        let (mut client, _) = signed_in(&server, BOB);
        let (mut other, _) = signed_in(&server, ANN);
        if over_http {
            assert_eq!(http::terminate(&server, "bob"), (200, "{}".to_owned()));
        } else {
            assert_eq!(server.terminate_user("bob"), 1);
        }
        // Recorded from soketi.
        assert_eq!(
            read_text(&mut client),
            r#"{"event":"pusher:error","data":{"code":4009,"message":"You got disconnected by the app."}}"#
        );
        assert_eq!(read_close(&mut client), (4009, String::new()));
        assert_quiet(&mut other);
    }
}

#[test]
fn a_watchlist_reports_present_users_and_later_changes() {
    let server = start();
    let (bob, _) = signed_in(&server, BOB);
    let (mut ann, _) = signed_in(&server, WATCHING);
    let first = read_json(&mut ann);
    assert_eq!(first["event"], "pusher_internal:watchlist_events");
    assert_eq!(
        data_of(&first),
        json!({"events": [{"name": "online", "user_ids": ["bob"]}, {"name": "offline", "user_ids": ["cid"]}]})
    );
    let (second, _) = signed_in(&server, BOB);
    drop(bob);
    assert!(server.wait_for(SOON, |state| state.signed_in("bob") == 1));
    assert_quiet(&mut ann);
    drop(second);
    assert_eq!(data_of(&read_json(&mut ann)), json!({"events": [{"name": "offline", "user_ids": ["bob"]}]}));
    let (_cid, _) = signed_in(&server, r#"{"id":"cid"}"#);
    assert_eq!(data_of(&read_json(&mut ann)), json!({"events": [{"name": "online", "user_ids": ["cid"]}]}));
}

#[test]
fn sockudo_sends_the_watchlist_in_bare_events_before_the_confirmation() {
    let server = TestServer::builder().watchlist_events(WatchlistEvents::Sockudo).start().unwrap();
    let (bob, _) = signed_in(&server, BOB);
    let (mut ann, socket_id) = connect(&server);
    sign_in(&server, &mut ann, &socket_id, WATCHING);
    assert_eq!(read_text(&mut ann), r#"{"event":"online","data":{"user_ids":["bob"]}}"#);
    assert_eq!(read_text(&mut ann), r#"{"event":"offline","data":{"user_ids":["cid"]}}"#);
    assert_eq!(read_json(&mut ann)["event"], "pusher:signin_success");
    drop(bob);
    assert_eq!(read_text(&mut ann), r#"{"event":"offline","data":{"user_ids":["bob"]}}"#);
}

#[test]
fn a_watchlist_of_more_than_100_users_is_an_error() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    let watchlist: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    sign_in(&server, &mut client, &socket_id, &json!({"id": "ann", "watchlist": watchlist}).to_string());
    assert_eq!(read_json(&mut client)["data"]["code"], 4302);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
}

#[test]
fn a_sign_in_without_data_is_refused() {
    let server = start();
    let (mut client, _) = connect(&server);
    send(&mut client, r#"{"event":"pusher:signin"}"#);
    assert_eq!(read_json(&mut client)["data"]["code"], 4009);
}
