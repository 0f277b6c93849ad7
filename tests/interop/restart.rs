//! This client delivers exactly the events of an official publisher, even across a restart of the server.

use std::{
    env::{self, consts::EXE_SUFFIX},
    path::PathBuf,
    process::Command,
    sync::mpsc,
    time::Instant,
};

use pusher_channels::{Config, Event, Notification, Pusher, Receiver, SubscriptionSucceeded};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    message::{Delivery, Message, assert_delivered, messages},
    process::{DEADLINE, Process},
    publisher::publish,
    recorder::{Recorder, delivery},
    soketi::{KEY, LOOPBACK, Soketi},
};

const CHANNEL: &str = "room";

/// Just below the 10 KiB that a publisher may send.
const LONGEST: usize = 10_180;

/// The number of events before the restart, and of those after it.
const HALF: usize = 200;

#[test]
fn the_client_receives_all_events_before_and_after_a_server_restart() {
    let published = messages(CHANNEL, LONGEST, 2 * HALF);
    let (before, after) = published.split_at(HALF);
    let mut server = Soketi::start();

    let pusher = Pusher::new(Config::host(KEY, LOOPBACK).port(server.port()).tls(false));
    let mut polled = Polled::new(pusher.receiver());
    let mut from_client = Recorder::new("Pusher::on_event");
    pusher.on_event(from_client.handler());
    let channel = pusher.channel(CHANNEL).unwrap();
    let mut from_channel = Recorder::new("Channel::bind_all");
    let mut record = from_channel.handler();
    channel.bind_all(move |event| {
        if !event.name().starts_with("pusher:") {
            record(event);
        }
    });
    let (sender, subscriptions) = mpsc::channel();
    pusher.on_subscription_succeeded(move |subscription| {
        // Sending fails only after the test has failed.
        let _ = sender.send(subscription.clone());
    });
    pusher.connect().unwrap();
    channel.subscribe();
    let subscription = subscriptions.recv_timeout(DEADLINE).expect("the channel is subscribed");
    assert!(!subscription.resubscribed, "{subscription:?}");

    // Events on their way are lost when the server ends, so that all must have arrived before.
    publish(server.port(), before);
    from_client.wait_for(before);
    from_channel.wait_for(before);
    polled.wait_for(before);

    server.restart();
    let subscription = subscriptions.recv_timeout(DEADLINE).expect("the channel is subscribed again");
    assert!(subscription.resubscribed && subscription.gap.is_some(), "{subscription:?}");

    publish(server.port(), after);
    from_client.wait_for(&published);
    from_channel.wait_for(&published);
    polled.wait_for(&published);

    // No event is delivered after `disconnect` has returned, so that all have arrived.
    pusher.disconnect();
    assert_delivered("Pusher::on_event", &published, &from_client.finish());
    assert_delivered("Channel::bind_all", &published, &from_channel.finish());
    let (deliveries, resubscribed_after) = polled.finish();
    assert_delivered("Pusher::receiver", &published, &deliveries);
    assert_eq!(resubscribed_after, [HALF], "the gap is announced once, before the first event of the new connection");
}

#[test]
fn listen_json_prints_all_events_before_and_after_a_server_restart() {
    let published = messages(CHANNEL, LONGEST, 2 * HALF);
    let (before, after) = published.split_at(HALF);
    let mut server = Soketi::start();

    let mut listen = Process::start("listen", &mut listen_command(server.port(), published.len()));
    wait_for_subscriptions(&listen, 1);
    publish(server.port(), before);
    // Events on their way are lost when the server ends, so that all must have arrived before.
    assert_delivered("listen --json", before, &printed_by(&listen, before.len()));

    server.restart();
    wait_for_subscriptions(&listen, 2);
    publish(server.port(), after);

    assert_delivered("listen --json", &published, &printed_by(&listen, published.len()));
    let status = listen.finish();
    assert!(status.success(), "listen ended with {status}");
    assert_eq!(listen.stdout.lines().len(), published.len(), "listen ends after --count events");
    for line in listen.stderr.lines() {
        let status = parse_status(&line).unwrap_or_else(|| panic!("this status is not a JSON object: {line}"));
        assert!(status.contains_key("time"), "this status has no time: {line}");
    }
}

/// Collects the notifications of a [`Receiver`].
struct Polled {
    receiver: Receiver,
    taken: Vec<Delivery>,
    /// For each announced resubscription, the number of events before it.
    resubscribed_after: Vec<usize>,
}

impl Polled {
    fn new(receiver: Receiver) -> Self {
        Self { receiver, taken: Vec::new(), resubscribed_after: Vec::new() }
    }

    fn wait_for(&mut self, published: &[Message]) {
        let deadline = Instant::now() + DEADLINE;
        while self.taken.len() < published.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(notification) = self.receiver.recv_timeout(left) else {
                return assert_delivered("Pusher::receiver", published, &self.taken);
            };
            self.take(notification);
        }
    }

    fn take(&mut self, notification: Notification) {
        match notification {
            Notification::Event(event) => self.taken.push(delivery(&event)),
            Notification::SubscriptionSucceeded(s) if s.resubscribed => self.resubscribed_after.push(self.taken.len()),
            Notification::Lagged(count) => panic!("Pusher::receiver dropped {count} notifications"),
            _ => {}
        }
    }

    fn finish(mut self) -> (Vec<Delivery>, Vec<usize>) {
        while let Ok(notification) = self.receiver.try_recv() {
            self.take(notification);
        }
        (self.taken, self.resubscribed_after)
    }
}

fn listen_command(port: u16, count: usize) -> Command {
    let mut command = Command::new(listen_path());
    command.args(["--host", LOOPBACK, "--port", &port.to_string(), "--no-tls", "--key", KEY, "--channel", CHANNEL]);
    command.args(["--json", "--count", &count.to_string(), "--timeout", &DEADLINE.as_secs().to_string()]);
    command
}

/// The example is in cargo's output, like this test: the test is `<profile>/deps/interop-<hash>`, the example
/// `<profile>/examples/listen`.
fn listen_path() -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(format!("listen{EXE_SUFFIX}"));
    assert!(path.exists(), "{} is not built: run these tests by tests/run interop", path.display());
    path
}

fn wait_for_subscriptions(listen: &Process, count: usize) {
    let is_subscribed = |status: &Map<String, Value>| {
        status.get("state") == Some(&"subscribed".into()) && status.get("channel") == Some(&CHANNEL.into())
    };
    let subscribed = listen
        .stderr
        .wait_until(|lines| lines.iter().filter_map(|line| parse_status(line)).filter(is_subscribed).count() >= count);
    assert!(subscribed, "listen did not report subscription {count} to {CHANNEL}");
}

/// The events that `listen` has printed. Waits for `count` of them, for the end of the program, or for the deadline.
fn printed_by(listen: &Process, count: usize) -> Vec<Delivery> {
    listen.stdout.wait_until(|lines| lines.len() >= count);
    listen.stdout.lines().iter().map(|line| parse_event(line)).collect()
}

fn parse_status(line: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(line).ok()
}

fn parse_event(line: &str) -> Delivery {
    #[derive(Deserialize)]
    struct Line {
        time: Value,
        channel: String,
        event: String,
        data: String,
    }
    let Line { time, channel, event, data } =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("listen printed a malformed event ({error}): {line}"));
    assert!(!time.is_null(), "this event has no time: {line}");
    Delivery { channel, event, data }
}
