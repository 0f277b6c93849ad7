//! Shared by the tests: waiting for conditions with a deadline, and clients of the embedded server.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod process;

use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use pusher_channels::{
    Channel, Config, ConnectionState, ConnectionStateChange, Error, Notification, Pusher, Receiver, Reconnect,
    testing::TestServer,
};

/// Longer than any step takes, even on a busy machine. Only a failing test waits for this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this build has TLS.
pub(crate) const HAS_TLS: bool = cfg!(feature = "native-tls");

pub(crate) fn server() -> TestServer {
    TestServer::start().expect("a free port on loopback")
}

/// A configuration that reconnects fast, because tests should not wait for the default delays.
pub(crate) fn quick(server: &TestServer) -> Config {
    server.config().reconnect(Reconnect::default().max_delay(Duration::from_millis(20)))
}

pub(crate) fn connected(server: &TestServer) -> Pusher {
    Pusher::new(quick(server)).connect().expect("the embedded server accepts")
}

pub(crate) fn subscribed(pusher: &Pusher, name: &str) -> Channel {
    let channel = pusher.subscribe(name).expect("a valid name");
    channel.wait_subscribed(PATIENCE).expect("the embedded server confirms");
    channel
}

/// A connected client with a subscribed channel. Receivers that are made later do not get the confirmation.
pub(crate) fn room() -> (TestServer, Pusher, Channel) {
    let server = server();
    let pusher = connected(&server);
    let channel = subscribed(&pusher, "room");
    (server, pusher, channel)
}

/// A handler that sends its argument. After the receiver has ended, it does nothing.
pub(crate) fn send_to<T: Clone + Send + 'static>(sender: mpsc::Sender<T>) -> impl FnMut(&T) + Send + 'static {
    move |value| sender.send(value.clone()).unwrap_or_default()
}

/// A client with manual dispatch whose handlers have run for the connection and the subscription.
pub(crate) fn with_manual_dispatch(config: Config, channel: &str) -> (Pusher, Channel) {
    let pusher = Pusher::new(config.manual_dispatch()).connect().expect("the embedded server accepts");
    let channel = pusher.channel(channel).expect("a valid name");
    let (confirmed, confirmation) = mpsc::channel();
    channel.on_subscription_succeeded(send_to(confirmed));
    channel.subscribe();
    eventually("the confirmation is dispatched", || {
        pusher.dispatch();
        confirmation.try_recv().is_ok()
    });
    (pusher, channel)
}

/// Asserts that a connection of this configuration works: for large and for many events, a ping, a loss and a
/// reconnect.
pub(crate) fn works_like_a_socket(server: &TestServer, config: Config) {
    let policy = Reconnect::default().max_delay(Duration::from_millis(20));
    let pusher = Pusher::new(config.reconnect(policy)).connect().expect("the client connects");
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    let large = "ż".repeat(200_000);
    server.trigger("room", "large", &large);
    assert_eq!(next_event(&receiver).1, large);
    for n in 0..1000 {
        server.trigger("room", "e", &n);
    }
    for n in 0..1000 {
        assert_eq!(next_event(&receiver).1, n.to_string());
    }
    server.send_raw(r#"{"event":"pusher:ping"}"#);
    assert!(server.wait_for_received(|received| received.text.contains("pusher:pong"), PATIENCE));
    server.drop_all();
    next_state(&receiver, ConnectionState::Connected);
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
    pusher.disconnect();
    assert!(server.wait_for_connections(0, PATIENCE), "the server sees the end");
}

/// The first result of `pick`. Notifications before it are dropped.
pub(crate) fn next<T>(receiver: &Receiver, mut pick: impl FnMut(Notification) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let notification = receiver.recv_timeout(left).expect("the awaited notification in time");
        if let Some(found) = pick(notification) {
            return found;
        }
    }
}

pub(crate) fn next_state(receiver: &Receiver, state: ConnectionState) -> ConnectionStateChange {
    next(receiver, |notification| match notification {
        Notification::ConnectionStateChange(change) if change.current == state => Some(change),
        _ => None,
    })
}

/// The name and the data of the next application event.
pub(crate) fn next_event(receiver: &Receiver) -> (String, String) {
    next(receiver, |notification| match notification {
        Notification::Event(event) => Some((event.name().to_owned(), event.data().to_owned())),
        _ => None,
    })
}

pub(crate) fn next_error(receiver: &Receiver) -> Error {
    next(receiver, |notification| match notification {
        Notification::Error(error) => Some(Error::clone(&error)),
        _ => None,
    })
}

/// Waits for a condition that causes no notification. Yields between checks.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// Waits until exactly this number of notifications is queued.
pub(crate) fn waits(receiver: &Receiver, count: usize) {
    eventually(&format!("{count} notifications wait"), || receiver.len() == count);
}

/// The number of threads of clients in this process.
#[cfg(target_os = "linux")]
pub(crate) fn client_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let of_a_client = |name: &String| name.starts_with("pusher-") && !name.starts_with("pusher-server");
    tasks.flatten().map(name).filter(of_a_client).count()
}

#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

/// Runs an ignored test of this file in a process of its own, because other tests have clients, too. Only one runs at a
/// time, because some of them measure times.
pub(crate) fn run_alone(test: &str) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", test])
        .output()
        .expect("this test runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
