//! Client events at exactly the rate that a server allows.

use std::{
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{Channel, Error, Notification, Pusher, Receiver, testing::TestServer};
use serde_json::value::RawValue;

use crate::{
    backend::Backend,
    process::DEADLINE,
    server::Server,
    soketi::{APP_ID, KEY, SECRET, Soketi},
};

const RATE: u32 = 10;

/// A minute.
const SECONDS: u32 = 60;

/// Data of each kind: its JSON text, and the data that arrives.
const KINDS: [(&str, &str); 10] = [
    ("null", "null"),
    ("true", "true"),
    ("false", "false"),
    ("7", "7"),
    ("-0.5", "-0.5"),
    (r#""a text""#, "a text"),
    (r#""""#, ""),
    ("[]", "[]"),
    ("{}", "{}"),
    (r#"{"a":[1,null,{"b":"c"}]}"#, r#"{"a":[1,null,{"b":"c"}]}"#),
];

#[test]
fn t1_soketi_refuses_no_event_of_a_loop_exactly_at_the_rate() {
    no_event_of_a_loop_exactly_at_the_rate_is_refused(&Server::Soketi(Soketi::start_with_client_event_rate(
        RATE as i32,
    )));
}

#[test]
fn t1_the_embedded_server_refuses_no_event_of_a_loop_exactly_at_the_rate() {
    let server = TestServer::builder().app(APP_ID, KEY, SECRET).client_event_rate(RATE);
    no_event_of_a_loop_exactly_at_the_rate_is_refused(&Server::Embedded(server.start().expect("a free port")));
}

fn no_event_of_a_loop_exactly_at_the_rate_is_refused(server: &Server) {
    let backend = Backend::start();
    let (ann, channel) = member(server, &backend, "ann");
    let (bob, _channel) = member(server, &backend, "bob");
    let (reports, received) = (ann.receiver(), bob.receiver());
    let begin = Instant::now();
    for (n, (json, _)) in (0..RATE * SECONDS).zip(KINDS.iter().cycle()) {
        // The loop keeps its own time, as a game does.
        thread::sleep((begin + Duration::from_secs(1) / RATE * n).saturating_duration_since(Instant::now()));
        let data: &RawValue = serde_json::from_str(json).expect("JSON");
        channel.trigger("client-moved", data).expect("the client accepts it");
    }
    for (n, (_, arrives)) in (0..RATE * SECONDS).zip(KINDS.iter().cycle()) {
        assert_eq!(next_data(&received), *arrives, "event {n}; errors of the sender: {:?}", errors(&reports));
    }
    assert!(errors(&reports).is_empty(), "the server refused no event");
}

fn member(server: &Server, backend: &Backend, user: &str) -> (Pusher, Channel) {
    let pusher = Pusher::new(backend.serve(server.config(), user)).connect().expect("the server accepts");
    let channel = pusher.subscribe("private-room").expect("a valid name");
    channel.wait_subscribed(DEADLINE).expect("the server confirms");
    (pusher, channel)
}

fn next_data(receiver: &Receiver) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(Notification::Event(event)) => return event.data().to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

fn errors(receiver: &Receiver) -> Vec<Error> {
    let errors = receiver.try_iter().filter_map(|notification| match notification {
        Notification::Error(error) => Some(Error::clone(&error)),
        _ => None,
    });
    errors.collect()
}
