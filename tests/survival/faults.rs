//! Faults at every phase of a connection, from connecting to closing: the client reconnects in time with one socket,
//! and subscribes every wanted channel once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pusher_channels::testing::TestServer;

use crate::{
    fault_proxy::{Action, Cut, FaultProxy, Phase, ProxyFault},
    figures,
    support::PATIENCE,
    test_client::{ACTIVITY, CHANNELS, CONNECT, History, NOTICE, PONG, RECOVERY, TestClient, config},
};

/// A fault, the phases at which it can happen, and its effect.
pub(crate) struct Row {
    pub(crate) action: Action,
    pub(crate) phases: &'static [Phase],
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The client is notified of the end of the connection.
    Lost,
    /// The client must detect the end by itself.
    Silent,
    /// The connection becomes slow.
    Kept,
}

use Phase::{Accepted, Closing, Confirming, Connecting, Established, Event, Idle, Request, Response, Subscribing};

const AFTER_CONNECTING: &[Phase] =
    &[Accepted, Request, Response, Established, Subscribing, Confirming, Idle, Event, Closing];
const WHILE_OPEN: &[Phase] = &[Accepted, Request, Response, Established, Subscribing, Confirming, Idle, Event];
const ALL: &[Phase] =
    &[Connecting, Accepted, Request, Response, Established, Subscribing, Confirming, Idle, Event, Closing];

/// All faults. A new fault is a new row.
pub(crate) const ROWS: &[Row] = &[
    Row { action: Action::Reset, phases: AFTER_CONNECTING, effect: Effect::Lost },
    Row { action: Action::Finish, phases: AFTER_CONNECTING, effect: Effect::Lost },
    Row { action: Action::Refuse, phases: ALL, effect: Effect::Lost },
    Row { action: Action::Hold, phases: AFTER_CONNECTING, effect: Effect::Lost },
    Row { action: Action::Corrupt, phases: &[Response, Established, Confirming, Event], effect: Effect::Lost },
    Row { action: Action::Stall, phases: AFTER_CONNECTING, effect: Effect::Silent },
    Row { action: Action::LoseToClient, phases: AFTER_CONNECTING, effect: Effect::Silent },
    Row { action: Action::LoseToServer, phases: AFTER_CONNECTING, effect: Effect::Silent },
    // C3: the deadline is absolute, so that single bytes do not extend it.
    Row { action: Action::Drip(SLOW), phases: &[Accepted, Request, Response], effect: Effect::Silent },
    Row { action: Action::Drip(Duration::from_millis(1)), phases: WHILE_OPEN, effect: Effect::Kept },
    Row { action: Action::Delay(Duration::from_millis(50)), phases: WHILE_OPEN, effect: Effect::Kept },
];

/// At this pace, a response takes several times [`CONNECT`].
const SLOW: Duration = Duration::from_millis(40);

/// The number of seeds for each fault at each of its phases. A seed chooses the cut, the outage and the form of the
/// host.
const SEEDS: u64 = 18;

/// A fault that has not happened after this time is tried on another connection.
const ANOTHER_AFTER: Duration = Duration::from_secs(2);

/// The number of cases that run at once. They wait most of the time.
const AT_ONCE: usize = 32;

#[test]
fn c3_r6_r8_r9_the_client_recovers_from_every_fault_in_every_phase() {
    let cases: Vec<Case> = drawn_cases().chain(byte_by_byte()).collect();
    assert!(cases.len() >= 2000, "only {} cases", cases.len());
    let (failures, measured) = run_all(&cases);
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
    let worst = |pick: fn(&Measured) -> Duration| measured.iter().map(pick).max().unwrap_or_default();
    figures::record(
        "connection faults",
        format_args!(
            "{} of {} recovered, at worst {:?} beyond the back-off; silence detected at worst {:?} after the timeouts",
            measured.len(),
            cases.len(),
            worst(|m| m.recovery),
            worst(|m| m.notice),
        ),
        "at least 2,000 of 2,000 within back-off + 1 s; half-open within activity + pong + 250 ms",
    );
}

/// One run: a client, its server, and the fault between them.
#[derive(Clone, Copy)]
struct Case {
    fault: ProxyFault,
    effect: Effect,
    seed: u64,
}

/// The time beyond the allowed delays.
#[derive(Default)]
struct Measured {
    recovery: Duration,
    notice: Duration,
}

fn drawn_cases() -> impl Iterator<Item = Case> {
    let each = |row: &'static Row| row.phases.iter().map(move |phase| (row, *phase));
    ROWS.iter().flat_map(each).flat_map(|(row, phase)| {
        (0..SEEDS).map(move |seed| {
            let cut = match (row.action, seed % 3) {
                (Action::Corrupt, _) | (_, 0) => Cut::Before,
                (_, 1) => Cut::After,
                _ => Cut::Drawn(mix(seed)),
            };
            Case { fault: ProxyFault { phase, cut, action: row.action }, effect: row.effect, seed }
        })
    })
}

/// A FIN and an RST after every byte of the first messages of the server, and of an event.
fn byte_by_byte() -> impl Iterator<Item = Case> {
    let lengths = lengths();
    [Response, Established, Confirming, Event].into_iter().flat_map(move |phase| {
        let bytes = 0..=lengths[&phase];
        bytes.flat_map(move |byte| {
            [Action::Finish, Action::Reset].map(|action| Case {
                fault: ProxyFault { phase, cut: Cut::Byte(byte), action },
                effect: Effect::Lost,
                seed: byte as u64,
            })
        })
    })
}

/// The lengths of the messages on a connection without a fault.
fn lengths() -> BTreeMap<Phase, usize> {
    let server = TestServer::start().expect("a free port");
    let proxy = FaultProxy::before(server.addr());
    let client = TestClient::new(config("127.0.0.1", proxy.port()));
    client.pusher.connect().expect("there is no fault");
    client.wait_subscribed();
    client.each_event_arrives_once(&server).expect("there is no fault");
    proxy.log().lengths
}

fn run_all(cases: &[Case]) -> (Vec<String>, Vec<Measured>) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let measured = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match case.run() {
                        Ok(figures) => measured.lock().push(figures),
                        Err(failure) => failures.lock().push(format!("{case}: {failure}")),
                    }
                }
            });
        }
    });
    (failures.into_inner(), measured.into_inner())
}

impl Case {
    fn run(&self) -> Result<Measured, String> {
        let server = TestServer::start().map_err(|error| error.to_string())?;
        let proxy = FaultProxy::before(server.addr());
        let client = TestClient::new(config(self.host(), proxy.port()));
        let struck = strike(self.fault, &server, &proxy, &client, History::is_recovered);
        let healed = self.heal(&server, &proxy, &client, struck);
        let measured = match self.effect {
            Effect::Kept => {
                client.wait_subscribed();
                Measured::default()
            }
            _ if self.fault.phase == Closing => self.check_return(&client, healed)?,
            _ => self.check_recovery(&client, &proxy, struck, healed)?,
        };
        client.each_event_arrives_once(&server)?;
        self.check_kept(&client, struck)?;
        check_subscriptions(&server)?;
        client.pusher.disconnect();
        match proxy.log().overlaps {
            0 => Ok(measured),
            overlaps => Err(format!("there were two sockets at once {overlaps} times")),
        }
    }

    /// The host of the server. Some cases use a name that also has an address on which nothing listens.
    fn host(&self) -> &'static str {
        if self.seed % 4 == 3 { "localhost" } else { "127.0.0.1" }
    }

    /// Ends faults that outlast the connection: a closed port, or a server that is down. Returns the time just before.
    fn heal(&self, server: &TestServer, proxy: &FaultProxy, client: &TestClient, struck: Instant) -> Instant {
        let outage = Duration::from_millis(100 + mix(self.seed) % 300);
        let mut healed = struck;
        match self.fault.action {
            Action::Refuse => {
                thread::sleep(outage);
                healed = Instant::now();
                proxy.reopen();
            }
            Action::Hold => {
                server.stop_listening();
                server.drop_all();
                proxy.release();
                thread::sleep(outage);
                healed = Instant::now();
                server.resume_listening().expect("the port is kept");
            }
            _ => {}
        }
        if self.fault.phase == Closing {
            healed = Instant::now();
            client.pusher.connect_background().expect("it was connected before");
        }
        healed
    }

    /// R10: a fault while closing does not affect the next connection.
    fn check_return(&self, client: &TestClient, again: Instant) -> Result<Measured, String> {
        let history = client.wait(|history| history.recovered_after(again).is_some());
        let recovered = history.recovered_after(again).ok_or_else(|| format!("not connected again: {history}"))?;
        in_time(recovered - again, &format!("{history}"))
    }

    fn check_recovery(
        &self,
        client: &TestClient,
        proxy: &FaultProxy,
        struck: Instant,
        healed: Instant,
    ) -> Result<Measured, String> {
        let back = |history: &History| {
            let lost = history.losses_since(struck).first()?.at;
            history.recovered_after(lost.max(healed))
        };
        let history = client.wait(|history| back(history).is_some());
        let shown = || format!("{history}");
        let recovered = back(&history).ok_or_else(|| format!("not connected again: {}", shown()))?;
        let loss = &history.losses_since(struck)[0];
        let (mut notice, mut since) = (Duration::ZERO, healed);
        if self.effect == Effect::Silent {
            if !loss.timed_out {
                return Err(format!("dropped before its time: {}", shown()));
            }
            let last_sign = if loss.was_connected { proxy.log().last_byte() } else { loss.attempt_began };
            let silence = loss.at - last_sign.ok_or("silence has a beginning")?;
            let timeouts = if loss.was_connected { ACTIVITY + PONG } else { CONNECT };
            notice = silence.saturating_sub(timeouts);
            if notice > NOTICE {
                return Err(format!("silence was detected {notice:?} after the timeouts: {}", shown()));
            }
            since = loss.at;
        }
        // A further loss would count as back-off below, so that it must be excluded first.
        if history.losses_since(since).len() > 1 {
            return Err(format!("lost again after the fault was over: {}", shown()));
        }
        let recovery = (recovered - since).saturating_sub(history.backed_off(since, recovered));
        Ok(Measured { notice, ..in_time(recovery, &shown())? })
    }

    /// A slow connection must not be dropped.
    fn check_kept(&self, client: &TestClient, struck: Instant) -> Result<(), String> {
        let history = client.wait(|_| true);
        let lost = self.effect == Effect::Kept && !history.losses_since(struck).is_empty();
        if lost { Err(format!("a slow connection was dropped: {history}")) } else { Ok(()) }
    }
}

/// Connects the client, waits for the phase, and causes the fault. `settled` says whether all channels are subscribed.
pub(crate) fn strike(
    fault: ProxyFault,
    server: &TestServer,
    proxy: &FaultProxy,
    client: &TestClient,
    settled: impl Fn(&History) -> bool,
) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(struck) = try_to_strike(fault, server, proxy, client, &settled) {
            return struck;
        }
        // Calls of a program may keep a connection from reaching that point. Another connection is tried then.
        assert!(Instant::now() < deadline, "{fault:?} does not happen: {}", account(server, proxy, client));
        client.pusher.disconnect();
    }
}

/// Tries one connection. If the fault does not happen, it is disarmed, so that it cannot happen late.
fn try_to_strike(
    fault: ProxyFault,
    server: &TestServer,
    proxy: &FaultProxy,
    client: &TestClient,
    settled: impl Fn(&History) -> bool,
) -> Option<Instant> {
    if fault.phase == Connecting {
        proxy.refuse();
    } else if fault.phase < Idle {
        proxy.arm(fault);
    }
    client.pusher.connect_background().expect("the configuration is valid");
    if fault.phase >= Idle {
        let is_settled = settled(&client.wait(&settled));
        assert!(is_settled, "not subscribed before {fault:?}: {}", account(server, proxy, client));
    }
    match fault.phase {
        Idle => proxy.strike(fault.action),
        Event => {
            proxy.arm(fault);
            let deadline = Instant::now() + ANOTHER_AFTER;
            // A client that was not subscribed gets the next event.
            while proxy.wait_struck(Duration::from_millis(50)).is_none() && Instant::now() < deadline {
                server.trigger(CHANNELS[0], "fault", "an event");
            }
        }
        Closing => {
            proxy.arm(fault);
            client.pusher.disconnect();
        }
        _ => {}
    }
    proxy.wait_struck_or_disarm(ANOTHER_AFTER)
}

/// The states of client, proxy and server, for the message of a failure.
fn account(server: &TestServer, proxy: &FaultProxy, client: &TestClient) -> String {
    let subscribers = CHANNELS.map(|channel| server.subscribers(channel));
    format!(
        "client: {:?}, notifications: {}; proxy: {:?}; \
         server: {} connections of {} so far, subscribers {subscribers:?}",
        client.pusher.stats(),
        client.wait(|_| true),
        proxy.log(),
        server.connections(),
        server.attempts(),
    )
}

fn in_time(recovery: Duration, shown: &str) -> Result<Measured, String> {
    if recovery > RECOVERY {
        return Err(format!("connected again {recovery:?} after the back-off: {shown}"));
    }
    Ok(Measured { recovery, notice: Duration::ZERO })
}

/// R8: no connection subscribed a channel twice, and the last one subscribed every channel.
fn check_subscriptions(server: &TestServer) -> Result<(), String> {
    let mut subscribed: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for received in server.received().iter().filter(|received| received.text.contains("pusher:subscribe")) {
        let message: serde_json::Value = serde_json::from_str(&received.text).map_err(|error| error.to_string())?;
        let channel = message["data"]["channel"].as_str().unwrap_or_default().to_owned();
        subscribed.entry(received.connection).or_default().push(channel);
    }
    let twice = |channels: &&Vec<String>| CHANNELS.iter().any(|c| channels.iter().filter(|name| name == c).count() > 1);
    if let Some(channels) = subscribed.values().find(twice) {
        return Err(format!("subscribed twice on one connection: {channels:?}"));
    }
    match subscribed.last_key_value() {
        Some((_, channels)) if channels.len() == CHANNELS.len() => Ok(()),
        last => Err(format!("the last connection subscribed {last:?}")),
    }
}

/// The finaliser of SplitMix64. Consecutive seeds give unrelated numbers.
pub(crate) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProxyFault { phase, cut, action } = self.fault;
        write!(f, "{action:?} at {phase:?}, {cut:?}, seed {}", self.seed)
    }
}
