//! A million resubscriptions after forced drops: none lost, none doubled. Rules R8, R9, R12, H6.
//!
//! Both sides count. The server records the channels that the client requests on each connection; the client reports
//! each
//! confirmation, and whether it is a resubscription.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use pusher_channels::{
    ConnectionState, Notification, Overflow, Pusher, Receiver, Reconnect, RecvTimeoutError, SubscriptionSucceeded,
    testing::{Received, Snapshot, TestServer},
};
use serde_json::{Value, json};

use super::{
    figures,
    support::{PATIENCE, client_threads, descriptors, eventually, run_alone},
};

const CHANNELS: usize = 1000;

const RESUBSCRIPTIONS: u64 = 1_000_000;

/// The kinds of channels take turns, because each is subscribed differently.
const PREFIXES: [&str; 5] = ["", "private-", "presence-", "cache-", "private-encrypted-"];

const MASTER_KEY: [u8; 32] = [7; 32];

const SEED: u64 = 20_260_704;

/// The time between two looks at the other side.
const POLL: Duration = Duration::from_millis(1);

/// The last subscription. After it the server's side knows that nothing else comes.
const THE_END: &str = "the-end";

#[test]
fn r8_a_million_resubscriptions_lose_and_duplicate_nothing() {
    run_alone("resubscription::a_million_resubscriptions");
}

#[test]
#[ignore = "run by r8_a_million_resubscriptions_lose_and_duplicate_nothing in a process of its own"]
fn a_million_resubscriptions() {
    let descriptors_before = descriptors();
    let server = Arc::new(TestServer::builder().encryption_master_key(MASTER_KEY).start().expect("a free port"));
    let shared = Arc::clone(&server);
    let recorder = thread::spawn(move || Recorder::record(&shared));
    let mut client = Client::connect(&server);
    client.drop_repeatedly(&server);
    client.pusher.subscribe(THE_END).expect("a valid name");
    let recorder = recorder.join().expect("the server's side");
    assert_eq!(recorder.doubled, [""; 0], "seed {SEED}");
    assert!(recorder.requests >= client.confirmed + CHANNELS as u64);
    let Client { confirmed, drops, .. } = client;
    drop(client);
    drop(server);
    assert_eq!(client_threads(), 0);
    eventually("all descriptors are closed", || descriptors() == descriptors_before);
    let measured = format_args!("{confirmed} by {drops} drops, 0 lost, 0 doubled");
    figures::record("resubscription", measured, "1,000,000 of 1,000,000, none lost, none doubled");
}

/// The record on the server's side.
#[derive(Default)]
struct Recorder {
    /// The channels requested on each connection. The server may still read a cut connection when the next one is open.
    requested: BTreeMap<u64, HashSet<String>>,
    requests: u64,
    doubled: Vec<String>,
}

impl Recorder {
    /// Records each message once, until the last subscription.
    fn record(server: &TestServer) -> Self {
        let mut recorder = Self::default();
        let ended = server.wait_for_received(|received| recorder.is_the_end(received), Duration::from_secs(3600));
        assert!(ended);
        recorder
    }

    fn is_the_end(&mut self, received: &Received) -> bool {
        let message: Value = serde_json::from_str(&received.text).expect("JSON");
        if message["event"] != "pusher:subscribe" {
            return false;
        }
        let channel = message["data"]["channel"].as_str().expect("a name").to_owned();
        let is_end = channel == THE_END;
        self.requests += 1;
        if !self.requested.entry(received.connection).or_default().insert(channel.clone()) {
            self.doubled.push(format!("{channel} on connection {}", received.connection));
        }
        while self.requested.len() > 8 {
            self.requested.pop_first();
        }
        is_end
    }
}

/// The client, and the counts of its reports.
struct Client {
    pusher: Pusher,
    receiver: Receiver,
    /// For each channel that was confirmed: whether it is confirmed on the present connection.
    channels: HashMap<String, bool>,
    /// The number of channels that are confirmed on the present connection.
    present: usize,
    /// The number of resubscriptions so far.
    confirmed: u64,
    drops: u64,
    random: u64,
}

impl Client {
    fn connect(server: &TestServer) -> Self {
        let config = server
            .config()
            .reconnect(Reconnect::default().max_delay(Duration::from_millis(1)))
            .overflow(Overflow::Block)
            .secret(server.secret())
            .user_data(json!({ "id": "me" }))
            .encryption_master_key(STANDARD.encode(MASTER_KEY));
        let pusher = Pusher::new(config);
        let receiver = pusher.receiver();
        pusher.connect().expect("the embedded server accepts");
        for name in names() {
            pusher.subscribe(&name).expect("a valid name");
        }
        Self { pusher, receiver, channels: HashMap::new(), present: 0, confirmed: 0, drops: 0, random: SEED }
    }

    /// Half of the time the test waits until everything is subscribed again before the next drop; otherwise it drops
    /// earlier.
    fn drop_repeatedly(&mut self, server: &TestServer) {
        self.wait_for_all(server);
        let baseline = (client_threads(), descriptors());
        while self.confirmed < RESUBSCRIPTIONS {
            server.drop_all();
            self.drops += 1;
            match self.draw(4) {
                0 => self.wait_for_some(),
                1 => self.wait_a_moment(),
                _ => self.wait_for_all(server),
            }
        }
        self.wait_for_all(server);
        eventually("threads and descriptors are at the baseline", || (client_threads(), descriptors()) == baseline);
    }

    /// Waits until everything is confirmed, and the server has exactly one subscriber to each channel: on the present
    /// connection, because a cut one has none.
    fn wait_for_all(&mut self, server: &TestServer) {
        let names: Vec<_> = names().collect();
        let deadline = Instant::now() + PATIENCE;
        // The client may not know yet that a connection is lost, nor the thread of the server that reads it.
        while self.present < CHANNELS || !server.wait_for(POLL, |state| has_one_of_each(state, &names)) {
            assert!(Instant::now() < deadline, "{} of {CHANNELS} confirmed, seed {SEED}", self.present);
            match self.receiver.recv_timeout(POLL) {
                Ok(notification) => self.apply(notification),
                Err(error) => assert_eq!(error, RecvTimeoutError::Timeout),
            }
        }
    }

    /// Waits until some of the channels are resubscribed.
    fn wait_for_some(&mut self) {
        let target = self.confirmed + 1 + self.draw(CHANNELS as u64 - 1);
        while self.confirmed < target {
            self.receive();
        }
    }

    /// Waits for a random time, in which the client may be connecting, upgrading or resubscribing.
    fn wait_a_moment(&mut self) {
        let until = Instant::now() + Duration::from_micros(self.draw(3000));
        while Instant::now() < until {
            thread::yield_now();
        }
    }

    fn receive(&mut self) {
        let result = self.receiver.recv_timeout(PATIENCE);
        self.apply(
            result.unwrap_or_else(|error| panic!("{error}: {} of {CHANNELS} confirmed, seed {SEED}", self.present)),
        );
    }

    fn apply(&mut self, notification: Notification) {
        match notification {
            Notification::SubscriptionSucceeded(succeeded) => self.succeeded(&succeeded),
            Notification::ConnectionStateChange(change) if change.previous == ConnectionState::Connected => {
                self.channels.values_mut().for_each(|is_present| *is_present = false);
                self.present = 0;
            }
            Notification::ConnectionStateChange(_) => {}
            // A cache channel is empty.
            Notification::CacheMiss { .. } => {}
            other => panic!("{other:?}, seed {SEED}"),
        }
    }

    fn succeeded(&mut self, succeeded: &SubscriptionSucceeded) {
        let before = self.channels.insert(succeeded.channel.to_string(), true);
        assert_ne!(before, Some(true), "{} is confirmed twice, seed {SEED}", succeeded.channel);
        assert_eq!(succeeded.resubscribed, before.is_some(), "{}, seed {SEED}", succeeded.channel);
        assert_eq!(succeeded.gap.is_some(), before.is_some(), "{}, seed {SEED}", succeeded.channel);
        self.present += 1;
        self.confirmed += u64::from(succeeded.resubscribed);
    }

    fn draw(&mut self, below: u64) -> u64 {
        // Knuth's linear congruential generator.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }
}

fn names() -> impl Iterator<Item = String> {
    (0..CHANNELS).map(|n| format!("{}{n}", PREFIXES[n % PREFIXES.len()]))
}

fn has_one_of_each(state: &Snapshot<'_>, names: &[String]) -> bool {
    names.iter().all(|name| state.subscribers(name) == 1)
}
