//! Rule H6: how a client ends, and what is left of it. (R10 has the phases of an attempt, C11 the streams of a dialer.)
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

/// What `disconnect` and dropping the last handle may take.
const AT_MOST: Duration = Duration::from_millis(250);

/// Between attempts. So long is looked for sockets that are opened after the end.
const DELAY: Duration = Duration::from_secs(2);

const STATES: [ConnectionState; 7] = [
    // It takes 10 s, in which the others are looked at.
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
struct Subject {
    state: ConnectionState,
    end: End,
    server: TestServer,
    pusher: Pusher,
    receiver: Receiver,
    /// A call of `disconnect` that waits for a handler, for as long as it waits for one at all.
    disconnecting: Option<(JoinHandle<()>, mpsc::Sender<()>)>,
}

/// What is left of it.
struct Remains {
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
    // Once for what is opened lazily.
    drop(connected(&server()));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    let begin = |state: &ConnectionState| [End::Disconnect, End::Drop].map(|end| Subject::begin(*state, end));
    let (slow, others) = STATES.split_first().expect("seven");
    let slow = begin(slow);
    let ended = others.iter().flat_map(begin).map(Subject::end);
    // First those that are there, because each is ended before the next one begins.
    let mut remains: Vec<Remains> = ended.collect();
    remains.extend(slow.map(Subject::end));
    assert_eq!(remains.len(), 2 * STATES.len());
    let deadline = Instant::now() + DELAY + Duration::from_millis(500);
    for Remains { case, server, attempts, .. } in &remains {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!server.wait_for(left, |snapshot| snapshot.attempts() > *attempts), "{case}: another socket");
    }
    // While the handles of those that were disconnected still exist.
    eventually("no thread is left", || support::client_threads() == 0);
    drop(remains);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
}

impl Subject {
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

    fn end(self) -> Remains {
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
        assert!(start.elapsed() < AT_MOST, "{case}: {:?}", start.elapsed());
        if let Some((call, release)) = disconnecting {
            // It has begun earlier, and its thread has to be scheduled.
            call.join().expect("no panic");
            assert!(start.elapsed() < AT_MOST, "{case}: {:?}", start.elapsed());
            drop(release);
        }
        // A socket that is opened all the same finds an open port.
        server.resume_listening().expect("the port is free");
        Remains { case, attempts: server.attempts(), server, _pusher: kept }
    }
}

/// Disconnects on another thread, while a handler that is told of it does not return.
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
fn h6_threads_and_descriptors_are_back_at_the_baseline() {
    support::run_alone("alone_threads_and_descriptors_are_back_at_the_baseline");
}

#[test]
#[ignore = "run by h6_threads_and_descriptors_are_back_at_the_baseline in a process of its own"]
fn alone_threads_and_descriptors_are_back_at_the_baseline() {
    let server = server();
    // Once for what is opened lazily.
    drop(connected(&server));
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    for cycle in 0..200 {
        let pusher = connected(&server);
        let channel = pusher.channel("room").expect("a valid name");
        channel.bind_all(|_| {});
        channel.subscribe();
        eventually("three threads while nothing is dialled", || support::client_threads() == 3);
        let start = Instant::now();
        drop(channel);
        drop(pusher);
        assert!(start.elapsed() < AT_MOST, "cycle {cycle}: {:?}", start.elapsed());
    }
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
}

#[test]
fn h6_a_thousand_clients_come_and_go() {
    support::run_alone("alone_a_thousand_clients_come_and_go");
}

#[test]
#[ignore = "run by h6_a_thousand_clients_come_and_go in a process of its own"]
fn alone_a_thousand_clients_come_and_go() {
    const CLIENTS: usize = 1000;
    allow_descriptors(4 * CLIENTS as u64);
    let server = server();
    // Once for what is opened lazily.
    drop(connected(&server));
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    let descriptors = support::descriptors();
    let (told, tells) = mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let pusher = Pusher::new(server.config());
            let channel = pusher.channel("room").expect("a valid name");
            let told = told.clone();
            channel.bind("e", move |event| {
                told.send((client, event.data().to_owned())).unwrap_or_default();
            });
            channel.subscribe();
            pusher.connect_background().expect("started");
            pusher
        })
        .collect();
    assert!(server.wait_for_subscribers("room", CLIENTS, 3 * PATIENCE));
    assert_eq!(server.trigger("room", "e", "hello"), CLIENTS);
    let mut heard: Vec<_> = (0..CLIENTS).map(|_| tells.recv_timeout(PATIENCE).expect("each is told")).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..CLIENTS).map(|client| (client, "hello".to_owned())).collect::<Vec<_>>());
    assert_eq!(support::client_threads(), 3 * CLIENTS);
    drop(clients);
    assert!(server.wait_for_connections(0, PATIENCE));
    eventually("no thread is left", || support::client_threads() == 0);
    eventually("no descriptor is left", || support::descriptors() <= descriptors);
    assert!(tells.try_recv().is_err(), "one event each");
}

/// Both ends of a connection are in this process, and common limits are lower than what a thousand need.
fn allow_descriptors(count: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
        setrlimit(Resource::Nofile, limit).expect("as far as the hard limit everybody may");
    }
}
