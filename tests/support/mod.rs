//! What the tests share: waiting for conditions with a deadline, and clients of the embedded server.
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

/// Longer than anything here takes, also on a loaded machine. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this build has TLS.
pub(crate) const HAS_TLS: bool = cfg!(feature = "native-tls");

pub(crate) fn server() -> TestServer {
    TestServer::start().expect("a free port on loopback")
}

/// A configuration that comes back fast, because tests should not wait for the default back-off.
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

/// A connected client with one subscribed channel, whose confirmation is in the queue of no later receiver.
pub(crate) fn room() -> (TestServer, Pusher, Channel) {
    let server = server();
    let pusher = connected(&server);
    let channel = subscribed(&pusher, "room");
    (server, pusher, channel)
}

/// A handler that sends what it is told. It does not mind that nobody receives any more.
pub(crate) fn send_to<T: Clone + Send + 'static>(sender: mpsc::Sender<T>) -> impl FnMut(&T) + Send + 'static {
    move |told| sender.send(told.clone()).unwrap_or_default()
}

/// A client whose handlers run when it dispatches, and have been told of the beginning: connected, and subscribed.
pub(crate) fn dispatched_by_hand(config: Config, channel: &str) -> (Pusher, Channel) {
    let pusher = Pusher::new(config.manual_dispatch()).connect().expect("the embedded server accepts");
    let channel = pusher.channel(channel).expect("a valid name");
    let (confirmed, confirmation) = mpsc::channel();
    channel.on_subscription_succeeded(send_to(confirmed));
    channel.subscribe();
    eventually("the confirmation is told", || {
        pusher.dispatch();
        confirmation.try_recv().is_ok()
    });
    (pusher, channel)
}

/// What goes over a connection of this configuration: events, large and many, a ping, a loss and the way back.
pub(crate) fn is_as_good_as_a_socket(server: &TestServer, config: Config) {
    let policy = Reconnect::default().max_delay(Duration::from_millis(20));
    let pusher = Pusher::new(config.reconnect(policy)).connect().expect("it connects");
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

/// The next notification for which `pick` has a use; those before it are thrown away.
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

/// Name and data of the next application event.
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

/// Waits for a condition that nothing announces. Yields between looks.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// Waits until exactly so many notifications wait.
pub(crate) fn waits(receiver: &Receiver, count: usize) {
    eventually(&format!("{count} notifications wait"), || receiver.len() == count);
}

/// Every public method that the source of a handle has, as `Handle::method`.
pub(crate) fn public_methods(handle: &str, source: &str) -> Vec<String> {
    let methods: Vec<_> = blocks(source).flat_map(|block| methods_of(handle, block, source)).collect();
    assert!(!methods.is_empty(), "{handle}");
    methods.into_iter().map(|method| format!("{handle}::{method}")).collect()
}

/// The methods that an `impl` of this handle has, or that a macro writes for it.
fn methods_of<'a>(handle: &str, block: &'a str, source: &str) -> Vec<&'a str> {
    let head = block.lines().next().unwrap_or_default();
    let is_for_handle = match head.strip_prefix("macro_rules! ").and_then(|rest| rest.strip_suffix(" {")) {
        Some(name) => [format!("{name}! {{ {handle},"), format!("{name}! {{\n    {handle},")]
            .iter()
            .any(|call| source.contains(call)),
        None => head == format!("impl {handle} {{"),
    };
    let methods = block.lines().map(str::trim).filter_map(|line| match line.strip_prefix("pub fn ") {
        Some(rest) => rest.split(['(', '<']).next(),
        // A row of the macro that writes the method for one kind of notification.
        None => line.starts_with("on_").then(|| line.split_once("(&").map(|(method, _)| method)).flatten(),
    });
    if is_for_handle { methods.collect() } else { Vec::new() }
}

/// The items of a source that end with a brace in the first column.
fn blocks(source: &str) -> impl Iterator<Item = &str> {
    let starts = |line: &str| line.starts_with("impl ") || line.starts_with("macro_rules! ");
    source.split("\n}\n").filter_map(move |part| {
        let start = part.lines().find(|line| starts(line))?;
        Some(&part[part.find(start)?..])
    })
}

/// How many threads of this crate's clients there are in this process.
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

/// Runs an ignored test of this file in a process of its own, because other tests have clients too.
/// One after another, because some of them measure times.
pub(crate) fn run_alone(test: &str) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", test])
        .output()
        .expect("this test runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
