//! Rules A2 and E5: options of one channel, and `HttpAuth`.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use pusher_channels::{
    AuthError, AuthRequest, ChannelAuth, Config, Error, HttpAuth, Pusher, SubscribeOptions,
    testing::{AuthFault, EndpointRequest, TestServer},
};
use support::{PATIENCE, connected, eventually, next_event, quick, server};

/// Options that sign as the server's backend does, and a count of the calls.
fn signing(server: &TestServer) -> (SubscribeOptions, Arc<AtomicUsize>) {
    let (key, secret) = (server.key().to_owned(), server.secret().to_owned());
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let options = SubscribeOptions::new().authorizer(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(ChannelAuth::sign(&key, &secret, request.socket_id(), request.channel()))
    });
    (options, calls)
}

#[test]
fn a2_an_authorizer_of_a_channel_replaces_the_configured_one_until_unsubscribe() {
    let server = server();
    let pusher = connected(&server);
    let (options, calls) = signing(&server);
    let own = pusher.channel("private-own").expect("a valid name");
    own.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE).expect("confirmed");
    let other = pusher.subscribe("private-other").expect("a valid name");
    assert!(matches!(other.wait_subscribed(PATIENCE), Err(Error::NoAuthorizer { .. })));
    server.drop_all();
    eventually("the authorizer is called for the new socket", || calls.load(Ordering::SeqCst) == 2);
    own.subscribe().wait_subscribed(PATIENCE).expect("subscribing again keeps the options");
    own.unsubscribe();
    let forgotten = own.subscribe().wait_subscribed(PATIENCE);
    assert!(matches!(forgotten, Err(Error::NoAuthorizer { .. })), "{forgotten:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a2_a_refused_channel_is_subscribed_again_with_the_same_or_with_new_options() {
    let server = server();
    let pusher = connected(&server);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let refusing = SubscribeOptions::new().authorizer(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Err(AuthError::new("not yet").status(403))
    });
    let channel = pusher.channel("private-room").expect("a valid name");
    let refused = |result: Result<(), Error>| matches!(result, Err(Error::AuthRefused { status: Some(403), .. }));
    assert!(refused(channel.subscribe_with(refusing).expect("valid").wait_subscribed(PATIENCE)));
    assert!(refused(channel.subscribe().wait_subscribed(PATIENCE)));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let (options, _) = signing(&server);
    channel.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE).expect("the new options are used");
}

#[test]
fn a2_new_options_are_used_at_once_while_the_old_authorizer_still_runs() {
    let server = server();
    let pusher = connected(&server);
    let (entered, entrances) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let hanging = SubscribeOptions::new().authorizer(move |_| {
        entered.send(()).expect("the test waits");
        let _ = released.lock().expect("one call").recv();
        Err(AuthError::new("too late"))
    });
    let channel = pusher.channel("private-room").expect("a valid name");
    channel.subscribe_with(hanging).expect("valid");
    entrances.recv_timeout(PATIENCE).expect("the authorizer is called");
    let (options, _) = signing(&server);
    channel.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE).expect("the new options are used");
    drop(release);
}

#[test]
fn a2_a_channel_with_options_does_not_use_the_batch_authorizer_or_the_secret() {
    let server = server();
    let (key, secret) = (server.key().to_owned(), server.secret().to_owned());
    let (report, batches) = mpsc::channel();
    let config = quick(&server).batch_authorizer(move |requests| {
        report.send(requests.iter().map(|request| request.channel().to_owned()).collect::<Vec<_>>()).expect("awaited");
        let sign = |request: &AuthRequest| ChannelAuth::sign(&key, &secret, request.socket_id(), request.channel());
        requests.iter().map(|request| Ok(sign(request))).collect()
    });
    let pusher = Pusher::new(config);
    let (options, calls) = signing(&server);
    pusher.subscribe("private-batch").expect("a valid name");
    pusher.channel("private-own").expect("a valid name").subscribe_with(options).expect("valid");
    let pusher = pusher.connect().expect("accepted");
    pusher.wait_all_subscribed(PATIENCE).expect("both are confirmed");
    assert_eq!(batches.recv_timeout(PATIENCE).expect("one batch"), ["private-batch"]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let pusher = Pusher::new(quick(&server).secret(server.secret())).connect().expect("accepted");
    let (options, calls) = signing(&server);
    pusher.channel("private-own").expect("a valid name").subscribe_with(options).expect("valid");
    pusher.subscribe("private-signed").expect("a valid name");
    pusher.wait_all_subscribed(PATIENCE).expect("both are confirmed");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn s11_a_late_answer_of_an_authorizer_is_not_used_for_a_later_subscription() {
    let server = server();
    let pusher = connected(&server);
    let (key, secret) = (server.key().to_owned(), server.secret().to_owned());
    let (entered, entrances) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let slow = SubscribeOptions::new().authorizer(move |request| {
        entered.send(()).expect("the test waits");
        let _ = released.lock().expect("one call").recv();
        Ok(ChannelAuth::sign(&key, &secret, request.socket_id(), request.channel()))
    });
    let channel = pusher.channel("private-room").expect("a valid name");
    channel.subscribe_with(slow).expect("valid");
    entrances.recv_timeout(PATIENCE).expect("the authorizer is called");
    channel.unsubscribe();
    channel.subscribe();
    let refused = channel.wait_subscribed(PATIENCE);
    assert!(matches!(refused, Err(Error::NoAuthorizer { .. })), "{refused:?}");
    drop(release);
}

#[test]
fn a2_errors_of_this_crate_and_of_the_system_keep_their_meaning_in_an_authorizer() {
    let server = server();
    let (key, secret) = (server.key().to_owned(), server.secret().to_owned());
    let attempts = AtomicUsize::new(0);
    let config = quick(&server).authorizer(move |request| match request.channel() {
        "private-html" => Ok(ChannelAuth::from_json("<html>")?),
        "private-io" if attempts.fetch_add(1, Ordering::SeqCst) == 0 => {
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))?
        }
        "private-refused" => Err(Error::AuthRefused { channel: None, status: Some(403), message: "no".to_owned() })?,
        "private-other" => Err(std::fmt::Error)?,
        channel => Ok(ChannelAuth::sign(&key, &secret, request.socket_id(), channel)),
    });
    let pusher = Pusher::new(config).connect().expect("accepted");
    let outcome = |name: &str| pusher.subscribe(name).expect("a valid name").wait_subscribed(PATIENCE);
    let html = outcome("private-html").expect_err("not JSON");
    assert_eq!(html.to_string(), "auth: private-html: the answer is HTML, not JSON");
    assert!(matches!(html, Error::AuthMalformed { .. }));
    outcome("private-io").expect("A4: an error of the system is temporary");
    assert_eq!(outcome("private-refused").expect_err("refused").status(), Some(403));
    let other = outcome("private-other").expect_err("refused");
    assert!(matches!(other, Error::AuthRefused { status: None, .. }), "{other}");
}

/// The last request to the embedded server's auth endpoint.
fn last_request(server: &TestServer) -> EndpointRequest {
    server.auth_requests().pop().expect("a request")
}

#[test]
fn a1_http_auth_has_its_own_headers_parameters_and_field_names() {
    let server = server();
    let auth = |server: &TestServer| {
        HttpAuth::new(server.auth_endpoint())
            .header("X-Fixed", "1")
            .headers_with(|| vec![("X-Fresh".to_owned(), "2".to_owned())])
            .param("tenant", "3")
            .params_with(|| vec![("nonce".to_owned(), "4".to_owned()), ("channelName".to_owned(), "stolen".to_owned())])
            .field_names("channelName", "socketId")
    };
    // The embedded server expects other field names, and refuses. The test checks the request.
    let config = quick(&server).auth_header("X-Common", "5").auth_param("common", "6");
    let pusher = Pusher::new(config).connect().expect("accepted");
    for json in [false, true] {
        let channel = pusher.channel(&format!("private-{json}")).expect("a valid name");
        let options = SubscribeOptions::new().http_auth(auth(&server).json(json));
        let refused = channel.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE);
        assert!(matches!(refused, Err(Error::AuthRefused { status: Some(_), .. })), "{refused:?}");
        let request = last_request(&server);
        assert_eq!((request.header("X-Fixed"), request.header("X-Fresh")), (Some("1"), Some("2")));
        assert_eq!((request.parameter("tenant"), request.parameter("nonce")), (Some("3"), Some("4")));
        assert_eq!(request.parameter("channelName"), Some(channel.name()), "a closure cannot replace the field");
        assert_eq!(request.parameter("socketId"), pusher.socket_id().as_deref());
        assert_eq!((request.header("X-Common"), request.parameter("common")), (None, None));
        assert_eq!((request.channel_name(), request.socket_id()), (None, ""));
        let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
        assert_eq!(request.header("content-type"), Some(kind));
    }
}

#[test]
fn a2_http_auth_and_auth_endpoint_replace_each_other() {
    let server = server();
    let good = || HttpAuth::new(server.auth_endpoint()).header("X-Own", "1");
    let config = quick(&server).auth_endpoint("http://127.0.0.1:1/").http_auth(good());
    let pusher = Pusher::new(config).connect().expect("accepted");
    support::subscribed(&pusher, "private-room");
    assert_eq!(last_request(&server).header("X-Own"), Some("1"));
    let config = quick(&server).http_auth(HttpAuth::new("http://127.0.0.1:1/")).auth_endpoint(server.auth_endpoint());
    let pusher = Pusher::new(config).connect().expect("accepted");
    support::subscribed(&pusher, "private-room");
    assert_eq!(last_request(&server).header("X-Own"), None);
    for config in [
        quick(&server).http_auth(good()).auth_header("X", "1"),
        quick(&server).http_auth(good()).auth_params_with(|| vec![("a".to_owned(), "b".to_owned())]),
        quick(&server).user_http_auth(good()).auth_json(true),
    ] {
        let error = Pusher::new(config).connect().expect_err("an option without effect");
        assert!(error.to_string().contains("give it to the HttpAuth"), "{error}");
    }
    let for_users = quick(&server).http_auth(good()).user_auth_endpoint(server.user_auth_endpoint());
    Pusher::new(for_users.auth_param("user_id", "7")).connect().expect("the parameter belongs to the other endpoint");
    let user = HttpAuth::new(server.user_auth_endpoint()).param("user_id", "7").field_names("channel", "socket_id");
    let pusher = Pusher::new(quick(&server).user_http_auth(user)).connect().expect("accepted");
    pusher.sign_in().expect("an endpoint is configured");
    pusher.user().wait_signed_in(PATIENCE).expect("the endpoint answers");
    server.push_auth_fault(AuthFault::Status { status: 503, body: "later".to_owned(), headers: Vec::new() });
    let own = pusher.channel("private-own").expect("a valid name");
    let options = SubscribeOptions::new().http_auth(good());
    own.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE).expect("A4: a 503 is tried again");
}

#[test]
fn a1_an_invalid_http_auth_is_an_error_before_anything_is_sent() {
    let server = server();
    let pusher = connected(&server);
    let channel = pusher.channel("private-room").expect("a valid name");
    let good = || HttpAuth::new("http://localhost/auth");
    let rows = [
        HttpAuth::new("canary"),
        HttpAuth::new("http://example.com/auth?canary"),
        HttpAuth::new("http://user:canary@localhost/"),
        good().header("Content-Length", "1"),
        good().header("X\n", "canary"),
        good().param("channel_name", "canary"),
        good().field_names("a", "b").param("b", "canary"),
        good().field_names("same", "same"),
        good().field_names("", "socket_id"),
        good().field_names("channel_name", ""),
    ];
    for auth in rows {
        let of_channel = channel.subscribe_with(SubscribeOptions::new().http_auth(auth.clone())).err();
        let of_client = Pusher::new(quick(&server).http_auth(auth)).connect().err();
        for error in [of_channel, of_client] {
            let error = error.expect("an error");
            assert!(matches!(error, Error::Config { option: "http_auth", .. }), "{error}");
            assert!(!error.to_string().contains("canary"), "X1: {error}");
        }
    }
    assert!(!channel.is_subscribed() && pusher.channels().is_empty());
    let shown = format!("{:?}", SubscribeOptions::new().http_auth(good().header("X", "canary")));
    assert!(!shown.contains("canary") && !shown.contains("localhost"), "X1: {shown}");
}

#[test]
fn e5_a_decoder_of_a_channel_decodes_only_that_channel() {
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port on loopback");
    let config = quick(&server)
        .auth_endpoint(server.auth_endpoint())
        .encrypted_data_decoder(|bytes| Ok::<_, String>(format!("common {}", bytes.len())));
    let pusher = Pusher::new(config).connect().expect("accepted");
    let own = pusher.channel("private-encrypted-own").expect("a valid name");
    let own_decoder = || SubscribeOptions::new().decoder(|bytes| Ok::<_, String>(format!("own {}", bytes.len())));
    let receiver = pusher.receiver();
    let next = |channel: &str| {
        server.trigger(channel, "e", &7);
        next_event(&receiver).1
    };
    support::subscribed(&pusher, "private-encrypted-common");
    own.subscribe().wait_subscribed(PATIENCE).expect("confirmed");
    assert_eq!(next(own.name()), "common 1");
    own.subscribe_with(own_decoder()).expect("valid");
    // The new decoder is used after the session's next turn.
    eventually("the new decoder is used", || next(own.name()) == "own 1");
    assert_eq!(next("private-encrypted-common"), "common 1");
    own.unsubscribe();
    own.subscribe().wait_subscribed(PATIENCE).expect("confirmed");
    assert_eq!(next(own.name()), "common 1", "the options ended with the subscription");
    let pusher = Pusher::new(quick(&server).auth_endpoint(server.auth_endpoint()).manual_dispatch());
    let (report, reports) = mpsc::channel();
    pusher.bind("e", move |event| report.send(event.data().to_owned()).expect("awaited"));
    let channel = pusher.channel("private-encrypted-own").expect("a valid name");
    channel.subscribe_with(own_decoder()).expect("valid");
    let pusher = pusher.connect().expect("accepted");
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    let waits = pusher.receiver();
    server.trigger(channel.name(), "e", &7);
    // The event waits in the queue of the handlers, too.
    assert_eq!(next_event(&waits).1, "own 1");
    channel.subscribe_with(SubscribeOptions::new()).expect("valid");
    pusher.dispatch();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), ["7"], "an event that waits is delivered with its data");
    let pusher = Pusher::new(quick(&server).auth_endpoint(server.auth_endpoint())).connect().expect("accepted");
    let failing = SubscribeOptions::new().decoder(|_| Err::<String, _>("canary"));
    let (report, failures) = mpsc::channel();
    let channel = pusher.channel("private-encrypted-own").expect("a valid name");
    channel.on_decryption_failure(move |failure| report.send(failure.reason.to_string()).expect("awaited"));
    channel.subscribe_with(failing).expect("valid").wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger(channel.name(), "e", &7);
    assert!(failures.recv_timeout(PATIENCE).expect("a failure").contains("canary"));
}

#[test]
fn c1_the_secret_needs_the_key_of_the_app() {
    let config = Config::url_with(|| "ws://localhost/app/key".to_owned()).secret("app-secret");
    let error = Pusher::new(config).connect().map(drop).expect_err("no key");
    assert!(matches!(error, Error::Config { option: "secret", .. }), "{error}");
}
