//! The order of events between threads (S11, H9): each race 500 times, with the authorizer held where it hurts.

mod support;

use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use pusher_channels::{
    AuthError, AuthRequest, ChannelAuth, Config, ConnectionState, Notification, Pusher, Receiver, UserAuth,
    testing::TestServer,
};
use support::{PATIENCE, eventually, quick, server, subscribed};

const RUNS: usize = 500;

/// Holds an authorizer until the test lets it go on.
#[derive(Default)]
struct Gate {
    opened: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    /// Waits until the gate is open for this run.
    fn wait_for(&self, run: usize) {
        let opened = self.opened.lock().expect("no panic");
        drop(self.changed.wait_while(opened, |opened| *opened <= run).expect("no panic"));
    }

    fn open(&self, run: usize) {
        *self.opened.lock().expect("no panic") = run + 1;
        self.changed.notify_all();
    }
}

/// A server, and a client whose authorizer tells of each request and waits for the gate of its run, which is the number of
/// requests before it.
struct Held {
    server: Arc<TestServer>,
    pusher: Pusher,
    gate: Arc<Gate>,
    asked: mpsc::Receiver<String>,
}

impl Held {
    /// `run_of` tells the run by the channel.
    fn by(run_of: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        let server = Arc::new(server());
        let gate = Arc::new(Gate::default());
        let (tell, asked) = mpsc::channel();
        let (authority, held) = (Arc::clone(&server), Arc::clone(&gate));
        let authorizer = move |request: &AuthRequest| -> Result<ChannelAuth, AuthError> {
            let _ = tell.send(request.channel().to_owned());
            held.wait_for(run_of(request.channel()));
            Ok(ChannelAuth::new(authority.sign_channel(request.socket_id(), request.channel(), None)))
        };
        let pusher = Pusher::new(quick(&server).authorizer(authorizer));
        Self { server, pusher, gate, asked }
    }

    fn wait_until_asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("the authorizer is asked")
    }

    /// How many messages with this event the server has received for this channel.
    fn received(&self, event: &str, channel: &str) -> usize {
        count(&self.server, event, channel)
    }
}

fn count(server: &TestServer, event: &str, channel: &str) -> usize {
    let (event, channel) = (format!("\"{event}\""), format!("\"{channel}\""));
    server
        .received()
        .iter()
        .filter(|received| received.text.contains(&event) && received.text.contains(&channel))
        .count()
}

fn run_of(channel: &str) -> usize {
    channel.rsplit('-').next().and_then(|run| run.parse().ok()).expect("a channel of a run")
}

fn name_of(run: usize) -> String {
    format!("private-{run}")
}

#[test]
fn s11_after_unsubscribe_a_late_answer_subscribes_nothing() {
    let held = Held::by(run_of);
    held.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = held.pusher.subscribe(&name_of(run)).expect("a valid name");
        assert_eq!(held.wait_until_asked(), name_of(run));
        channel.unsubscribe();
        held.gate.open(run);
    }
    // Nothing of what was answered before comes after this.
    held.gate.open(RUNS);
    subscribed(&held.pusher, &name_of(RUNS));
    held.pusher.disconnect();
    for run in 0..RUNS {
        assert_eq!(held.received("pusher:subscribe", &name_of(run)), 0, "run {run}");
    }
}

#[test]
fn s11_an_answer_that_comes_with_unsubscribe_leaves_no_subscription() {
    let held = Held::by(run_of);
    held.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = held.pusher.subscribe(&name_of(run)).expect("a valid name");
        held.wait_until_asked();
        held.gate.open(run);
        channel.unsubscribe();
        assert!(!channel.is_subscribed());
    }
    held.gate.open(RUNS);
    subscribed(&held.pusher, &name_of(RUNS));
    for run in 0..RUNS {
        assert!(held.server.wait_for_subscribers(&name_of(run), 0, PATIENCE), "run {run}");
    }
}

#[test]
fn s11_unsubscribe_and_subscribe_during_one_request_are_one_subscribe() {
    let held = Held::by(run_of);
    held.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = held.pusher.subscribe(&name_of(run)).expect("a valid name");
        held.wait_until_asked();
        channel.unsubscribe();
        channel.subscribe();
        held.gate.open(run);
        channel.wait_subscribed(PATIENCE).expect("the embedded server confirms");
        // A second request is made only where the session followed the first of the two wishes alone.
        assert!(held.asked.try_iter().count() <= 1);
    }
    held.pusher.disconnect();
    for run in 0..RUNS {
        assert_eq!(held.received("pusher:subscribe", &name_of(run)), 1, "run {run}");
        assert_eq!(held.received("pusher:unsubscribe", &name_of(run)), 0, "run {run}");
    }
}

#[test]
fn s11_after_disconnect_a_late_answer_subscribes_nothing() {
    let runs = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&runs);
    let held = Held::by(move |_| current.load(Ordering::SeqCst));
    held.pusher.subscribe("private-room").expect("a valid name");
    for run in 0..RUNS {
        runs.store(run, Ordering::SeqCst);
        held.pusher.connect().expect("the embedded server accepts");
        held.wait_until_asked();
        held.pusher.disconnect();
        held.gate.open(run);
    }
    assert_eq!(held.received("pusher:subscribe", "private-room"), 0);
    held.gate.open(RUNS);
    held.pusher.connect().expect("the embedded server accepts");
    subscribed(&held.pusher, "private-room");
    assert_eq!(held.received("pusher:subscribe", "private-room"), 1, "R8: with the answer for this socket");
}

#[test]
fn s11_a_second_call_to_sign_in_is_answered_with_the_first() {
    let server = Arc::new(server());
    let authority = Arc::clone(&server);
    let authenticator = move |socket_id: &str| -> Result<UserAuth, AuthError> {
        let data = r#"{"id":"7"}"#;
        Ok(UserAuth::new(authority.sign_user(socket_id, data), data))
    };
    let pusher = Pusher::new(quick(&server).user_authenticator(authenticator));
    for _ in 0..RUNS {
        pusher.connect().expect("the embedded server accepts");
        pusher.sign_in().expect("it is configured");
        pusher.sign_in().expect("it is configured");
        pusher.user().wait_signed_in(PATIENCE).expect("the embedded server confirms");
        pusher.disconnect();
    }
    let proofs = server.received().iter().filter(|received| received.text.contains("pusher:signin")).count();
    assert_eq!(proofs, RUNS, "one for each connection");
}

fn states(config: Config) -> (Pusher, impl Fn() -> mpsc::Receiver<ConnectionState>) {
    let pusher = Pusher::new(config);
    let handle = pusher.clone();
    let bind = move || {
        let (told, states) = mpsc::channel();
        handle.on_connection_state_change(move |change| {
            let _ = told.send(change.current);
        });
        states
    };
    (pusher, bind)
}

fn has(receiver: &Receiver, state: ConnectionState) -> bool {
    let is_that = |told: Notification| matches!(told, Notification::ConnectionStateChange(c) if c.current == state);
    receiver.try_iter().any(is_that)
}

fn until_disconnected(states: &mpsc::Receiver<ConnectionState>) -> Vec<ConnectionState> {
    let mut heard = Vec::new();
    while heard.last() != Some(&ConnectionState::Disconnected) {
        heard.push(states.recv_timeout(PATIENCE).expect("the client disconnects"));
    }
    heard
}

#[test]
fn h9_after_connect_nothing_older_is_heard() {
    use ConnectionState::{Connected, Connecting, Disconnected, Disconnecting};
    let server = server();
    for run in 0..RUNS {
        let (pusher, bind) = states(quick(&server));
        let (before, older) = (bind(), pusher.receiver());
        if run % 2 == 0 {
            pusher.connect().expect("the embedded server accepts");
        } else {
            pusher.connect_background().expect("threads can be started");
            pusher.wait_connected(PATIENCE).expect("the embedded server accepts");
        }
        assert!(has(&older, Connected), "it was there when the call returned, run {run}");
        let (after, newer) = (bind(), pusher.receiver());
        pusher.disconnect();
        assert_eq!(until_disconnected(&before), [Connecting, Connected, Disconnecting, Disconnected], "run {run}");
        assert_eq!(until_disconnected(&after), [Disconnecting, Disconnected], "run {run}");
        assert!(!has(&newer, Connected), "run {run}");
    }
}

#[test]
fn h9_after_connect_a_dispatch_by_hand_tells_new_handlers_nothing_older() {
    let server = server();
    for _ in 0..RUNS {
        let (pusher, bind) = states(quick(&server).manual_dispatch());
        pusher.connect().expect("the embedded server accepts");
        let after = bind();
        assert_eq!(pusher.dispatch(), 2, "connecting, connected");
        assert_eq!(after.try_iter().count(), 0);
    }
}

#[test]
fn h9_after_wait_subscribed_only_the_confirmation_is_repeated() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let older = pusher.receiver();
        let channel = subscribed(&pusher, &format!("room-{run}"));
        assert!(older.try_iter().any(|told| matches!(told, Notification::SubscriptionSucceeded(_))), "run {run}");
        let (told, events) = mpsc::channel();
        channel.bind_all(move |event| told.send(event.name().to_owned()).unwrap_or_default());
        let (told, confirmations) = mpsc::channel();
        channel.on_subscription_succeeded(move |_| told.send(()).unwrap_or_default());
        let newer = channel.receiver();
        server.trigger(channel.name(), "e", "x");
        assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok("e"), "nothing older, run {run}");
        assert_eq!(confirmations.try_iter().count(), 1, "S4, run {run}");
        eventually("the event waits", || newer.len() == 1);
        channel.unsubscribe();
    }
}

#[test]
fn h9_a_handler_bound_inside_a_handler_hears_all_that_follows() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("the embedded server accepts");
    let channel = pusher.channel("room").expect("a valid name");
    let (told, events) = mpsc::channel();
    let inner = channel.clone();
    channel.bind("first", move |_| {
        let told = told.clone();
        inner.bind("next", move |event| told.send(event.data().to_owned()).unwrap_or_default());
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("the embedded server confirms");
    // In one burst, which is delivered before the first handler runs.
    let message = |event: &str, data: usize| format!(r#"{{"event":"{event}","channel":"room","data":"{data}"}}"#);
    server.send_raw(&message("first", 0));
    for n in 0..100 {
        server.send_raw(&message("next", n));
    }
    for n in 0..100 {
        assert_eq!(events.recv_timeout(PATIENCE), Ok(n.to_string()));
    }
}
