//! This client decrypts events that the official SDK has encrypted.

use std::sync::mpsc;

use pusher_channels::{Channel, DecryptionError, DecryptionFailure, Pusher};

use crate::{
    backend::Backend,
    message::{KINDS, Message, assert_delivered, messages, text},
    process::DEADLINE,
    publisher::publish_encrypted,
    recorder::Recorder,
    server::{MASTER_KEY, Server, against_both_servers},
};

against_both_servers!(
    encrypted_events_have_the_data_of_the_publisher,
    the_next_subscription_gets_a_new_key,
    the_next_connection_gets_a_new_key,
    a_new_key_is_requested_if_the_old_one_does_not_decrypt,
    no_event_is_lost_if_the_key_changes_after_the_subscription,
);

const CHANNEL: &str = "private-encrypted-room";

/// The size of the longest data. Encrypted and in base64, it is just below the 10 KiB that a publisher may send.
const LONGEST: usize = 7_500;

/// Another 32 bytes.
const SECOND_KEY: &str = "/////////////////////////////////////////+8=";

fn encrypted_events_have_the_data_of_the_publisher(server: &Server) {
    let backend = Backend::with_master_key(MASTER_KEY);
    let (pusher, channel) = subscribed(server, &backend);
    let mut from_client = Recorder::new("Pusher::on_event");
    pusher.on_event(from_client.handler());
    let mut from_channel = Recorder::new("Channel::bind");
    channel.bind("object-0", from_channel.handler());

    let mut published = messages(CHANNEL, LONGEST, 3 * KINDS);
    // Soketi refuses an empty text only if it is not encrypted.
    published.push(text(CHANNEL, "empty", ""));
    publish_encrypted(server.port(), MASTER_KEY, &published);

    from_client.wait_for(&published);
    from_channel.wait_for(&published[..1]);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &from_client.finish());
    assert_delivered("Channel::bind", &published[..1], &from_channel.finish());
}

fn the_next_subscription_gets_a_new_key(server: &Server) {
    rotate(server, |_, channel| {
        channel.unsubscribe();
        channel.subscribe();
    });
}

fn the_next_connection_gets_a_new_key(server: &Server) {
    rotate(server, |pusher, _| {
        pusher.disconnect();
        pusher.connect().unwrap();
    });
}

fn a_new_key_is_requested_if_the_old_one_does_not_decrypt(server: &Server) {
    let published = messages(CHANNEL, LONGEST, 2 * KINDS);
    let (first, second) = published.split_at(KINDS);
    let Listening { backend, pusher, channel: _, mut delivered, failures } = Listening::to(server, first);
    backend.rotate_master_key(SECOND_KEY);
    publish_encrypted(server.port(), SECOND_KEY, second);
    delivered.wait_for(&published);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &delivered.finish());
    assert!(failures.try_recv().is_err(), "no event was lost");
    assert_eq!(backend.requests(2).len(), 2, "one more key was requested");
}

fn no_event_is_lost_if_the_key_changes_after_the_subscription(server: &Server) {
    let published = messages(CHANNEL, LONGEST, KINDS);
    let Listening { backend, pusher, channel: _, mut delivered, failures } = Listening::to(server, &[]);
    backend.rotate_master_key(SECOND_KEY);
    publish_encrypted(server.port(), SECOND_KEY, &published);
    delivered.wait_for(&published);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &delivered.finish());
    assert!(failures.try_recv().is_err(), "no event was lost");
    assert_eq!(backend.requests(2).len(), 2, "one more key was requested");
}

/// Changes the key twice. The client requests a new key after the first change. After the second one it requests none
/// for 10 s, unless `fetch_again` makes it subscribe again.
fn rotate(server: &Server, fetch_again: impl FnOnce(&Pusher, &Channel)) {
    let published = messages(CHANNEL, LONGEST, 4 * KINDS);
    let (first, second) = published.split_at(KINDS);
    let (second, third) = second.split_at(KINDS);
    let (lost, third) = third.split_at(KINDS);

    let Listening { backend, pusher, channel, mut delivered, failures } = Listening::to(server, first);
    backend.rotate_master_key(SECOND_KEY);
    publish_encrypted(server.port(), SECOND_KEY, second);
    delivered.wait_for(&published[..2 * KINDS]);
    backend.rotate_master_key(MASTER_KEY);
    publish_encrypted(server.port(), MASTER_KEY, lost);
    for message in lost {
        let failure = failures.recv_timeout(DEADLINE).expect("an event that does not decrypt is reported");
        assert_eq!((&*failure.channel, &*failure.event), (CHANNEL, &*message.delivery.event));
        assert_eq!(failure.reason, DecryptionError::WrongKey);
    }

    fetch_again(&pusher, &channel);
    channel.wait_subscribed(DEADLINE).unwrap();
    publish_encrypted(server.port(), MASTER_KEY, third);
    let expected: Vec<Message> = first.iter().chain(second).chain(third).cloned().collect();
    delivered.wait_for(&expected);
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &expected, &delivered.finish());
    assert!(failures.try_recv().is_err(), "every event decrypts by the new key");
    assert_eq!(backend.requests(3).len(), 3, "one request for each subscription, and one for a new key");
}

/// A client that has received events encrypted by the first key.
struct Listening {
    backend: Backend,
    pusher: Pusher,
    channel: Channel,
    delivered: Recorder,
    failures: mpsc::Receiver<DecryptionFailure>,
}

impl Listening {
    fn to(server: &Server, first: &[Message]) -> Self {
        let backend = Backend::with_master_key(MASTER_KEY);
        let (pusher, channel) = subscribed(server, &backend);
        let delivered = Recorder::new("Pusher::on_event");
        pusher.on_event(delivered.handler());
        let failures = failures_of(&channel);
        if !first.is_empty() {
            publish_encrypted(server.port(), MASTER_KEY, first);
        }
        let mut listening = Self { backend, pusher, channel, delivered, failures };
        listening.delivered.wait_for(first);
        listening
    }
}

fn failures_of(channel: &Channel) -> mpsc::Receiver<DecryptionFailure> {
    let (sender, failures) = mpsc::channel();
    channel.on_decryption_failure(move |failure| {
        // Sending fails only after the test has failed.
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
