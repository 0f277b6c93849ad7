//! The order of events: calls, answers of authorizers and of the server, deliveries, and handlers that are bound
//! meanwhile (S11, H9).

use std::{sync::Arc, time::Duration};

use super::explore;
use crate::{
    AuthRequest, Channel, ChannelAuth, Config, ConnectionState, ConnectionStateChange, Error, Event, Notification,
    Pusher, Receiver, Reconnect, SubscriptionSucceeded, UserAuth,
    io::threads::reader::{Server, log, note, set_server},
    sync::{Mutex, bounded, model, thread, unbounded},
};

/// In most tests deadlines never come, so a call waits for its result alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of a server that confirms everything.
fn connected(config: Config) -> Pusher {
    model::let_deadlines_come(false);
    set_server(Server::Confirms);
    Pusher::new(config).connect().expect("the server accepts")
}

fn config() -> Config {
    Config::host("key", "127.0.0.1").tls(false).reconnect(Reconnect::never())
}

fn permit(_: &AuthRequest) -> Result<ChannelAuth, crate::AuthError> {
    Ok(ChannelAuth::new("key:signature"))
}

/// The positions of the messages of this kind in the log.
fn positions(event: &str) -> Vec<usize> {
    let log = log();
    (0..log.len()).filter(|&index| log[index].contains(event)).collect()
}

fn position_of(note: &str) -> usize {
    positions(note)[0]
}

/// Checks that no subscribe follows this note.
fn assert_no_subscribe_after(note: &str) {
    let position = position_of(note);
    assert!(positions("pusher:subscribe").iter().all(|subscribe| *subscribe < position), "{:?}", log());
}

fn received(receiver: &Receiver) -> Vec<Notification> {
    receiver.try_iter().collect()
}

fn is_connected(notification: &Notification) -> bool {
    matches!(notification, Notification::ConnectionStateChange(change) if change.current == ConnectionState::Connected)
}

fn is_subscribed(notification: &Notification) -> bool {
    matches!(notification, Notification::SubscriptionSucceeded(_))
}

/// A list, and a closure that appends to it.
fn list<T: Send + 'static>() -> (Arc<Mutex<Vec<T>>>, impl Fn(T) + Send + 'static) {
    let list = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&list);
    (list, move |item| copy.lock().push(item))
}

#[test]
fn s11_an_answer_of_an_authorizer_does_not_overtake_unsubscribe() {
    explore("unsubscribe against the answer of an authorizer", 5_000, || {
        let pusher = connected(config().authorizer(permit));
        let channel = pusher.subscribe("private-room").expect("a name");
        channel.unsubscribe();
        note("unsubscribed");
        pusher.disconnect();
        assert_no_subscribe_after("unsubscribed");
    });
}

#[test]
fn s11_no_authorizer_is_asked_for_an_unsubscribed_channel() {
    explore("unsubscribe against the pool that is about to ask", 5_000, || {
        let pusher = connected(config().authorizer(|request| {
            note("asked");
            permit(request)
        }));
        let other = {
            let pusher = pusher.clone();
            thread::spawn(move || pusher.subscribe("private-other").map(drop))
        };
        let channel = pusher.subscribe("private-room").expect("a name");
        pusher.unsubscribe_all();
        note("unsubscribed");
        other.join().expect("no panic").expect("a name");
        pusher.unsubscribe_all();
        note("all unsubscribed");
        pusher.disconnect();
        assert!(!channel.is_subscribed());
        assert_no_subscribe_after("all unsubscribed");
    });
}

#[test]
fn s11_unsubscribe_and_subscribe_during_one_request_are_one_subscribe() {
    explore("unsubscribe and subscribe against the answer of an authorizer", 5_000, || {
        let (asked, is_asked) = unbounded();
        let (answer, answers) = bounded(2);
        let pusher = connected(config().authorizer(move |request| {
            let _ = asked.send(());
            let _ = answers.recv();
            permit(request)
        }));
        let channel = pusher.subscribe("private-room").expect("a name");
        is_asked.recv().expect("the authorizer is asked");
        channel.unsubscribe();
        channel.subscribe();
        // Two answers, for a second request if the session has followed `unsubscribe` before `subscribe` was called.
        let _ = (answer.send(()), answer.send(()));
        channel.wait_subscribed(PATIENCE).expect("the server confirms");
        pusher.disconnect();
        assert_eq!(positions("pusher:subscribe").len(), 1, "{:?}", log());
        assert_eq!(positions("pusher:unsubscribe").len(), 0);
    });
}

#[test]
fn s11_unsubscribe_and_subscribe_against_an_answer_leave_one_subscription() {
    explore("unsubscribe and subscribe against an answer that comes", 5_000, || {
        let pusher = connected(config().authorizer(permit));
        let channel = pusher.subscribe("private-room").expect("a name");
        channel.unsubscribe();
        channel.subscribe();
        channel.wait_subscribed(PATIENCE).expect("the server confirms");
        pusher.disconnect();
        // Each subscribe but the last has an unsubscribe.
        assert_eq!(positions("pusher:subscribe").len(), positions("pusher:unsubscribe").len() + 1, "{:?}", log());
    });
}

#[test]
fn s11_a_confirmation_does_not_overtake_unsubscribe() {
    explore("unsubscribe against the confirmation of the server", 5_000, || {
        let pusher = connected(config());
        let channel = pusher.subscribe("room").expect("a name");
        channel.unsubscribe();
        note("unsubscribed");
        assert!(!channel.is_subscribed());
        let receiver = channel.receiver();
        assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::NotSubscribed { .. })));
        pusher.disconnect();
        assert!(!channel.is_subscribed() && received(&receiver).is_empty());
        assert_no_subscribe_after("unsubscribed");
    });
}

#[test]
fn s11_an_answer_of_an_authorizer_does_not_overtake_disconnect() {
    explore("disconnect against the answer of an authorizer", 5_000, || {
        let pusher = connected(config().authorizer(permit));
        let channel = pusher.subscribe("private-room").expect("a name");
        pusher.disconnect();
        note("disconnected");
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        assert!(!channel.is_subscribed());
        drop((channel, pusher));
        assert_no_subscribe_after("disconnected");
    });
}

#[test]
fn s11_an_answer_serves_the_last_call_to_sign_in() {
    explore("sign_in against the answer of an authorizer", 5_000, || {
        let sign = |_: &str| Ok(UserAuth::new("key:signature", r#"{"id":"7"}"#));
        let pusher = connected(config().user_authenticator(sign));
        pusher.sign_in().expect("it is configured");
        pusher.sign_in().expect("it is configured");
        pusher.user().wait_signed_in(PATIENCE).expect("the server confirms");
        assert_eq!(pusher.user().id().as_deref(), Some("7"));
        pusher.disconnect();
        assert_eq!(positions("pusher:signin").len(), 1, "{:?}", log());
    });
}

#[test]
fn h9_handlers_and_receivers_made_after_connect_get_nothing_older() {
    explore("connect against bind and receiver", 5_000, || {
        model::let_deadlines_come(false);
        set_server(Server::Confirms);
        let pusher = Pusher::new(config());
        let (before, record) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| record(change.current));
        let older = pusher.receiver();
        pusher.connect().expect("the server accepts");
        assert!(received(&older).iter().any(is_connected), "connect has returned");
        let (after, record) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| record(change.current));
        let newer = pusher.receiver();
        pusher.disconnect();
        let (connecting, connected) = (ConnectionState::Connecting, ConnectionState::Connected);
        let end = [ConnectionState::Disconnecting, ConnectionState::Disconnected];
        assert_eq!(*before.lock(), [connecting, connected, end[0], end[1]]);
        assert_eq!(*after.lock(), end);
        assert!(!received(&newer).iter().any(is_connected));
    });
}

#[test]
fn h9_handlers_and_receivers_made_after_wait_subscribed_get_nothing_older() {
    explore("wait_subscribed against bind and receiver", 5_000, || {
        let pusher = connected(config());
        let older = pusher.receiver();
        let channel: Channel = pusher.subscribe("room").expect("a name");
        channel.wait_subscribed(PATIENCE).expect("the server confirms");
        assert!(received(&older).iter().any(is_subscribed), "wait_subscribed has returned");
        let (events, record) = list();
        channel.bind_all(move |event: &Event| record(event.name().to_owned()));
        let (report, confirmations) = unbounded();
        channel.on_subscription_succeeded(move |_: &SubscriptionSucceeded| {
            let _ = report.send(());
        });
        let newer = channel.receiver();
        confirmations.recv().expect("S4: it is repeated");
        pusher.disconnect();
        assert!(events.lock().is_empty(), "the confirmation is older");
        assert!(confirmations.try_recv().is_err(), "once, wherever the thread that runs handlers is");
        assert!(received(&newer).is_empty());
    });
}

#[test]
fn h9_handlers_bound_between_two_dispatches_get_nothing_older() {
    explore("connect against bind, with dispatch by hand", 5_000, || {
        model::let_deadlines_come(false);
        set_server(Server::Confirms);
        let pusher = Pusher::new(config().manual_dispatch()).connect().expect("the server accepts");
        let (after, record) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| record(change.current));
        pusher.dispatch();
        assert!(after.lock().is_empty());
        pusher.disconnect();
        while pusher.dispatch() > 0 {}
        assert_eq!(*after.lock(), [ConnectionState::Disconnecting, ConnectionState::Disconnected]);
    });
}
