//! Minutes of faults, one every 50 ms: afterwards the client works as before, and uses no more memory.
//!
//! The client is alone in its own process, so that all allocations, threads and descriptors of that process are the
//! client's. The server, the proxy and the faults are in this one.

mod limits;

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{Pusher, testing::TestServer};

use crate::{
    allocations,
    fault_proxy::{Action, FaultProxy},
    faults::{ROWS, mix},
    figures,
    support::{PATIENCE, process::KilledOnDrop},
    test_client::{CHANNELS, config},
};

/// The environment variable with the duration of the faults in seconds. The default is 180.
const DURATION: &str = "SOAK_SECONDS";

/// The environment variable with the port to which the process with the client connects.
const PORT: &str = "SOAK_PORT";

/// The time between two faults.
const EVERY: Duration = Duration::from_millis(50);

/// The time after which the client's allocations are stable: buffers have their full size, and names are known.
const WARM_UP: Duration = Duration::from_secs(15);

/// The time between two events of the publisher.
const PUBLISH: Duration = Duration::from_millis(2);

/// The allowed growth: one burst that waits in a queue, but nothing that grows with each fault.
const GROWTH: i64 = 16 * 1024;

#[test]
fn h6_after_a_fault_every_50_ms_nothing_has_grown() {
    let duration = env::var(DURATION).map_or(180, |seconds| seconds.parse().expect("a number of seconds"));
    let duration = Duration::from_secs(duration);
    let server = TestServer::start().expect("a free port");
    let proxy = FaultProxy::before(server.addr());
    let mut client = Client::start(proxy.port());
    let over = AtomicBool::new(false);
    let (before, after, faults) = thread::scope(|scope| {
        scope.spawn(|| publish_until(&over, &server));
        let mut seed = 0u64;
        inject_faults(&proxy, WARM_UP, &mut seed);
        let before = client.measure_when_recovered();
        let warm = seed;
        inject_faults(&proxy, duration, &mut seed);
        let after = client.measure_when_recovered();
        over.store(true, Ordering::Relaxed);
        (before, after, i64::try_from(seed - warm).expect("a small number"))
    });
    let grown = after.allocated - before.allocated;
    assert!(grown <= GROWTH, "{before:?} before, {after:?} after {faults} faults");
    assert_eq!((after.threads, after.descriptors), (before.threads, before.descriptors), "{before:?}, {after:?}");
    assert!(after.connections > before.connections + faults / 20, "the faults had an effect: {before:?}, {after:?}");
    assert!(after.events > before.events, "events arrived between the faults: {before:?}, {after:?}");
    assert_eq!(proxy.log().overlaps, 0, "never two sockets at once");
    figures::record(
        "soak",
        format_args!(
            "{faults} faults and {} connections in {duration:?}: {grown} bytes more than {}, threads {} and {}, descriptors {} and {}",
            after.connections - before.connections,
            before.allocated,
            before.threads,
            after.threads,
            before.descriptors,
            after.descriptors,
        ),
        "3 minutes with a fault every 50 ms: memory does not grow",
    );
}

/// Applies faults to the present connection, at any phase of it.
fn inject_faults(proxy: &FaultProxy, duration: Duration, seed: &mut u64) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        *seed += 1;
        let row = &ROWS[usize::try_from(mix(*seed) % ROWS.len() as u64).expect("a small number")];
        proxy.strike(row.action);
        thread::sleep(EVERY);
        match row.action {
            Action::Refuse => proxy.reopen(),
            Action::Hold => proxy.release(),
            _ => {}
        }
    }
    // A last fault ends the present connection, so that the next one has no fault.
    proxy.strike(Action::Reset);
}

fn publish_until(over: &AtomicBool, server: &TestServer) {
    for n in (0u64..).take_while(|_| !over.load(Ordering::Relaxed)) {
        let channel = CHANNELS[usize::try_from(n).unwrap_or_default() % CHANNELS.len()];
        server.trigger(channel, "news", &n);
        thread::sleep(PUBLISH);
    }
}

/// The process with the client.
struct Client {
    _process: KilledOnDrop,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The resources of a client, and the counts of its work.
#[derive(Debug, Clone, Copy)]
struct Measure {
    allocated: i64,
    threads: i64,
    descriptors: i64,
    connections: i64,
    events: i64,
}

/// The start of a line with a measure. The test harness prints other lines to the same pipe.
const MEASURE: &str = "measure: ";

impl Client {
    fn start(port: u16) -> Self {
        let mut process = Command::new(env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "soak::client", "--nocapture"])
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test runs");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { _process: KilledOnDrop(process), input, output }
    }

    /// Waits until every channel is subscribed, and asks for the client's resources.
    fn measure_when_recovered(&mut self) -> Measure {
        self.input.write_all(b"\n").expect("the client runs");
        let mut lines = self.output.by_ref().lines().map(|line| line.expect("text"));
        let line = lines.find_map(|line| line.split_once(MEASURE).map(|(_, numbers)| numbers.to_owned()));
        let line = line.expect("a client that has recovered answers");
        let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [allocated, threads, descriptors, connections, events] = numbers[..] else { panic!("{line}") };
        Measure { allocated, threads, descriptors, connections, events }
    }
}

/// Answers each line of its input with a measure.
#[test]
#[ignore = "run by h6_after_a_fault_every_50_ms_nothing_has_grown in a process of its own"]
fn client() {
    let port = env::var(PORT).expect("the proxy's port").parse().expect("a number");
    let pusher = Pusher::new(config("127.0.0.1", port));
    let events = Arc::new(AtomicI64::new(0));
    let counter = Arc::clone(&events);
    pusher.on_event(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let channels = CHANNELS.map(|name| pusher.subscribe(name).expect("a valid name"));
    pusher.connect_background().expect("a good configuration");
    for _ in io::stdin().lines() {
        let [allocated, threads, descriptors] = loop {
            for channel in &channels {
                channel.wait_subscribed(PATIENCE).expect("the client reconnects");
            }
            let socket = pusher.socket_id();
            let costs = costs_at_rest();
            // The last fault may have come after the confirmation of the last channel.
            if socket.is_some() && socket == pusher.socket_id() {
                break costs;
            }
        };
        let connections = pusher.stats().connections;
        println!("{MEASURE}{allocated} {threads} {descriptors} {connections} {}", events.load(Ordering::Relaxed));
    }
}

/// Bytes, threads and descriptors, each the minimum of many readings, to exclude events in progress and resources that
/// are about to be released.
fn costs_at_rest() -> [i64; 3] {
    let entries = |folder: &str| i64::try_from(fs::read_dir(folder).expect("procfs").count()).expect("a small number");
    let mut least = [i64::MAX; 3];
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(10));
        let look = [allocations::allocated(), entries("/proc/self/task"), entries("/proc/self/fd")];
        least = std::array::from_fn(|n| least[n].min(look[n]));
    }
    least
}
