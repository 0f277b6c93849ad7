//! Rules S6, R5 and T2 against an embedded server that behaves as Reverb and Sockudo do.

mod support;

use pusher_channels::{
    Channel, Config, Error, Notification, Pusher, Receiver,
    testing::{ClientEventRules, Fault, Refusals, TestServer, TestServerBuilder},
};
use support::{PATIENCE, next, next_error, quick, subscribed};

fn as_reverb() -> TestServerBuilder {
    TestServer::builder().refusals(Refusals::Reverb).client_event_rules(ClientEventRules::Reverb)
}

fn authorized(server: &TestServer) -> Config {
    quick(server).auth_endpoint(server.auth_endpoint())
}

#[test]
fn r5_a_connection_that_ends_before_the_confirmation_says_so() {
    let server = TestServer::start().expect("a free port");
    server.set_fault(Some(Fault::DropAfterUpgrade));
    let error = Pusher::new(quick(&server)).connect().map(drop).expect_err("Sockudo drops an unknown key like this");
    let said = error.to_string();
    assert!(said.contains("confirm") && said.contains("key"), "{said}");
    server.set_fault(None);
    Pusher::new(quick(&server)).connect().expect("another attempt may succeed");
}

/// A member of `private-room`, and what it is told.
fn member(server: &TestServer) -> (Pusher, Channel, Receiver) {
    let pusher = Pusher::new(authorized(server)).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "private-room");
    let told = pusher.receiver();
    (pusher, channel, told)
}

#[test]
fn t2_bare_data_on_reverb_is_reported_as_refused_and_objects_arrive() {
    let server = as_reverb().start().expect("a free port");
    let (_ann, channel, told) = member(&server);
    let (_bob, _, received) = member(&server);
    channel.trigger("client-text", "hello").expect("it is sent");
    let refused = next_error(&told);
    assert_eq!(refused.code(), Some(4200), "{refused:?}");
    channel.trigger("client-number", &7).expect("it is sent");
    assert_eq!(next_error(&told).code(), Some(4200));
    channel.trigger("client-object", &[("x", 1)]).expect("it is sent");
    let data = next(&received, |notification| match notification {
        Notification::Event(event) => Some(event.data().to_owned()),
        _ => None,
    });
    assert_eq!(data, r#"[["x",1]]"#);
}

#[test]
fn s6_a_refused_client_event_does_not_end_the_subscription_after_it() {
    let server = as_reverb().start().expect("a free port");
    let (ann, channel, told) = member(&server);
    channel.trigger("client-t", "text").expect("it is sent");
    let room = ann.subscribe("room").expect("a valid name");
    room.wait_subscribed(PATIENCE).expect("the success wins over a guess");
    assert_eq!(next_error(&told).code(), Some(4200));
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
}

#[test]
fn t2_switched_off_client_events_are_reported() {
    let server = as_reverb().client_events(false).start().expect("a free port");
    let (_ann, channel, told) = member(&server);
    channel.trigger("client-x", &[1]).expect("it is sent");
    assert_eq!(next_error(&told).code(), Some(4301));
}

#[test]
fn t2_a_message_that_is_too_large_for_the_server_is_reported_with_its_size() {
    let server = as_reverb().max_message_size(10_000).start().expect("a free port");
    let (_ann, channel, told) = member(&server);
    channel.trigger("client-large", &["x".repeat(9_990)]).expect("the client allows 10,240 bytes");
    match next_error(&told) {
        Error::ClientEventTooLarge { size: 9_994, .. } => {}
        other => panic!("{other:?}"),
    }
}
