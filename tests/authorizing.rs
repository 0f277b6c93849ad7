//! Rules A: ways to authorise, over real sockets.

mod support;

use std::{
    io,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use pusher_channels::{
    AuthError, AuthRequest, ByteStream, ChannelAuth, Config, ConnectionState, DialRequest, Error, Notification, Pusher,
    ReceiverOptions,
    testing::{AuthFault, Refusals, TestServer},
};
use support::{PATIENCE, next, next_event, next_state, quick, server, subscribed};

fn connected(config: Config) -> Pusher {
    Pusher::new(config).connect().expect("the embedded server accepts")
}

/// Asserts that an event published on the channel arrives.
fn receives(server: &TestServer, pusher: &Pusher, channel: &str) {
    let receiver = pusher.receiver();
    server.trigger(channel, "e", "x");
    assert_eq!(next_event(&receiver), ("e".to_owned(), "x".to_owned()));
}

fn status(status: u16, headers: &[(&str, &str)]) -> AuthFault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    AuthFault::Status { status, body: "no, and here is why".to_owned(), headers }
}

#[test]
fn a1_an_endpoint_gets_a_form_with_headers_and_parameters() {
    let server = server();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let config = quick(&server)
        .auth_endpoint(server.auth_endpoint())
        .auth_header("Authorization", "Bearer token")
        .auth_param("tenant", "ż & co")
        .auth_params_with(|| vec![("nonce".to_owned(), "7".to_owned()), ("socket_id".to_owned(), "forged".to_owned())])
        .auth_headers_with(move || {
            let call = count.fetch_add(1, Ordering::SeqCst);
            vec![("X-CSRF-Token".to_owned(), format!("csrf-{call}"))]
        });
    let pusher = connected(config);
    subscribed(&pusher, "private-a");
    subscribed(&pusher, "private-b");
    receives(&server, &pusher, "private-b");
    let requests = server.auth_requests();
    assert_eq!(requests.len(), 2);
    for (number, (request, channel)) in requests.iter().zip(["private-a", "private-b"]).enumerate() {
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(request.header("authorization"), Some("Bearer token"));
        assert_eq!(request.header("x-csrf-token"), Some(&*format!("csrf-{number}")));
        assert_eq!(request.channel_name(), Some(channel));
        assert_eq!(Some(request.socket_id()), pusher.socket_id().as_deref());
        assert_eq!(request.parameter("tenant"), Some("ż & co"));
        assert_eq!(request.parameter("nonce"), Some("7"));
    }
}

#[test]
fn a4_each_kind_of_failure_reaches_the_handlers_of_the_channel_and_of_the_client() {
    type Case = (Option<AuthFault>, fn(&Error) -> bool);
    let cases: [Case; 4] = [
        (Some(AuthFault::Body("<html>".to_owned())), |error| matches!(error, Error::AuthMalformed { .. })),
        (Some(status(403, &[])), |error| matches!(error, Error::AuthRefused { status: Some(403), .. })),
        (Some(AuthFault::Hang), |error| matches!(error, Error::AuthTimeout { .. })),
        (None, |error| matches!(error, Error::AuthNetwork { endpoint, .. } if endpoint.starts_with("127.0.0.1:"))),
    ];
    for (fault, is_expected) in cases {
        let (server, endpoint) = (server(), server());
        let config = quick(&server).auth_endpoint(endpoint.auth_endpoint()).auth_timeout(Duration::from_millis(200));
        match fault {
            Some(fault) => endpoint.set_auth_fault(Some(fault)),
            None => endpoint.stop_listening(),
        }
        let pusher = connected(config);
        let (report, reports) = mpsc::channel();
        let of_client = report.clone();
        let channel = pusher.channel("private-room").expect("a valid name");
        channel.on_subscription_error(move |failed| report.send(failed.error.clone()).unwrap_or_default());
        pusher.on_subscription_error(move |failed| of_client.send(failed.error.clone()).unwrap_or_default());
        channel.subscribe();
        for _ in 0..2 {
            let error = reports.recv_timeout(PATIENCE).expect("a report");
            assert!(is_expected(&error), "{error:?}");
        }
    }
}

#[test]
fn a1_a_json_body_is_an_option() {
    let server = server();
    let config = quick(&server).auth_endpoint(server.auth_endpoint()).auth_json(true).auth_param("tenant", "7");
    subscribed(&connected(config), "private-a");
    let request = &server.auth_requests()[0];
    assert!(request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    assert_eq!((request.channel_name(), request.parameter("tenant")), (Some("private-a"), Some("7")));
}

#[test]
fn a2_a_closure_authorises() {
    let server = Arc::new(server());
    let signer = Arc::clone(&server);
    let config = quick(&server).authorizer(move |request: &AuthRequest| {
        Ok(ChannelAuth::new(signer.sign_channel(request.socket_id(), request.channel(), None)))
    });
    let pusher = connected(config);
    subscribed(&pusher, "private-room");
    receives(&server, &pusher, "private-room");
}

#[test]
fn a2_a_batch_closure_gets_all_channels_of_a_connection_in_one_call() {
    let server = Arc::new(server());
    let signer = Arc::clone(&server);
    let (called, calls) = mpsc::channel();
    let config = quick(&server).batch_authorizer(move |requests: &[AuthRequest]| {
        called.send(requests.len()).unwrap_or_default();
        let sign = |r: &AuthRequest| Ok(ChannelAuth::new(signer.sign_channel(r.socket_id(), r.channel(), None)));
        requests.iter().map(sign).collect()
    });
    let pusher = Pusher::new(config);
    let channels: Vec<_> = (0..20).map(|n| pusher.subscribe(&format!("private-{n}")).expect("a valid name")).collect();
    pusher.connect().expect("the embedded server accepts");
    for channel in channels {
        channel.wait_subscribed(PATIENCE).expect("confirmed");
    }
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [20]);
}

#[test]
fn a2_the_app_secret_signs_locally() {
    let server = TestServer::builder().encryption_master_key([7; 32]).start().expect("a free port");
    let master_key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let user = serde_json::json!({"id": "7", "user_info": {"name": "Ann"}});
    let pusher = connected(quick(&server).secret("app-secret").encryption_master_key(master_key).user_data(user));
    for channel in ["private-room", "private-encrypted-room", "presence-room", "private-cache-room"] {
        subscribed(&pusher, channel);
        receives(&server, &pusher, channel);
    }
    let me = pusher.channel("presence-room").expect("a valid name").me().expect("a member");
    assert_eq!((me.id(), me.info()), ("7", r#"{"name":"Ann"}"#));
}

#[test]
fn a4_a_ready_made_permission_serves_one_socket() {
    let server = server();
    let pusher = connected(quick(&server));
    let receiver = pusher.receiver();
    let channel = pusher.channel("private-room").expect("a valid name");
    let socket_id = pusher.socket_id().expect("connected");
    channel.subscribe_with_auth(ChannelAuth::new(server.sign_channel(&socket_id, "private-room", None)));
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    server.drop_all();
    // The receiver may still get the change of the first connection.
    next_state(&receiver, ConnectionState::Reconnecting);
    next_state(&receiver, ConnectionState::Connected);
    assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::NoAuthorizer { .. })));
}

#[test]
fn a3_a_slow_endpoint_delays_nothing_else() {
    let server = server();
    server.push_auth_fault(AuthFault::Hang);
    let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()));
    let slow = pusher.subscribe("private-slow").expect("a valid name");
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.auth_requests().count() == 1));
    subscribed(&pusher, "private-fast");
    subscribed(&pusher, "room");
    receives(&server, &pusher, "room");
    assert!(!slow.is_subscribed());
}

#[test]
fn a4_temporary_failures_are_tried_four_times_and_final_ones_once() {
    for (code, requests) in [(500, 4), (429, 4), (403, 1), (302, 1), (404, 1)] {
        let server = server();
        let headers: &[(&str, &str)] = if code == 429 { &[("Retry-After", "0")] } else { &[] };
        server.set_auth_fault(Some(status(code, headers)));
        let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()));
        let channel = pusher.subscribe("private-room").expect("a valid name");
        match channel.wait_subscribed(PATIENCE) {
            Err(Error::AuthRefused { channel: Some(channel), status: Some(status), message }) => {
                assert_eq!((&*channel, status), ("private-room", code));
                assert!(message.contains("here is why"), "{message}");
            }
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(server.auth_requests().len(), requests, "{code}");
        assert_eq!(pusher.state(), ConnectionState::Connected);
    }
}

#[test]
fn a4_a_temporary_failure_is_not_reported() {
    let server = server();
    server.push_auth_fault(status(503, &[]));
    server.push_auth_fault(AuthFault::Drop);
    let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()));
    subscribed(&pusher, "private-room");
    assert_eq!(server.auth_requests().len(), 3);
}

#[test]
fn a5_malformed_answers_are_an_error_of_that_channel_alone() {
    let server = server();
    let bodies = ["", "<html>", "null", "7", "[]", "{}", r#"{"auth":7}"#, r#"{"auth":null}"#];
    let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()));
    subscribed(&pusher, "room");
    for (n, body) in bodies.into_iter().enumerate() {
        server.push_auth_fault(AuthFault::Body(body.to_owned()));
        let channel = pusher.subscribe(&format!("private-{n}")).expect("a valid name");
        let outcome = channel.wait_subscribed(PATIENCE);
        assert!(matches!(outcome, Err(Error::AuthMalformed { .. })), "{body:?}: {outcome:?}");
    }
    let encrypted = [r#"{"auth":"k:s"}"#, r#"{"auth":"k:s","shared_secret":"AAAA"}"#];
    for (n, body) in encrypted.into_iter().enumerate() {
        server.push_auth_fault(AuthFault::Body(body.to_owned()));
        let channel = pusher.subscribe(&format!("private-encrypted-{n}")).expect("a valid name");
        let outcome = channel.wait_subscribed(PATIENCE);
        assert!(matches!(outcome, Err(Error::AuthMalformed { .. })), "{body:?}: {outcome:?}");
    }
    receives(&server, &pusher, "room");
    assert_eq!(server.auth_requests().len(), bodies.len() + encrypted.len(), "no request is retried");
}

#[test]
fn a1_a_redirect_is_not_followed() {
    let (server, other) = (server(), server());
    server.push_auth_fault(AuthFault::Redirect(other.auth_endpoint()));
    let config = quick(&server).auth_endpoint(server.auth_endpoint()).auth_header("Authorization", "Bearer canary");
    let pusher = connected(config);
    let channel = pusher.subscribe("private-room").expect("a valid name");
    assert!(matches!(channel.wait_subscribed(PATIENCE), Err(Error::AuthRefused { status: Some(300..=399), .. })));
    assert!(other.auth_requests().is_empty(), "no credential reaches another host");
}

#[test]
fn s6_a_wrong_signature_is_refused_as_each_server_does() {
    for refusals in [Refusals::Soketi, Refusals::Reverb, Refusals::Sockudo] {
        let server = TestServer::builder().refusals(refusals).start().expect("a free port");
        let pusher = connected(quick(&server).authorizer(|_: &AuthRequest| Ok(ChannelAuth::new("app-key:wrong"))));
        let (report, reports) = mpsc::channel();
        pusher.on_subscription_error(move |failed| report.send(failed.channel.clone()).unwrap_or_default());
        subscribed(&pusher, "room");
        let channel = pusher.subscribe("private-room").expect("a valid name");
        let error = channel.wait_subscribed(PATIENCE).expect_err("a wrong signature");
        assert!(matches!(error, Error::SubscriptionRefused { .. }) && error.is_auth(), "{error:?}");
        let channel = reports.recv_timeout(PATIENCE).expect("a report").expect("a channel");
        assert_eq!(&*channel, "private-room");
        receives(&server, &pusher, "room");
    }
}

#[test]
fn a2_a_closure_that_refuses_or_panics_is_an_error_of_its_channel() {
    let server = server();
    let pusher = connected(quick(&server).authorizer(|request: &AuthRequest| match request.channel() {
        "private-panics" => panic!("on purpose"),
        _ => Err(AuthError::new("not you").status(403)),
    }));
    let refused = pusher.subscribe("private-refused").expect("a valid name").wait_subscribed(PATIENCE);
    match refused {
        Err(Error::AuthRefused { status: Some(403), message, .. }) => assert_eq!(message, "not you"),
        other => panic!("{other:?}"),
    }
    let panicked = pusher.subscribe("private-panics").expect("a valid name").wait_subscribed(PATIENCE);
    assert!(matches!(panicked, Err(Error::AuthRefused { .. })), "{panicked:?}");
}

#[test]
fn h2_closures_for_headers_parameters_and_users_may_panic() {
    let server = server();
    let endpoint = || quick(&server).auth_endpoint(server.auth_endpoint());
    let panics = || -> Vec<(String, String)> { panic!("on purpose") };
    for config in [endpoint().auth_headers_with(panics), endpoint().auth_params_with(panics)] {
        let pusher = connected(config);
        let panicked = pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE);
        assert!(matches!(panicked, Err(Error::AuthRefused { .. })), "{panicked:?}");
        subscribed(&pusher, "room");
        receives(&server, &pusher, "room");
    }
    let pusher = connected(quick(&server).user_authenticator(|_| panic!("on purpose")));
    pusher.sign_in().expect("an authenticator is configured");
    let panicked = pusher.user().wait_signed_in(PATIENCE);
    assert!(matches!(panicked, Err(Error::AuthRefused { .. })), "{panicked:?}");
    subscribed(&pusher, "room");
    receives(&server, &pusher, "room");
}

#[test]
fn r8_every_connection_is_authorised_again() {
    let server = server();
    let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()));
    let receiver = pusher.receiver();
    subscribed(&pusher, "private-room");
    for round in 2..5 {
        server.drop_all();
        // Waiting for the state is not enough: that of the first connection may still be on its way to the receiver.
        next(&receiver, |notification| match notification {
            Notification::SubscriptionSucceeded(succeeded) => succeeded.resubscribed.then_some(()),
            _ => None,
        });
        let requests = server.auth_requests();
        assert_eq!(requests.len(), round);
        assert_eq!(Some(requests[round - 1].socket_id()), pusher.socket_id().as_deref());
    }
}

#[test]
fn h6_disconnecting_does_not_wait_for_an_endpoint_that_hangs() {
    let server = server();
    server.set_auth_fault(Some(AuthFault::Hang));
    let pusher = connected(quick(&server).auth_endpoint(server.auth_endpoint()).auth_timeout(Duration::from_secs(600)));
    let channel = pusher.subscribe("private-room").expect("a valid name");
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.auth_requests().count() == 1));
    pusher.disconnect();
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
    server.set_auth_fault(None);
    pusher.connect().expect("the embedded server accepts");
    channel.wait_subscribed(PATIENCE).expect("the next connection sends another request");
}

#[test]
fn r8_a_late_auth_request_of_an_older_connection_ends_none_of_the_newer_one() {
    let server = server();
    let (dial, may_dial) = mpsc::channel::<()>();
    let may_dial = Mutex::new(may_dial);
    let dialer = move |request: &DialRequest| {
        may_dial.lock().expect("no panic").recv().unwrap_or_default();
        TcpStream::connect((request.host(), request.port())).map(ByteStream::tcp).map_err(io::Error::other)
    };
    let pusher = Pusher::new(quick(&server).auth_endpoint(server.auth_endpoint()).dialer(dialer));
    let (entered, entry) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (released, is_first) = (Mutex::new(released), AtomicBool::new(true));
    // Blocks the first reader after its turn, before it carries out the effects of that turn.
    let (woken, wake_ups) = mpsc::channel();
    let hold = move || {
        woken.send(()).unwrap_or_default();
        if thread::current().name() == Some("pusher-reader") && is_first.swap(false, Ordering::SeqCst) {
            entered.send(()).expect("the test waits");
            released.lock().expect("no panic").recv().unwrap_or_default();
        }
    };
    let receiver = pusher.receiver_with(ReceiverOptions::new().wake(hold));
    pusher.subscribe("private-a").expect("a valid name");
    pusher.connect_background().expect("the configuration is valid");
    next_state(&receiver, ConnectionState::Connecting);
    wake_ups.recv_timeout(PATIENCE).expect("the wake-up for this change");
    assert!(receiver.try_recv().is_err(), "the receiver is empty, so that the next notification wakes it");
    dial.send(()).expect("the dialer waits");
    entry.recv_timeout(PATIENCE).expect("the first connection is confirmed");
    pusher.disconnect();
    dial.send(()).expect("the dialer waits");
    pusher.connect().expect("the embedded server accepts");
    subscribed(&pusher, "private-b");
    release.send(()).expect("the first reader waits");
    for number in 0..20 {
        subscribed(&pusher, &format!("private-{number}"));
    }
}
