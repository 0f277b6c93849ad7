//! Hostile auth endpoints (A1 to A6, X2): an answer ends at most the attempt of its channel, with a typed error, and no
//! credential reaches another host.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pusher_channels::{Config, Pusher, Reconnect};

use crate::{
    figures,
    hostile_endpoint::{Endpoint, OtherHost, Scenario, Shows, scenarios},
    hostile_server::{ROOM, Server},
    support::PATIENCE,
};

/// The number of scenarios at once. Most of them wait for their retries.
const AT_A_TIME: usize = 48;

#[test]
fn a5_a_hostile_endpoint_affects_only_its_channel() {
    let server = Server::good();
    let elsewhere = OtherHost::start();
    let scenarios = scenarios();
    let count = scenarios.len();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(reason) = run(scenario, &server, &elsewhere) {
                        failures.lock().push(format!("{}: {reason}", scenario.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(elsewhere.bytes(), 0, "another host got bytes");
    assert!(count >= 120);
    figures::record("hostile auth endpoints", format!("{count} of {count}"), "at least 120 of 120");
    figures::record("credential bytes at another host", elsewhere.bytes(), "0");
}

/// Subscribes the channel of the hostile endpoint, and two other channels.
fn run(scenario: &Scenario, server: &Server, elsewhere: &OtherHost) -> Result<(), String> {
    let endpoint = Endpoint::start(scenario, elsewhere);
    let pusher = Pusher::new((scenario.options)(config(server, &endpoint)));
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let (report, reports) = mpsc::channel();
    let (notes, refused) = (Arc::clone(&refusals), report.clone());
    pusher.on_subscription_error(move |failed| {
        let channel = failed.channel.as_ref().map(ToString::to_string).unwrap_or_default();
        notes.lock().push((channel, format!("{:?}", failed.error)));
        refused.send(()).unwrap_or_default();
    });
    pusher.on_subscription_succeeded(move |_| report.send(()).unwrap_or_default());
    for channel in [scenario.channel, "private-good", ROOM] {
        pusher.subscribe(channel).map_err(|error| error.to_string())?;
    }
    pusher.connect().map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..3 {
        let left = deadline.saturating_duration_since(Instant::now());
        if reports.recv_timeout(left).is_err() {
            return Err(format!("no outcome, but {:?}", refusals.lock()));
        }
    }
    let refusals = refusals.lock();
    check(scenario, &refusals, endpoint.requests())
}

fn check(scenario: &Scenario, refusals: &[(String, String)], requests: usize) -> Result<(), String> {
    let (kind, counts) = match scenario.shows {
        Shows::Subscribed => (None, 1..=1),
        Shows::Final(kind) => (Some(kind), 1..=1),
        Shows::Retried(kind) => (Some(kind), 4..=4),
        Shows::RetriedAndResent(kind) => (Some(kind), 4..=5),
        // With an empty kind, an error is possible but not required.
        Shows::Any(kind) => ((!(kind.is_empty() && refusals.is_empty())).then_some(kind), 1..=4),
    };
    let is_as_it_should = match (kind, refusals) {
        (None, []) => true,
        (Some(kind), [(channel, error)]) => channel == scenario.channel && error.starts_with(kind),
        _ => false,
    };
    if !is_as_it_should {
        return Err(format!("{:?} is not shown, but {refusals:?} after {requests} requests", scenario.shows));
    }
    if refusals.iter().any(|(_, error)| error.contains("canary")) {
        return Err(format!("a credential is in {refusals:?}"));
    }
    if counts.contains(&requests) { Ok(()) } else { Err(format!("{requests} requests, {refusals:?}")) }
}

fn config(server: &Server, endpoint: &Endpoint) -> Config {
    let address = server.address();
    Config::host("key", address.ip().to_string())
        .port(address.port())
        .tls(false)
        .reconnect(Reconnect::default().max_delay(Duration::from_millis(10)))
        .auth_endpoint(endpoint.url())
        .auth_timeout(Duration::from_secs(5))
        .auth_header("Authorization", "Bearer canary-header")
        .auth_header("Cookie", "session=canary-cookie")
        .auth_param("token", "canary-param")
}
