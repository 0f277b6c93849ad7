//! What the official SDK encrypts, this client decrypts.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use pusher_channels::{Channel, DecryptionError, DecryptionFailure, Pusher};

use crate::{
    backend::Backend,
    message::{KINDS, Message, assert_delivered, messages, text},
    process::DEADLINE,
    publisher::publish_encrypted,
    server::{MASTER_KEY, Server, against_both_servers},
    tap::Tap,
};

against_both_servers!(
    encrypted_events_are_what_the_official_sdk_was_given,
    a_new_master_key_is_fetched_with_the_next_subscription,
    a_new_master_key_is_fetched_with_the_next_connection,
    a_new_master_key_is_fetched_when_the_old_one_does_not_fit,
);

const CHANNEL: &str = "private-encrypted-room";

/// Encrypted and in base64 it is just below the 10 KiB that a publisher may send.
const LONGEST: usize = 7_500;

/// How old a key must be to be fetched again because it does not fit.
const FETCHED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Another 32 bytes.
const SECOND_KEY: &str = "/////////////////////////////////////////+8=";

fn encrypted_events_are_what_the_official_sdk_was_given(server: &Server) {
    let backend = Backend::with_master_key(MASTER_KEY);
    let (pusher, channel) = subscribed(server, &backend);
    let mut from_client = Tap::new("Pusher::on_event");
    pusher.on_event(from_client.handler());
    let mut from_channel = Tap::new("Channel::bind");
    channel.bind("object-0", from_channel.handler());

    let mut published = messages(CHANNEL, LONGEST, 3 * KINDS);
    // In clear, soketi refuses it.
    published.push(text(CHANNEL, "empty", ""));
    publish_encrypted(server.port(), MASTER_KEY, &published);

    from_client.wait_for(&published);
    from_channel.wait_for(&published[..1]);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &from_client.finish());
    assert_delivered("Channel::bind", &published[..1], &from_channel.finish());
}

fn a_new_master_key_is_fetched_with_the_next_subscription(server: &Server) {
    rotate(server, |_, channel| {
        channel.unsubscribe();
        channel.subscribe();
    });
}

fn a_new_master_key_is_fetched_with_the_next_connection(server: &Server) {
    rotate(server, |pusher, _| {
        pusher.disconnect();
        pusher.connect().unwrap();
    });
}

fn a_new_master_key_is_fetched_when_the_old_one_does_not_fit(server: &Server) {
    let published = messages(CHANNEL, LONGEST, 2 * KINDS);
    let (first, second) = published.split_at(KINDS);
    let Listening { backend, pusher, channel: _, mut delivered, failures, old } = Listening::to(server, first);
    backend.rotate_master_key(SECOND_KEY);
    let failure = failures.recv_timeout(old.saturating_duration_since(Instant::now()));
    assert_eq!(failure.map(|failure| failure.reason), Err(mpsc::RecvTimeoutError::Timeout));
    publish_encrypted(server.port(), SECOND_KEY, second);
    delivered.wait_for(&published);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &delivered.finish());
    assert!(failures.try_recv().is_err(), "nothing was lost to the change");
    assert_eq!(backend.requests(2).len(), 2, "one key was fetched");
}

/// A key that is younger than 10 s is not fetched again just because it does not fit, so something has to happen.
fn rotate(server: &Server, fetch_again: impl FnOnce(&Pusher, &Channel)) {
    let published = messages(CHANNEL, LONGEST, 3 * KINDS);
    let (first, second) = published.split_at(KINDS);
    let (lost, second) = second.split_at(KINDS);

    let Listening { backend, pusher, channel, mut delivered, failures, .. } = Listening::to(server, first);
    backend.rotate_master_key(SECOND_KEY);
    publish_encrypted(server.port(), SECOND_KEY, lost);
    for message in lost {
        let failure = failures.recv_timeout(DEADLINE).expect("what cannot be decrypted is reported");
        assert_eq!((&*failure.channel, &*failure.event), (CHANNEL, &*message.delivery.event));
        assert_eq!(failure.reason, DecryptionError::WrongKey);
    }

    fetch_again(&pusher, &channel);
    channel.wait_subscribed(DEADLINE).unwrap();
    publish_encrypted(server.port(), SECOND_KEY, second);
    let expected: Vec<Message> = first.iter().chain(second).cloned().collect();
    delivered.wait_for(&expected);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &expected, &delivered.finish());
    assert!(failures.try_recv().is_err(), "with the new key nothing fails");
    assert_eq!(backend.requests(2).len(), 2, "one key for each subscription");
}

/// A client that has got something encrypted with the first key.
struct Listening {
    backend: Backend,
    pusher: Pusher,
    channel: Channel,
    delivered: Tap,
    failures: mpsc::Receiver<DecryptionFailure>,
    /// From then on the key is old enough to be fetched again.
    old: Instant,
}

impl Listening {
    fn to(server: &Server, first: &[Message]) -> Self {
        let backend = Backend::with_master_key(MASTER_KEY);
        let (pusher, channel) = subscribed(server, &backend);
        let old = Instant::now() + FETCHED_AGAIN_AFTER;
        let delivered = Tap::new("Pusher::on_event");
        pusher.on_event(delivered.handler());
        let failures = failures_of(&channel);
        publish_encrypted(server.port(), MASTER_KEY, first);
        let mut listening = Self { backend, pusher, channel, delivered, failures, old };
        listening.delivered.wait_for(first);
        listening
    }
}

fn failures_of(channel: &Channel) -> mpsc::Receiver<DecryptionFailure> {
    let (sender, failures) = mpsc::channel();
    channel.on_decryption_failure(move |failure: &DecryptionFailure| {
        // The test has failed already when nobody takes it any more.
        let _ = sender.send(failure.clone());
    });
    failures
}

fn subscribed(server: &Server, backend: &Backend) -> (Pusher, Channel) {
    let pusher = Pusher::new(backend.serve(server.config(), "ann")).connect().unwrap();
    let channel = pusher.subscribe(CHANNEL).unwrap();
    channel.wait_subscribed(DEADLINE).unwrap();
    (pusher, channel)
}
