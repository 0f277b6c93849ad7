//! A client makes few attempts at a server that accepts connections and closes them at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{Pusher, testing::TestServer};

use crate::{figures, support::PATIENCE};

/// The close codes: three that ask for a reconnect at once, one that does not, and no code.
const CLOSE_CODES: [Option<u16>; 5] = [Some(4200), Some(4201), Some(4299), Some(1006), None];

/// The number of clients for each code. Their delays are random.
const CLIENTS: usize = 4;

const CHANNEL: &str = "room";

/// The interval at which a server without clients checks whether the minute is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A server that confirms each connection and closes it at once, and a client with the default policy.
struct Pair {
    server: TestServer,
    client: Pusher,
    code: Option<u16>,
}

/// The first minute after the first connection has the most attempts, because delays only grow while no connection
/// lasts 10 s.
#[test]
fn r1_r2_a_server_that_closes_with_4200_gets_at_most_60_attempts_a_minute() {
    let pairs: Vec<Pair> = CLOSE_CODES.iter().flat_map(|code| (0..CLIENTS).map(|_| Pair::new(*code))).collect();
    let minute = Instant::now() + Duration::from_secs(60);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for pair in &pairs {
            scope.spawn(|| pair.close_until(&over));
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

    fn close_until(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            // A client that has subscribed was confirmed.
            if self.server.wait_for(CHECK_INTERVAL, |state| state.subscribers(CHANNEL) > 0) {
                match self.code {
                    Some(code) => self.server.close_all(code, "reconnect"),
                    None => self.server.drop_all(),
                };
                self.server.wait_for_connections(0, PATIENCE);
            }
        }
    }
}
