//! Rules S6, R5 and T2 with an embedded server that behaves like Reverb and Sockudo.

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
fn r5_the_error_for_an_end_before_the_confirmation_names_the_key() {
    let server = TestServer::start().expect("a free port");
    server.set_fault(Some(Fault::DropAfterUpgrade));
    let error = Pusher::new(quick(&server)).connect().map(drop).expect_err("Sockudo drops an unknown key like this");
    let text = error.to_string();
    assert!(text.contains("confirm") && text.contains("key"), "{text}");
    server.set_fault(None);
    Pusher::new(quick(&server)).connect().expect("another attempt may succeed");
}

/// A member of `private-room`, and its receiver.
fn member(server: &TestServer) -> (Pusher, Channel, Receiver) {
    let pusher = Pusher::new(authorized(server)).connect().expect("the embedded server accepts");
    let channel = subscribed(&pusher, "private-room");
    let receiver = pusher.receiver();
    (pusher, channel, receiver)
}

#[test]
fn t2_a_refusal_of_data_that_reverb_does_not_take_is_reported() {
    let server = as_reverb().start().expect("a free port");
    let (_ann, channel, reports) = member(&server);
    let (_bob, _, received) = member(&server);
    channel.trigger("client-text", "hello").expect("the event is sent");
    let refused = next_error(&reports);
    assert_eq!(refused.code(), Some(4200), "{refused:?}");
    channel.trigger("client-number", &7).expect("the event is sent");
    assert_eq!(next_error(&reports).code(), Some(4200));
    channel.trigger("client-object", &[("x", 1)]).expect("the event is sent");
    let data = next(&received, |notification| match notification {
        Notification::Event(event) => Some(event.data().to_owned()),
        _ => None,
    });
    assert_eq!(data, r#"[["x",1]]"#);
}

#[test]
fn s6_a_refused_client_event_does_not_end_the_subscription_after_it() {
    let server = as_reverb().start().expect("a free port");
    let (ann, channel, reports) = member(&server);
    channel.trigger("client-t", "text").expect("the event is sent");
    let room = ann.subscribe("room").expect("a valid name");
    room.wait_subscribed(PATIENCE).expect("the confirmation wins over a guess");
    assert_eq!(next_error(&reports).code(), Some(4200));
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
}

#[test]
fn t2_a_refusal_of_all_client_events_is_reported() {
    let server = as_reverb().client_events(false).start().expect("a free port");
    let (_ann, channel, reports) = member(&server);
    channel.trigger("client-x", &[1]).expect("the event is sent");
    assert_eq!(next_error(&reports).code(), Some(4301));
}

#[test]
fn t2_a_client_event_that_is_too_large_for_the_server_is_reported_with_its_size() {
    let server = as_reverb().max_message_size(10_000).start().expect("a free port");
    let (_ann, channel, reports) = member(&server);
    channel.trigger("client-large", &["x".repeat(9_990)]).expect("the client allows 10,240 bytes");
    match next_error(&reports) {
        Error::ClientEventTooLarge { size: 9_994, .. } => {}
        other => panic!("{other:?}"),
    }
}
