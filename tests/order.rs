//! The order of events between threads (S11, H9). Each race runs 500 times, with an authorizer that waits at the
//! critical moment.

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

/// Makes an authorizer wait until the test opens the latch.
#[derive(Default)]
struct Latch {
    opened: Mutex<usize>,
    changed: Condvar,
}

impl Latch {
    /// Waits until the latch is open for this run.
    fn wait_for(&self, run: usize) {
        let opened = self.opened.lock().expect("no panic");
        drop(self.changed.wait_while(opened, |opened| *opened <= run).expect("no panic"));
    }

    fn open(&self, run: usize) {
        *self.opened.lock().expect("no panic") = run + 1;
        self.changed.notify_all();
    }
}

/// A server, and a client whose authorizer reports each request and waits at the latch of its run. The number of a run
/// is the number of the requests before it.
struct Fixture {
    server: Arc<TestServer>,
    pusher: Pusher,
    latch: Arc<Latch>,
    requests: mpsc::Receiver<String>,
}

impl Fixture {
    /// `run_of` returns the run of a channel.
    fn new(run_of: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        let server = Arc::new(server());
        let latch = Arc::new(Latch::default());
        let (report, requests) = mpsc::channel();
        let (authority, latch_of_authorizer) = (Arc::clone(&server), Arc::clone(&latch));
        let authorizer = move |request: &AuthRequest| -> Result<ChannelAuth, AuthError> {
            let _ = report.send(request.channel().to_owned());
            latch_of_authorizer.wait_for(run_of(request.channel()));
            Ok(ChannelAuth::new(authority.sign_channel(request.socket_id(), request.channel(), None)))
        };
        let pusher = Pusher::new(quick(&server).authorizer(authorizer));
        Self { server, pusher, latch, requests }
    }

    fn wait_for_request(&self) -> String {
        self.requests.recv_timeout(PATIENCE).expect("the authorizer is called")
    }

    /// The number of messages with this event that the server has received for this channel.
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
    let fixture = Fixture::new(run_of);
    fixture.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = fixture.pusher.subscribe(&name_of(run)).expect("a valid name");
        assert_eq!(fixture.wait_for_request(), name_of(run));
        channel.unsubscribe();
        fixture.latch.open(run);
    }
    // This subscription comes after all answers of before.
    fixture.latch.open(RUNS);
    subscribed(&fixture.pusher, &name_of(RUNS));
    fixture.pusher.disconnect();
    for run in 0..RUNS {
        assert_eq!(fixture.received("pusher:subscribe", &name_of(run)), 0, "run {run}");
    }
}

#[test]
fn s11_an_answer_that_comes_with_unsubscribe_leaves_no_subscription() {
    let fixture = Fixture::new(run_of);
    fixture.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = fixture.pusher.subscribe(&name_of(run)).expect("a valid name");
        fixture.wait_for_request();
        fixture.latch.open(run);
        channel.unsubscribe();
        assert!(!channel.is_subscribed());
    }
    fixture.latch.open(RUNS);
    subscribed(&fixture.pusher, &name_of(RUNS));
    for run in 0..RUNS {
        assert!(fixture.server.wait_for_subscribers(&name_of(run), 0, PATIENCE), "run {run}");
    }
}

#[test]
fn s11_unsubscribe_and_subscribe_during_one_request_are_one_subscribe() {
    let fixture = Fixture::new(run_of);
    fixture.pusher.connect().expect("the embedded server accepts");
    for run in 0..RUNS {
        let channel = fixture.pusher.subscribe(&name_of(run)).expect("a valid name");
        fixture.wait_for_request();
        channel.unsubscribe();
        channel.subscribe();
        fixture.latch.open(run);
        channel.wait_subscribed(PATIENCE).expect("the embedded server confirms");
        // There is a second request only if the session has seen the first of the two changes alone.
        assert!(fixture.requests.try_iter().count() <= 1);
    }
    fixture.pusher.disconnect();
    for run in 0..RUNS {
        assert_eq!(fixture.received("pusher:subscribe", &name_of(run)), 1, "run {run}");
        assert_eq!(fixture.received("pusher:unsubscribe", &name_of(run)), 0, "run {run}");
    }
}

#[test]
fn s11_after_disconnect_a_late_answer_subscribes_nothing() {
    let runs = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&runs);
    let fixture = Fixture::new(move |_| current.load(Ordering::SeqCst));
    fixture.pusher.subscribe("private-room").expect("a valid name");
    for run in 0..RUNS {
        runs.store(run, Ordering::SeqCst);
        fixture.pusher.connect().expect("the embedded server accepts");
        fixture.wait_for_request();
        fixture.pusher.disconnect();
        fixture.latch.open(run);
    }
    assert_eq!(fixture.received("pusher:subscribe", "private-room"), 0);
    fixture.latch.open(RUNS);
    fixture.pusher.connect().expect("the embedded server accepts");
    subscribed(&fixture.pusher, "private-room");
    assert_eq!(fixture.received("pusher:subscribe", "private-room"), 1, "R8: with the answer for this socket");
}

#[test]
fn a8_two_calls_of_sign_in_are_one_request() {
    let server = Arc::new(server());
    let authority = Arc::clone(&server);
    let authenticator = move |socket_id: &str| -> Result<UserAuth, AuthError> {
        let data = r#"{"id":"7"}"#;
        Ok(UserAuth::new(authority.sign_user(socket_id, data), data))
    };
    let pusher = Pusher::new(quick(&server).user_authenticator(authenticator));
    for _ in 0..RUNS {
        pusher.connect().expect("the embedded server accepts");
        pusher.sign_in().expect("an authenticator is configured");
        pusher.sign_in().expect("an authenticator is configured");
        pusher.user().wait_signed_in(PATIENCE).expect("the embedded server confirms");
        pusher.disconnect();
    }
    let requests = server.received().iter().filter(|received| received.text.contains("pusher:signin")).count();
    assert_eq!(requests, RUNS, "one request for each connection");
}

fn states(config: Config) -> (Pusher, impl Fn() -> mpsc::Receiver<ConnectionState>) {
    let pusher = Pusher::new(config);
    let handle = pusher.clone();
    let bind = move || {
        let (report, states) = mpsc::channel();
        handle.on_connection_state_change(move |change| {
            let _ = report.send(change.current);
        });
        states
    };
    (pusher, bind)
}

fn has(receiver: &Receiver, state: ConnectionState) -> bool {
    let is_that = |notification: Notification| matches!(notification, Notification::ConnectionStateChange(c) if c.current == state);
    receiver.try_iter().any(is_that)
}

fn until_disconnected(states: &mpsc::Receiver<ConnectionState>) -> Vec<ConnectionState> {
    let mut reported = Vec::new();
    while reported.last() != Some(&ConnectionState::Disconnected) {
        reported.push(states.recv_timeout(PATIENCE).expect("the client disconnects"));
    }
    reported
}

#[test]
fn h9_handlers_and_receivers_made_after_connect_get_nothing_older() {
    use ConnectionState::{Connected, Connecting, Disconnected, Disconnecting};
    let server = server();
    for run in 0..RUNS {
        let (pusher, bind) = states(quick(&server));
        let (before, older) = (bind(), pusher.receiver());
        if run % 2 == 0 {
            pusher.connect().expect("the embedded server accepts");
        } else {
            pusher.connect_background().expect("the configuration is valid");
            pusher.wait_connected(PATIENCE).expect("the embedded server accepts");
        }
        assert!(has(&older, Connected), "the notification was queued when the call returned, run {run}");
        let (after, newer) = (bind(), pusher.receiver());
        pusher.disconnect();
        assert_eq!(until_disconnected(&before), [Connecting, Connected, Disconnecting, Disconnected], "run {run}");
        assert_eq!(until_disconnected(&after), [Disconnecting, Disconnected], "run {run}");
        assert!(!has(&newer, Connected), "run {run}");
    }
}

#[test]
fn h9_with_manual_dispatch_new_handlers_get_nothing_older() {
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
        assert!(
            older.try_iter().any(|notification| matches!(notification, Notification::SubscriptionSucceeded(_))),
            "run {run}"
        );
        let (report, events) = mpsc::channel();
        channel.bind_all(move |event| report.send(event.name().to_owned()).unwrap_or_default());
        let (report, confirmations) = mpsc::channel();
        channel.on_subscription_succeeded(move |_| report.send(()).unwrap_or_default());
        let newer = channel.receiver();
        server.trigger(channel.name(), "e", "x");
        assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok("e"), "no older event, run {run}");
        assert_eq!(confirmations.try_iter().count(), 1, "S4, run {run}");
        eventually("the event is queued", || newer.len() == 1);
        channel.unsubscribe();
    }
}

#[test]
fn h9_a_handler_bound_inside_a_handler_gets_all_later_events() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("the embedded server accepts");
    let channel = pusher.channel("room").expect("a valid name");
    let (report, events) = mpsc::channel();
    let inner = channel.clone();
    channel.bind("first", move |_| {
        let report = report.clone();
        inner.bind("next", move |event| report.send(event.data().to_owned()).unwrap_or_default());
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("the embedded server confirms");
    // These events arrive in one burst, which is queued before the first handler runs.
    let message = |event: &str, data: usize| format!(r#"{{"event":"{event}","channel":"room","data":"{data}"}}"#);
    server.send_raw(&message("first", 0));
    for n in 0..100 {
        server.send_raw(&message("next", n));
    }
    for n in 0..100 {
        assert_eq!(events.recv_timeout(PATIENCE), Ok(n.to_string()));
    }
}
