//! A backend with the official SDK authorises this client.

use pusher_channels::Pusher;
use serde_json::Value;

use crate::{
    backend::{Backend, Request, info_of},
    message::text,
    process::DEADLINE,
    publisher::{publish, publish_encrypted},
    recorder::Recorder,
    server::{MASTER_KEY, Server, against_both_servers},
};

against_both_servers!(channels_of_all_kinds_are_authorised_by_an_endpoint_of_the_official_sdk);

/// A user id that a form must encode.
const USER: &str = "zoë & co+1=100% ☃";

fn channels_of_all_kinds_are_authorised_by_an_endpoint_of_the_official_sdk(server: &Server) {
    // The names contain every character that a channel name may have.
    let names = [
        "private-room_Z-9=@,.;",
        "presence-room",
        "private-encrypted-room",
        "private-cache-room",
        "presence-cache-room",
        "private-encrypted-cache-room",
    ];
    let backend = Backend::with_master_key(MASTER_KEY);
    let pusher = Pusher::new(backend.serve(server.config(), USER)).connect().unwrap();
    let mut delivered = Recorder::new("Pusher::on_event");
    pusher.on_event(delivered.handler());
    let mut expected = Vec::new();
    for name in names {
        let channel = pusher.subscribe(name).unwrap();
        channel.wait_subscribed(DEADLINE).unwrap_or_else(|error| panic!("{name}: {error}"));
        expected.push(Request {
            path: "/channels/auth".to_owned(),
            content_type: "application/x-www-form-urlencoded".to_owned(),
            channel: Some(name.to_owned()),
            status: 200,
        });
        if name.starts_with("presence-") {
            let me = channel.me().expect("a member");
            assert_eq!((me.id(), me.info_as::<Value>().unwrap()), (USER, info_of(USER)));
        }
    }
    assert_eq!(backend.requests(names.len()), expected);

    let published = names.map(|name| text(name, "greeting", &format!("hello, {name}")));
    for message in published.chunks(1) {
        if message[0].delivery.channel.starts_with("private-encrypted-") {
            publish_encrypted(server.port(), MASTER_KEY, message);
        } else {
            publish(server.port(), message);
        }
    }
    delivered.wait_for(&published);
    delivered.has(&published);
}
