//! The order of events: calls, answers of authorizers and of the server, deliveries, and handlers that are bound (S11, H9).

use std::{sync::Arc, time::Duration};

use super::explore;
use crate::{
    AuthRequest, Channel, ChannelAuth, Config, ConnectionState, ConnectionStateChange, Error, Event, Notification,
    Pusher, Receiver, Reconnect, SubscriptionSucceeded, UserAuth,
    io::threads::reader::{Server, let_server, log, note},
    sync::{Mutex, bounded, model, thread, unbounded},
};

/// With deadlines that never come, everything that a call waits for has to come by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of a server that confirms everything.
fn connected(config: Config) -> Pusher {
    model::let_deadlines_come(false);
    let_server(Server::Confirms);
    Pusher::new(config).connect().expect("the server accepts")
}

fn config() -> Config {
    Config::host("key", "127.0.0.1").tls(false).reconnect(Reconnect::never())
}

fn permit(_: &AuthRequest) -> Result<ChannelAuth, crate::AuthError> {
    Ok(ChannelAuth::new("key:signature"))
}

/// Where messages of that kind stand in the log.
fn places(event: &str) -> Vec<usize> {
    let log = log();
    (0..log.len()).filter(|&place| log[place].contains(event)).collect()
}

fn place_of(note: &str) -> usize {
    places(note)[0]
}

/// Nothing subscribes after that.
fn assert_no_subscribe_after(note: &str) {
    let place = place_of(note);
    assert!(places("pusher:subscribe").iter().all(|subscribe| *subscribe < place), "{:?}", log());
}

fn what_waits(receiver: &Receiver) -> Vec<Notification> {
    receiver.try_iter().collect()
}

fn is_connected(notification: &Notification) -> bool {
    matches!(notification, Notification::ConnectionStateChange(change) if change.current == ConnectionState::Connected)
}

fn is_subscribed(notification: &Notification) -> bool {
    matches!(notification, Notification::SubscriptionSucceeded(_))
}

/// Counts what a handler hears.
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
fn s11_nothing_asks_for_a_channel_that_is_given_up_before() {
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
        // Twice, for a second request where the session has followed `unsubscribe` before `subscribe` was called.
        let _ = (answer.send(()), answer.send(()));
        channel.wait_subscribed(PATIENCE).expect("the server confirms");
        pusher.disconnect();
        assert_eq!(places("pusher:subscribe").len(), 1, "{:?}", log());
        assert_eq!(places("pusher:unsubscribe").len(), 0);
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
        // Each subscribe but the last is taken back.
        assert_eq!(places("pusher:subscribe").len(), places("pusher:unsubscribe").len() + 1, "{:?}", log());
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
        assert!(!channel.is_subscribed() && what_waits(&receiver).is_empty());
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
    explore("sign_in against the answer of an authenticator", 5_000, || {
        let sign = |_: &str| Ok(UserAuth::new("key:signature", r#"{"id":"7"}"#));
        let pusher = connected(config().user_authenticator(sign));
        pusher.sign_in().expect("it is configured");
        pusher.sign_in().expect("it is configured");
        pusher.user().wait_signed_in(PATIENCE).expect("the server confirms");
        assert_eq!(pusher.user().id().as_deref(), Some("7"));
        pusher.disconnect();
        assert_eq!(places("pusher:signin").len(), 1, "{:?}", log());
    });
}

#[test]
fn h9_handlers_and_receivers_that_are_made_after_connect_hear_nothing_older() {
    explore("connect against bind and receiver", 5_000, || {
        model::let_deadlines_come(false);
        let_server(Server::Confirms);
        let pusher = Pusher::new(config());
        let (before, hear) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| hear(change.current));
        let older = pusher.receiver();
        pusher.connect().expect("the server accepts");
        assert!(what_waits(&older).iter().any(is_connected), "connect has returned");
        let (after, hear) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| hear(change.current));
        let newer = pusher.receiver();
        pusher.disconnect();
        let (connecting, connected) = (ConnectionState::Connecting, ConnectionState::Connected);
        let end = [ConnectionState::Disconnecting, ConnectionState::Disconnected];
        assert_eq!(*before.lock(), [connecting, connected, end[0], end[1]]);
        assert_eq!(*after.lock(), end);
        assert!(!what_waits(&newer).iter().any(is_connected));
    });
}

#[test]
fn h9_handlers_and_receivers_that_are_made_after_wait_subscribed_hear_nothing_older() {
    explore("wait_subscribed against bind and receiver", 5_000, || {
        let pusher = connected(config());
        let older = pusher.receiver();
        let channel: Channel = pusher.subscribe("room").expect("a name");
        channel.wait_subscribed(PATIENCE).expect("the server confirms");
        assert!(what_waits(&older).iter().any(is_subscribed), "wait_subscribed has returned");
        let (events, hear) = list();
        channel.bind_all(move |event: &Event| hear(event.name().to_owned()));
        let (told, confirmations) = unbounded();
        channel.on_subscription_succeeded(move |_: &SubscriptionSucceeded| {
            let _ = told.send(());
        });
        let newer = channel.receiver();
        confirmations.recv().expect("S4: it is repeated");
        pusher.disconnect();
        assert!(events.lock().is_empty(), "the confirmation is older");
        assert!(confirmations.try_recv().is_err(), "once, whatever the thread that runs handlers has come to");
        assert!(what_waits(&newer).is_empty());
    });
}

#[test]
fn h9_handlers_that_are_bound_between_two_dispatches_hear_nothing_older() {
    explore("connect against bind, with dispatch by hand", 5_000, || {
        model::let_deadlines_come(false);
        let_server(Server::Confirms);
        let pusher = Pusher::new(config().manual_dispatch()).connect().expect("the server accepts");
        let (after, hear) = list();
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| hear(change.current));
        pusher.dispatch();
        assert!(after.lock().is_empty());
        pusher.disconnect();
        while pusher.dispatch() > 0 {}
        assert_eq!(*after.lock(), [ConnectionState::Disconnecting, ConnectionState::Disconnected]);
    });
}
