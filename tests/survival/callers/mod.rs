//! No call holds its caller up, whatever happens to the connection.

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
    calls::{self, CALLS, Call, Class, Handles, Place, Receivers},
    fault_proxy::{Action, Cut, Fault, FaultProxy},
    faults::{ROWS, strike},
    figures,
    subject::{CHANNELS, Subject, config},
    support::PATIENCE,
};
use stopwatch::{Reference, Stopwatch, Timed};

/// What a call may take, waiting ones excepted.
const CALL: Duration = Duration::from_millis(10);

/// What `disconnect`, or dropping the last handle, may take.
const END: Duration = Duration::from_millis(250);

/// For so long each fault is in effect and calls are made.
const WINDOW: Duration = Duration::from_millis(250);

/// Longer than the window, so that a silent fault is not over before it.
const PONG: Duration = Duration::from_secs(2);

/// So many scenes run at once: callers sleep most of the time, and two processors have to serve them.
const AT_ONCE: usize = 3;

/// In a process of its own, because of its priority: what else the machine does, other tests included, is not to be
/// measured here.
#[test]
fn r10_no_call_takes_more_than_10_ms_and_no_end_more_than_250_ms() {
    let output = Command::new("nice")
        .args(["-n", "-20"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--ignored", "callers::"])
        .output()
        .expect("nice is part of every system");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("2 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above, with priority"]
fn under_every_fault() {
    let scenes = scenes();
    let reference = Reference::start();
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    tally.lock().merge(scene.play(&reference));
                }
            });
        }
    });
    let Tally { calls, slowest, slowest_end, late, .. } = &*tally.lock();
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

/// What troubles the client, and how it ends.
struct Scene {
    trouble: Trouble,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Fault(Fault),
    /// The server reads nothing.
    Stalled,
    /// The server says nothing.
    Silent,
    /// The server sends as fast as it can.
    Flooding,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Disconnect,
    Drop,
}

/// Sets the flag when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Tally {
    calls: usize,
    slowest: (Timed, &'static str),
    slowest_end: Timed,
    late: Vec<String>,
}

fn scenes() -> Vec<Scene> {
    let faults = ROWS.iter().flat_map(|row| {
        let fault = |stage| Fault { stage, cut: Cut::Drawn(7), action: row.action };
        row.stages.iter().map(move |stage| Trouble::Fault(fault(*stage)))
    });
    let servers = [Trouble::Stalled, Trouble::Silent, Trouble::Flooding];
    let troubles: Vec<_> = faults.chain(servers).collect();
    [End::Disconnect, End::Drop]
        .into_iter()
        .flat_map(|end| troubles.iter().map(move |trouble| Scene { trouble: *trouble, end }))
        .collect()
}

impl Scene {
    fn play(&self, reference: &Reference) -> Tally {
        let (server, proxy) = on_another_machine(|| {
            let server = TestServer::start().expect("a free port");
            let proxy = FaultProxy::before(server.addr());
            (server, proxy)
        });
        let port = if matches!(self.trouble, Trouble::Fault(_)) { proxy.port() } else { server.port() };
        let config = config("127.0.0.1", port).pong_timeout(PONG).connect_timeout(PONG);
        let subject = Subject::new(config);
        let handles = Handles {
            channel: subject.pusher.channel(CHANNELS[1]).expect("a valid name"),
            other: subject.pusher.channel("private-elsewhere").expect("a valid name"),
            again: &CHANNELS,
            user: subject.pusher.user(),
            receivers: Receivers::Shared(subject.pusher.receiver()),
            event: calls::event(),
            event_name: "event",
            pusher: subject.pusher.clone(),
            data: large_event(),
            own: RefCell::default(),
            place: Place::Program,
        };
        // A fault strikes while calls are made. A server is made to misbehave first, because calls would undo what that needs.
        if !matches!(self.trouble, Trouble::Fault(_)) {
            self.trouble_the_server(&server, &subject.pusher);
        }
        let over = AtomicBool::new(false);
        let mut tally = thread::scope(|scope| {
            // Also when what follows panics, or the scope would wait for ever.
            let _over = Ended(&over);
            let caller = scope.spawn(|| self.call_until(&over, handles, reference));
            let flood = scope.spawn(|| on_another_machine(|| self.flood_until(&over, &server)));
            if let Trouble::Fault(fault) = self.trouble {
                strike(fault, &server, &proxy, &subject, |history| history.has_confirmed(CHANNELS[1]));
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
            End::Disconnect => stopwatch.time(|| subject.pusher.disconnect()),
            End::Drop => stopwatch.time(|| drop(subject)),
        };
        tally.slowest_end = timed;
        if timed.own > END {
            tally.late.push(format!("{:?} took {timed:?} under {:?}", self.end, self.trouble));
        }
        tally
    }

    fn trouble_the_server(&self, server: &TestServer, pusher: &Pusher) {
        pusher.connect_background().expect("a good configuration");
        assert!(server.wait_for_subscribers(CHANNELS[1], 1, PATIENCE));
        match self.trouble {
            Trouble::Stalled => {
                server.set_stalled(true);
                pusher
                    .channel(CHANNELS[1])
                    .and_then(|c| c.wait_subscribed(PATIENCE))
                    .expect("the server has confirmed");
                fill_the_way_to_the_server(pusher);
            }
            Trouble::Silent => server.set_silent(true),
            Trouble::Flooding | Trouble::Fault(_) => {}
        }
    }

    fn flood_until(&self, over: &AtomicBool, server: &TestServer) {
        let data = "x".repeat(1000);
        while matches!(self.trouble, Trouble::Flooding) && !over.load(Ordering::Relaxed) {
            server.trigger(CHANNELS[0], "flood", &data);
        }
    }

    fn call_until(&self, over: &AtomicBool, handles: Handles, reference: &Reference) -> Tally {
        let stopwatch = Stopwatch::new(reference);
        let mut tally = Tally::default();
        let mut make = |Call { methods, make, .. }: &Call| {
            let ((), timed) = stopwatch.time(|| make(&handles));
            tally.calls += 1;
            tally.slowest = tally.slowest.max((timed, methods));
            if timed.own > CALL {
                tally.late.push(format!("{methods} took {timed:?} under {:?}", self.trouble));
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
            // Programs do something between their calls, and a client that is only called never gets to its peer.
            thread::sleep(Duration::from_millis(1));
        }
        tally
    }
}

/// Whether calls of the class are made in one round of many only, because each changes the course of the connection.
///
/// Calls that wait are not timed, nor is [`Class::Unbinding`], which would remove the handlers of this test. `disconnect` and
/// dropping the last handle have a limit of their own.
fn is_rare(class: Class) -> bool {
    match class {
        Class::Subscribing | Class::Connecting => true,
        Class::Immediate | Class::Waiting | Class::Unbinding | Class::Ending => false,
    }
}

/// As large as a client event may be.
fn large_event() -> String {
    "x".repeat(10_000)
}

/// Sends until the buffers on the way are full, and the queue of the client behind them.
fn fill_the_way_to_the_server(pusher: &Pusher) {
    let (data, deadline) = (large_event(), Instant::now() + PATIENCE);
    while !matches!(pusher.trigger(CHANNELS[1], "client-event", &data), Err(Error::ClientEventQueueFull { .. })) {
        assert!(Instant::now() < deadline, "a server that reads nothing takes no end of events");
    }
}

/// The server's threads, and those of the proxy, yield to the client's as if they ran elsewhere. Threads that are started
/// inside inherit that.
fn on_another_machine<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    let started = thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            setpriority_process(None, 10).expect("whoever may be nicer may be so");
            start()
        });
        elsewhere.join()
    });
    started.expect("the start does not panic")
}

impl Tally {
    fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.slowest = self.slowest.max(other.slowest);
        self.slowest_end = self.slowest_end.max(other.slowest_end);
        self.late.extend(other.late);
    }
}
