//! A server that takes a client in and sends it away at once is not hammered.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{Pusher, testing::TestServer};

use crate::{figures, support::PATIENCE};

/// The codes that ask for a reconnect at once, one that does not, and none at all.
const SENT_AWAY_WITH: [Option<u16>; 5] = [Some(4200), Some(4201), Some(4299), Some(1006), None];

/// Each code gets so many clients, whose delays are drawn apart.
const CLIENTS: usize = 4;

const CHANNEL: &str = "room";

/// How often a server that nobody comes to looks whether the minute is over.
const LOOK: Duration = Duration::from_millis(100);

/// A server that confirms each connection and ends it at once, and its client, which has the default policy.
struct Pair {
    server: TestServer,
    client: Pusher,
    code: Option<u16>,
}

/// A minute, because the first minute after the first connection is the one with the most attempts: delays only grow
/// while no connection lasts 10 s.
#[test]
fn r1_r2_a_server_that_sends_clients_away_with_4200_sees_at_most_60_attempts_a_minute() {
    let pairs: Vec<Pair> = SENT_AWAY_WITH.iter().flat_map(|code| (0..CLIENTS).map(|_| Pair::new(*code))).collect();
    let minute = Instant::now() + Duration::from_secs(60);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for pair in &pairs {
            scope.spawn(|| pair.send_away_until(&over));
        }
        thread::sleep(minute.saturating_duration_since(Instant::now()));
        over.store(true, Ordering::Relaxed);
    });
    let attempts: Vec<(Option<u16>, u64)> = pairs.iter().map(|pair| (pair.code, pair.server.attempts())).collect();
    assert!(attempts.iter().all(|(_, attempts)| (2..=60).contains(attempts)), "{attempts:?}");
    for Pair { server, client, .. } in &pairs {
        assert!(client.stats().connections + 1 >= server.accepted(), "each connection was confirmed before it ended");
    }
    let most = attempts.iter().map(|(_, attempts)| attempts).max().expect("there are clients");
    figures::record(
        "a server that accepts and closes with 4200",
        format_args!("{most} attempts in the first minute, the most of {} clients", pairs.len()),
        "at most 60 attempts a minute",
    );
}

impl Pair {
    fn new(code: Option<u16>) -> Self {
        let server = TestServer::start().expect("a free port");
        let client = Pusher::new(server.config()).connect_background().expect("a good configuration");
        client.subscribe(CHANNEL).expect("a valid name");
        Self { server, client, code }
    }

    fn send_away_until(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            // Who subscribes has been confirmed.
            if self.server.wait_for(LOOK, |state| state.subscribers(CHANNEL) > 0) {
                match self.code {
                    Some(code) => self.server.close_all(code, "come again"),
                    None => self.server.drop_all(),
                };
                self.server.wait_for_connections(0, PATIENCE);
            }
        }
    }
}
