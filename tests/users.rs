//! Rules A7 and A8: signing in, over real sockets.

mod support;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use pusher_channels::{
    AuthError, AuthRequest, ChannelAuth, ConnectionState, Error, Pusher, UserAuth,
    testing::{AuthFault, AuthUser, Refusals, TestServer, WatchlistEvents},
};
use support::{PATIENCE, connected, next_state, quick, server, subscribed};

fn with_users(server: &TestServer) -> Pusher {
    let config = quick(server)
        .auth_endpoint(server.auth_endpoint())
        .user_auth_endpoint(server.user_auth_endpoint())
        .auth_param("user_id", "7");
    Pusher::new(config)
}

fn signed_in(server: &TestServer) -> Pusher {
    let pusher = with_users(server).connect().expect("the embedded server accepts");
    pusher.sign_in().expect("an endpoint is configured");
    pusher.user().wait_signed_in(PATIENCE).expect("the embedded server confirms");
    pusher
}

#[test]
fn a8_a_user_gets_the_events_for_that_user() {
    let server = server();
    let pusher = with_users(&server);
    let user = pusher.user();
    let (sender, calls) = mpsc::channel();
    let signed_in = sender.clone();
    user.bind("invoice", move |event| sender.send(event.data().to_owned()).unwrap_or_default());
    user.on_signed_in(move |id| signed_in.send(format!("signed in as {id}")).unwrap_or_default());
    // Allowed in any state, also before there is a connection.
    pusher.sign_in().expect("an endpoint is configured");
    pusher.connect().expect("the embedded server accepts");
    user.wait_signed_in(PATIENCE).expect("the embedded server confirms");
    assert!(user.is_signed_in());
    assert_eq!(user.id().as_deref(), Some("7"));
    assert_eq!(calls.recv_timeout(PATIENCE).as_deref(), Ok("signed in as 7"));
    assert!(server.wait_for_subscribers("#server-to-user-7", 1, PATIENCE));
    server.send_to_user("7", "invoice", "paid");
    assert_eq!(calls.recv_timeout(PATIENCE).as_deref(), Ok("paid"));
}

#[test]
fn a8_sign_in_is_repeated_after_a_reconnect() {
    let server = server();
    let pusher = signed_in(&server);
    let receiver = pusher.receiver();
    server.drop_all();
    next_state(&receiver, ConnectionState::Reconnecting);
    next_state(&receiver, ConnectionState::Connected);
    pusher.user().wait_signed_in(PATIENCE).expect("confirmed again");
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.signed_in("7") == 1));
}

#[test]
fn a8_sign_in_can_be_repeated_after_a_failure() {
    let server = server();
    server.push_auth_fault(AuthFault::Status { status: 403, body: "no".to_owned(), headers: Vec::new() });
    let pusher = with_users(&server).connect().expect("accepted");
    pusher.sign_in().expect("an endpoint is configured");
    let outcome = pusher.user().wait_signed_in(PATIENCE);
    assert!(matches!(outcome, Err(Error::AuthRefused { channel: None, status: Some(403), .. })), "{outcome:?}");
    pusher.sign_in().expect("an endpoint is configured");
    pusher.user().wait_signed_in(PATIENCE).expect("the second sign-in succeeds");
}

#[test]
fn a8_a_refusal_of_the_server_is_the_error_of_the_sign_in() {
    for refusals in [Refusals::Reverb, Refusals::Sockudo] {
        let server = TestServer::builder().refusals(refusals).start().expect("a free port");
        let config = quick(&server).user_authenticator(|_| Ok(UserAuth::new("app-key:wrong", r#"{"id":"7"}"#)));
        let pusher = Pusher::new(config).connect().expect("accepted");
        pusher.sign_in().expect("an authenticator is configured");
        let outcome = pusher.user().wait_signed_in(PATIENCE);
        assert!(matches!(outcome, Err(Error::SignInRefused { .. })), "{outcome:?}");
        assert_eq!(pusher.state(), ConnectionState::Connected);
    }
}

#[test]
fn a8_a_closure_or_the_secret_can_sign_the_user_in() {
    let server = server();
    let refusing = quick(&server).user_authenticator(|_| Err(AuthError::new("refused")));
    let pusher = Pusher::new(refusing).connect().expect("accepted");
    pusher.sign_in().expect("an authenticator is configured");
    assert!(matches!(pusher.user().wait_signed_in(PATIENCE), Err(Error::AuthRefused { .. })));

    let signing = quick(&server).secret("app-secret").user_data(serde_json::json!({"id": "ann"}));
    let pusher = Pusher::new(signing).connect().expect("accepted");
    pusher.sign_in().expect("a secret is configured");
    pusher.user().wait_signed_in(PATIENCE).expect("confirmed");
    assert_eq!(pusher.user().id().as_deref(), Some("ann"));
}

#[test]
fn a8_sign_in_without_an_authenticator_is_an_error_of_the_call() {
    let server = server();
    let pusher = connected(&server);
    assert!(matches!(pusher.sign_in(), Err(Error::Config { .. })));
    assert!(matches!(pusher.user().wait_signed_in(Duration::ZERO), Err(Error::NotSignedIn)));
}

#[test]
fn a7_presence_uses_the_signed_in_user_if_the_endpoint_does_not_name_one() {
    let server = Arc::new(server());
    let signer = Arc::clone(&server);
    let config = quick(&server)
        .authorizer(move |request: &AuthRequest| {
            Ok(ChannelAuth::new(signer.sign_channel(request.socket_id(), request.channel(), None)))
        })
        .user_auth_endpoint(server.user_auth_endpoint())
        .auth_param("user_id", "7");
    let pusher = Pusher::new(config).connect().expect("accepted");
    pusher.sign_in().expect("an endpoint is configured");
    let channel = subscribed(&pusher, "presence-room");
    assert_eq!(channel.me().expect("a member").id(), "7");
}

#[test]
fn a8_watchlist_events_of_both_shapes_are_reported() {
    for shape in [WatchlistEvents::Pusher, WatchlistEvents::Sockudo] {
        let server = TestServer::builder()
            .watchlist_events(shape)
            .auth_user(|request| {
                let id = request.parameter("user_id").unwrap_or("unknown");
                Some(if id == "7" { AuthUser::new(id).watchlist(["ann"]) } else { AuthUser::new(id) })
            })
            .start()
            .expect("a free port");
        let pusher = with_users(&server).connect().expect("accepted");
        let (sender, calls) = mpsc::channel();
        pusher.user().on_watchlist(move |event| {
            let ids: Vec<_> = event.user_ids.iter().map(ToString::to_string).collect();
            sender.send((event.name.to_string(), ids)).unwrap_or_default();
        });
        pusher.sign_in().expect("an endpoint is configured");
        let next = || calls.recv_timeout(PATIENCE).expect("a watchlist event");
        let event = |name: &str| (name.to_owned(), vec!["ann".to_owned()]);
        assert_eq!(next(), event("offline"));
        let config = quick(&server).user_auth_endpoint(server.user_auth_endpoint()).auth_param("user_id", "ann");
        let ann = Pusher::new(config).connect().expect("accepted");
        ann.sign_in().expect("an endpoint is configured");
        assert_eq!(next(), event("online"));
        drop(ann);
        assert_eq!(next(), event("offline"));
    }
}
