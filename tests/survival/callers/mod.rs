//! No call blocks its caller, whatever happens to the connection.

mod stopwatch;

use std::{
    cell::RefCell,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pusher_channels::{Error, Pusher, testing::TestServer};
use rustix::process::setpriority_process;

use crate::{
    calls::{self, CALLS, Call, CallingThread, Class, Handles, Receivers},
    fault_proxy::{Action, Cut, FaultProxy, ProxyFault},
    faults::{ROWS, strike},
    figures,
    support::PATIENCE,
    test_client::{CHANNELS, TestClient, config},
};
use stopwatch::{Reference, Stopwatch, Timed};

/// The time limit of a call that does not wait.
const CALL: Duration = Duration::from_millis(10);

/// The time limit of `disconnect` and of dropping the last handle.
const END: Duration = Duration::from_millis(250);

/// The time for which a fault is in effect and calls are made.
const WINDOW: Duration = Duration::from_millis(250);

/// Longer than the window, so that a silent fault lasts as long as the window.
const PONG: Duration = Duration::from_secs(2);

/// The number of scenes that run at once. Callers sleep most of the time, and two processors are enough for three.
const AT_ONCE: usize = 3;

/// Runs the test below in a process of its own with a high priority, so that other work of the machine, such as other
/// tests, does not affect the measurement.
#[test]
fn r10_no_call_takes_more_than_10_ms_and_no_end_more_than_250_ms() {
    let output = Command::new("nice")
        .args(["-n", "-20"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--ignored", "callers::"])
        .output()
        .expect("nice is part of every system");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2 passed"), "{text}");
}

#[test]
#[ignore = "run by r10_no_call_takes_more_than_10_ms_and_no_end_more_than_250_ms, with priority"]
fn calls_under_every_fault() {
    let scenes = scenes();
    let reference = Reference::start();
    let next = AtomicUsize::new(0);
    let totals = Mutex::new(Totals::default());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    totals.lock().merge(scene.run(&reference));
                }
            });
        }
    });
    let Totals { calls, slowest, slowest_end, late, .. } = &*totals.lock();
    assert!(late.is_empty(), "{} of {calls} calls:\n{}", late.len(), late.join("\n"));
    assert!(*calls > 10_000, "{calls} calls");
    figures::record(
        "callers",
        format_args!(
            "{calls} calls in {} scenes: the slowest ({}) {:?}, {:?} on the clock, disconnect and drop {:?} ({:?})",
            scenes.len(),
            slowest.1,
            slowest.0.own,
            slowest.0.wall,
            slowest_end.own,
            slowest_end.wall
        ),
        "no call more than 10 ms, disconnect and drop at most 250 ms",
    );
}

/// A fault that disturbs the client, and the call that ends it.
struct Scene {
    disturbance: Disturbance,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Fault(ProxyFault),
    /// The server reads nothing.
    Stalled,
    /// The server sends nothing.
    Silent,
    /// The server sends as fast as it can.
    Flooding,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Disconnect,
    Drop,
}

/// Sets the flag when it is dropped.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Totals {
    calls: usize,
    slowest: (Timed, &'static str),
    slowest_end: Timed,
    late: Vec<String>,
}

fn scenes() -> Vec<Scene> {
    let faults = ROWS.iter().flat_map(|row| {
        let fault = |phase| ProxyFault { phase, cut: Cut::Drawn(7), action: row.action };
        row.phases.iter().map(move |phase| Disturbance::Fault(fault(*phase)))
    });
    let servers = [Disturbance::Stalled, Disturbance::Silent, Disturbance::Flooding];
    let disturbances: Vec<_> = faults.chain(servers).collect();
    [End::Disconnect, End::Drop]
        .into_iter()
        .flat_map(|end| disturbances.iter().map(move |disturbance| Scene { disturbance: *disturbance, end }))
        .collect()
}

impl Scene {
    fn run(&self, reference: &Reference) -> Totals {
        let (server, proxy) = with_low_priority(|| {
            let server = TestServer::start().expect("a free port");
            let proxy = FaultProxy::before(server.addr());
            (server, proxy)
        });
        let port = if matches!(self.disturbance, Disturbance::Fault(_)) { proxy.port() } else { server.port() };
        let config = config("127.0.0.1", port).pong_timeout(PONG).connect_timeout(PONG);
        let client = TestClient::new(config);
        let handles = Handles {
            channel: client.pusher.channel(CHANNELS[1]).expect("a valid name"),
            other: client.pusher.channel("private-other").expect("a valid name"),
            again: &CHANNELS,
            user: client.pusher.user(),
            receivers: Receivers::Shared(client.pusher.receiver()),
            event: calls::event(),
            event_name: "event",
            pusher: client.pusher.clone(),
            data: large_event(),
            own: RefCell::default(),
            thread: CallingThread::Program,
        };
        // A fault happens while calls are made. A server is made to misbehave before, because calls could prevent that.
        if !matches!(self.disturbance, Disturbance::Fault(_)) {
            self.disturb_the_server(&server, &client.pusher);
        }
        let over = AtomicBool::new(false);
        let mut totals = thread::scope(|scope| {
            // Without this, a panic below would make the scope wait for ever.
            let _over = SetOnDrop(&over);
            let caller = scope.spawn(|| self.call_until(&over, handles, reference));
            let flood = scope.spawn(|| with_low_priority(|| self.flood_until(&over, &server)));
            if let Disturbance::Fault(fault) = self.disturbance {
                strike(fault, &server, &proxy, &client, |history| history.has_confirmed(CHANNELS[1]));
                if fault.action == Action::Hold {
                    server.stop_listening();
                    server.drop_all();
                    proxy.release();
                }
            }
            thread::sleep(WINDOW);
            over.store(true, Ordering::Relaxed);
            flood.join().expect("publishing does not panic");
            caller.join().expect("no call panics")
        });
        let stopwatch = Stopwatch::new(reference);
        let ((), timed) = match self.end {
            End::Disconnect => stopwatch.time(|| client.pusher.disconnect()),
            End::Drop => stopwatch.time(|| drop(client)),
        };
        totals.slowest_end = timed;
        if timed.own > END {
            totals.late.push(format!("{:?} took {timed:?} under {:?}", self.end, self.disturbance));
        }
        totals
    }

    fn disturb_the_server(&self, server: &TestServer, pusher: &Pusher) {
        pusher.connect_background().expect("a good configuration");
        assert!(server.wait_for_subscribers(CHANNELS[1], 1, PATIENCE));
        match self.disturbance {
            Disturbance::Stalled => {
                server.set_stalled(true);
                pusher
                    .channel(CHANNELS[1])
                    .and_then(|c| c.wait_subscribed(PATIENCE))
                    .expect("the server has confirmed");
                fill_the_buffers(pusher);
            }
            Disturbance::Silent => server.set_silent(true),
            Disturbance::Flooding | Disturbance::Fault(_) => {}
        }
    }

    fn flood_until(&self, over: &AtomicBool, server: &TestServer) {
        let data = "x".repeat(1000);
        while matches!(self.disturbance, Disturbance::Flooding) && !over.load(Ordering::Relaxed) {
            server.trigger(CHANNELS[0], "flood", &data);
        }
    }

    fn call_until(&self, over: &AtomicBool, handles: Handles, reference: &Reference) -> Totals {
        let stopwatch = Stopwatch::new(reference);
        let mut totals = Totals::default();
        let mut make = |Call { methods, make, .. }: &Call| {
            let ((), timed) = stopwatch.time(|| make(&handles));
            totals.calls += 1;
            totals.slowest = totals.slowest.max((timed, methods));
            if timed.own > CALL {
                totals.late.push(format!("{methods} took {timed:?} under {:?}", self.disturbance));
            }
        };
        for round in 1.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            CALLS.iter().filter(|call| call.class == Class::Immediate).for_each(&mut make);
            if round % 16 == 0 {
                CALLS.iter().filter(|call| is_rare(call.class)).for_each(&mut make);
            }
            // Programs do other work between their calls. Without a pause, the client would never get the processor.
            thread::sleep(Duration::from_millis(1));
        }
        totals
    }
}

/// Whether calls of this class are made only in one of many rounds, because each changes the connection or all
/// subscriptions.
///
/// Calls that wait are not timed. Calls of [`Class::Unbinding`] would remove the handlers of this test. `disconnect`
/// and dropping the last handle have a limit of their own.
fn is_rare(class: Class) -> bool {
    match class {
        Class::Subscribing | Class::Connecting => true,
        Class::Immediate | Class::Waiting | Class::Unbinding | Class::Ending => false,
    }
}

/// Data of a client event, about as large as it may be.
fn large_event() -> String {
    "x".repeat(10_000)
}

/// Sends until the buffers of both sockets and the queue of the client are full.
fn fill_the_buffers(pusher: &Pusher) {
    let (data, deadline) = (large_event(), Instant::now() + PATIENCE);
    while !matches!(pusher.trigger(CHANNELS[1], "client-event", &data), Err(Error::ClientEventQueueFull { .. })) {
        assert!(Instant::now() < deadline, "the buffers are full");
    }
}

/// Starts threads of the server and the proxy with a low priority, so that the client's threads get the processor as if
/// the others ran on another machine. Threads that they start inherit the priority.
fn with_low_priority<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    let started = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setpriority_process(None, 10).expect("every process may lower its priority");
            start()
        });
        thread.join()
    });
    started.expect("the start does not panic")
}

impl Totals {
    fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.slowest = self.slowest.max(other.slowest);
        self.slowest_end = self.slowest_end.max(other.slowest_end);
        self.late.extend(other.late);
    }
}
