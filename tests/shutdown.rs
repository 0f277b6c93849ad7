//! Rule H6: the end of a client. (R10 has the phases of an attempt, C11 the streams of a dialer.)
#![cfg(target_os = "linux")]

mod support;

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pusher_channels::{
    ConnectionState, Pusher, Receiver, Reconnect,
    testing::{Fault, TestServer},
};
use support::{PATIENCE, connected, eventually, next_state, server, subscribed};

/// The time limit of `disconnect` and of dropping the last handle.
const LIMIT: Duration = Duration::from_millis(250);

/// The delay between attempts, and the time in which no socket may be opened after the end.
const DELAY: Duration = Duration::from_secs(2);

const STATES: [ConnectionState; 7] = [
    // This state takes 10 s, in which the others are tested.
    ConnectionState::Unavailable,
    ConnectionState::Disconnected,
    ConnectionState::Connecting,
    ConnectionState::Connected,
    ConnectionState::Reconnecting,
    ConnectionState::Disconnecting,
    ConnectionState::Failed,
];

#[derive(Debug, Clone, Copy)]
enum End {
    Disconnect,
    Drop,
}

/// A client on its way to a state.
struct Client {
    state: ConnectionState,
    end: End,
    server: TestServer,
    pusher: Pusher,
    receiver: Receiver,
    /// A call of `disconnect` that waits for a handler up to its time limit.
    disconnecting: Option<(JoinHandle<()>, mpsc::Sender<()>)>,
}

/// The server of an ended client, and the handle that is left.
struct Ended {
    case: String,
    server: TestServer,
    attempts: u64,
    _pusher: Option<Pusher>,
}

#[test]
fn h6_disconnect_and_drop_leave_nothing_behind_in_every_state() {
    support::run_alone("alone_disconnect_and_drop_leave_nothing_behind_in_every_state");
}

#[test]
#[ignore = "run by h6_disconnect_and_drop_leave_nothing_behind_in_every_state in a process of its own"]
fn alone_disconnect_and_drop_leave_nothing_behind_in_every_state() {
    // The first client causes the one-time allocations of the process.
    drop(connected(&server()));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    let begin = |state: &ConnectionState| [End::Disconnect, End::Drop].map(|end| Client::begin(*state, end));
    let (slow, others) = STATES.split_first().expect("seven");
    let slow = begin(slow);
    let ended = others.iter().flat_map(begin).map(Client::end);
    // Each of these clients ends before the next one begins. The slow ones follow.
    let mut clients: Vec<Ended> = ended.collect();
    clients.extend(slow.map(Client::end));
    assert_eq!(clients.len(), 2 * STATES.len());
    let deadline = Instant::now() + DELAY + Duration::from_millis(500);
    for Ended { case, server, attempts, .. } in &clients {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!server.wait_for(left, |snapshot| snapshot.attempts() > *attempts), "{case}: another socket");
    }
    // The handles of the clients that were disconnected still exist.
    eventually("no thread is left", || support::client_threads() == 0);
    drop(clients);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
}

impl Client {
    fn begin(state: ConnectionState, end: End) -> Self {
        let server = server();
        let policy = Reconnect::default().min_delay(DELAY).max_delay(DELAY);
        let pusher = Pusher::new(server.config().reconnect(policy));
        let receiver = pusher.receiver();
        let mut disconnecting = None;
        match state {
            ConnectionState::Disconnected => {}
            ConnectionState::Connecting => {
                server.set_fault(Some(Fault::NeverEstablished));
                pusher.connect_background().expect("started");
                assert!(server.wait_for_connections(1, PATIENCE));
            }
            ConnectionState::Connected => {
                pusher.connect().expect("accepted");
                subscribed(&pusher, "room");
            }
            ConnectionState::Reconnecting | ConnectionState::Unavailable => {
                pusher.connect().expect("accepted");
                server.stop_listening();
                server.drop_all();
            }
            ConnectionState::Disconnecting => disconnecting = Some(disconnect_and_wait(&pusher)),
            ConnectionState::Failed => {
                server.set_fault(Some(Fault::CloseAfterUpgrade { code: 4001, reason: "no such app".into() }));
                pusher.connect_background().expect("started");
            }
        }
        Self { state, end, server, pusher, receiver, disconnecting }
    }

    fn end(self) -> Ended {
        let Self { state, end, server, pusher, receiver, disconnecting } = self;
        let case = format!("{end:?} while {state}");
        if state != ConnectionState::Disconnected {
            next_state(&receiver, state);
        }
        let start = Instant::now();
        let kept = match end {
            End::Disconnect => {
                pusher.disconnect();
                Some(pusher)
            }
            End::Drop => {
                drop(pusher);
                None
            }
        };
        assert!(start.elapsed() < LIMIT, "{case}: {:?}", start.elapsed());
        if let Some((call, release)) = disconnecting {
            // The call has begun before, but its thread must be scheduled.
            call.join().expect("no panic");
            assert!(start.elapsed() < LIMIT, "{case}: {:?}", start.elapsed());
            drop(release);
        }
        // A socket that is opened by mistake would find an open port.
        server.resume_listening().expect("the port is free");
        Ended { case, attempts: server.attempts(), server, _pusher: kept }
    }
}

/// Calls `disconnect` on another thread, while a handler of that change blocks.
fn disconnect_and_wait(pusher: &Pusher) -> (JoinHandle<()>, mpsc::Sender<()>) {
    let (begun, begin) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    pusher.on_connection_state_change(move |change| {
        if change.current == ConnectionState::Disconnecting {
            begun.send(()).unwrap_or_default();
            let _ = released.recv();
        }
    });
    pusher.connect().expect("accepted");
    let handle = pusher.clone();
    let call = thread::spawn(move || handle.disconnect());
    begin.recv_timeout(PATIENCE).expect("the handler runs");
    (call, release)
}

#[test]
fn h6_200_cycles_leave_no_thread_and_no_descriptor() {
    support::run_alone("alone_200_cycles_leave_no_thread_and_no_descriptor");
}

#[test]
#[ignore = "run by h6_200_cycles_leave_no_thread_and_no_descriptor in a process of its own"]
fn alone_200_cycles_leave_no_thread_and_no_descriptor() {
    let server = server();
    // The first client causes the one-time allocations of the process.
    drop(connected(&server));
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    for cycle in 0..200 {
        let pusher = connected(&server);
        let channel = pusher.channel("room").expect("a valid name");
        channel.bind_all(|_| {});
        channel.subscribe();
        eventually("the client has three threads", || support::client_threads() == 3);
        let start = Instant::now();
        drop(channel);
        drop(pusher);
        assert!(start.elapsed() < LIMIT, "cycle {cycle}: {:?}", start.elapsed());
    }
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
}

#[test]
fn h6_a_thousand_clients_at_once_end() {
    support::run_alone("alone_a_thousand_clients_at_once_end");
}

#[test]
#[ignore = "run by h6_a_thousand_clients_at_once_end in a process of its own"]
fn alone_a_thousand_clients_at_once_end() {
    const CLIENTS: usize = 1000;
    allow_descriptors(4 * CLIENTS as u64);
    let server = server();
    // The first client causes the one-time allocations of the process.
    drop(connected(&server));
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    let (report, reports) = mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let pusher = Pusher::new(server.config());
            let channel = pusher.channel("room").expect("a valid name");
            let report = report.clone();
            channel.bind("e", move |event| {
                report.send((client, event.data().to_owned())).unwrap_or_default();
            });
            channel.subscribe();
            pusher.connect_background().expect("started");
            pusher
        })
        .collect();
    assert!(server.wait_for_subscribers("room", CLIENTS, 3 * PATIENCE));
    assert_eq!(server.trigger("room", "e", "hello"), CLIENTS);
    let mut events: Vec<_> =
        (0..CLIENTS).map(|_| reports.recv_timeout(PATIENCE).expect("an event for each client")).collect();
    events.sort_unstable();
    assert_eq!(events, (0..CLIENTS).map(|client| (client, "hello".to_owned())).collect::<Vec<_>>());
    assert_eq!(support::client_threads(), 3 * CLIENTS);
    drop(clients);
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
    assert!(reports.try_recv().is_err(), "one event each");
}

/// Raises the limit of descriptors. Both ends of each connection are in this process, and the usual limit is too low.
fn allow_descriptors(count: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
        setrlimit(Resource::Nofile, limit).expect("every process may raise it up to the hard limit");
    }
}
