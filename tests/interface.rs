//! Rules of the interface: closures without annotations (H10), handles, and options.

mod support;

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{
    AuthError, ChannelAuth, Config, ConnectionState, Error, HttpAuth, Notification, Pusher, ReceiverOptions, Reconnect,
    RecvTimeoutError, SubscribeOptions, TryRecvError, UserAuth, testing::TestServer,
};
use support::{PATIENCE, connected, eventually, quick, room, server, subscribed};

/// Makes an expression of any value, so that each closure is short.
fn used<T>(_: T) {}

/// Every method that takes a closure, with a closure without annotations.
#[test]
fn h10_closures_infer_their_arguments() {
    let server = server();
    let pusher = connected(&server);
    let channel = pusher.channel("room").expect("a valid name");
    let user = pusher.user();
    pusher.bind("e", |event| used(event.data().len()));
    pusher.bind_all(|event| used(event.name().len()));
    pusher.bind_as::<u32>("e", |number| used(number.leading_zeros()));
    pusher.bind_as_with::<u32>("e", |number, event| used((number.leading_zeros(), event.channel())));
    pusher.on_event(|event| used(event.user_id()));
    pusher.on_connection_state_change(|change| used(change.current));
    pusher.on_error(|error| used(error.code()));
    pusher.on_subscription_succeeded(|succeeded| used(succeeded.gap));
    pusher.on_subscription_error(|failed| used(failed.error.code()));
    pusher.on_subscription_count(|count| used(count.count));
    pusher.on_cache_miss(|channel| used(channel.len()));
    pusher.on_decryption_failure(|failure| used(failure.event.len()));
    pusher.on_member_added(|change| used(change.member.id().len()));
    pusher.on_member_removed(|change| used(change.member.id().len()));
    channel.bind("e", |event| used(event.data().len()));
    channel.bind_all(|event| used(event.name().len()));
    channel.bind_as::<u32>("e", |number| used(number.leading_zeros()));
    channel.bind_as_with::<u32>("e", |number, event| used((number.leading_zeros(), event.channel())));
    channel.on_event(|event| used(event.user_id()));
    channel.on_subscription_succeeded(|succeeded| used(succeeded.gap));
    channel.on_subscription_error(|failed| used(failed.error.code()));
    channel.on_subscription_count(|count| used(count.count));
    channel.on_cache_miss(|channel| used(channel.len()));
    channel.on_decryption_failure(|failure| used(failure.event.len()));
    channel.on_member_added(|change| used(change.member.id().len()));
    channel.on_member_removed(|change| used(change.member.id().len()));
    user.bind("e", |event| used(event.data().len()));
    user.bind_all(|event| used(event.name().len()));
    user.bind_as::<u32>("e", |number| used(number.leading_zeros()));
    user.bind_as_with::<u32>("e", |number, event| used((number.leading_zeros(), event.channel())));
    user.on_signed_in(|id| used(id.len()));
    user.on_watchlist(|event| used(event.user_ids.len()));
    let _configured = Config::host("key", "localhost")
        .authorizer(|request| Ok(ChannelAuth::sign("key", "secret", request.socket_id(), request.channel())))
        .batch_authorizer(|requests| requests.iter().map(|request| Ok(ChannelAuth::new(request.channel()))).collect())
        .user_authenticator(|socket_id| Ok(UserAuth::sign("key", "secret", socket_id, r#"{"id":"7"}"#)))
        .auth_headers_with(|| vec![("X-Token".to_owned(), "t".to_owned())])
        .auth_params_with(|| vec![("tenant".to_owned(), "t".to_owned())])
        .encrypted_data_decoder(|bytes| String::from_utf8(bytes.to_vec()))
        .http_auth(HttpAuth::new("http://localhost").headers_with(Vec::new).params_with(Vec::new))
        .dialer(|request| {
            std::net::TcpStream::connect((request.host(), request.port())).map(pusher_channels::ByteStream::tcp)
        });
    let _by_closure = Config::url_with(|| "ws://localhost/app/key".to_owned());
    let _of_channel = SubscribeOptions::new()
        .authorizer(|request| Ok(ChannelAuth::sign("key", "secret", request.socket_id(), request.channel())))
        .decoder(|bytes| String::from_utf8(bytes.to_vec()));
    let _options = ReceiverOptions::new().wake(|| ()).keep_latest_by(|event| event.user_id().map(str::to_owned));
}

#[test]
fn a2_an_authorizer_converts_any_error() {
    let server = server();
    let (secret, key) = (server.secret().to_owned(), server.key().to_owned());
    let config = quick(&server).authorizer(move |request| {
        let user: u32 = request.channel().rsplit('-').next().unwrap_or_default().parse()?;
        Ok(ChannelAuth::sign(&key, &secret, request.socket_id(), &format!("private-{user}")))
    });
    let pusher = Pusher::new(config).connect().expect("the embedded server accepts");
    subscribed(&pusher, "private-7");
    let refused = pusher.subscribe("private-x").expect("a valid name").wait_subscribed(PATIENCE);
    assert!(matches!(refused, Err(Error::AuthRefused { message, .. }) if message.contains("invalid digit")));
}

#[test]
fn h5_handlers_are_unbound_by_name_by_handle_and_by_their_binding() {
    let (server, pusher, channel) = room();
    let counts: [Arc<AtomicUsize>; 5] = Default::default();
    let count = |index: usize| {
        let count = Arc::clone(&counts[index]);
        move |_: &pusher_channels::Event| used(count.fetch_add(1, Ordering::SeqCst))
    };
    channel.bind("e", count(0));
    let binding = channel.bind_all(count(1));
    channel.bind("other", count(2));
    pusher.bind("e", count(3));
    let (last, lasts) = mpsc::channel();
    pusher.user().bind_sender("unused", last.clone());
    let publish = || {
        // This handler runs after all others.
        let end = pusher.bind_sender("e", last.clone());
        server.trigger("room", "other", "x");
        server.trigger("room", "e", "x");
        lasts.recv_timeout(PATIENCE).expect("the last handler runs");
        end.unbind();
    };
    let called = || counts.each_ref().map(|count| count.swap(0, Ordering::SeqCst));
    publish();
    assert_eq!(called(), [1, 2, 1, 1, 0]);
    channel.unbind_event("e");
    publish();
    assert_eq!(called(), [0, 2, 1, 1, 0]);
    binding.unbind();
    publish();
    assert_eq!(called(), [0, 0, 1, 1, 0]);
    channel.unbind_all();
    publish();
    assert_eq!(called(), [0, 0, 0, 1, 0], "handlers of the client stay");
    pusher.unbind_event("e");
    channel.bind("e", count(4));
    publish();
    assert_eq!(called(), [0, 0, 0, 0, 1]);
    pusher.unbind_all();
    publish();
    assert_eq!(called(), [0, 0, 0, 0, 1], "handlers of channels stay");
}

#[test]
fn h5_the_binding_of_another_client_is_an_error() {
    let (server, pusher, channel) = room();
    let other = connected(&server);
    let (sender, events) = mpsc::channel();
    let binding = channel.bind_sender("e", sender);
    assert!(matches!(other.unbind(binding), Err(Error::OtherClient)));
    server.trigger("room", "e", "x");
    events.recv_timeout(PATIENCE).expect("the handler stays bound");
    let binding = pusher.bind("e", |_| ());
    channel.unbind(binding).expect("any handle of the same client");
}

#[test]
fn s2_subscribe_returns_the_channel() {
    let server = server();
    let pusher = connected(&server);
    pusher.channel("news").expect("a valid name").subscribe().wait_subscribed(PATIENCE).expect("confirmed");
    let private = pusher.channel("private-news").expect("a valid name");
    let auth =
        ChannelAuth::sign(server.key(), server.secret(), &pusher.socket_id().expect("connected"), "private-news");
    private.subscribe_with_auth(auth).wait_subscribed(PATIENCE).expect("confirmed");
}

#[test]
fn h9_wait_all_subscribed_waits_for_every_channel() {
    let server = server();
    let (key, secret) = (server.key().to_owned(), server.secret().to_owned());
    let config = quick(&server).authorizer(move |request| match request.channel() {
        "private-no" => Err(AuthError::new("not this one").status(403)),
        channel => Ok(ChannelAuth::sign(&key, &secret, request.socket_id(), channel)),
    });
    let pusher = Pusher::new(config).connect().expect("accepted");
    pusher.wait_all_subscribed(Duration::ZERO).expect("there is no channel");
    for number in 0..50 {
        pusher.subscribe(&format!("private-{number}")).expect("a valid name");
    }
    pusher.wait_all_subscribed(PATIENCE).expect("all are confirmed");
    assert!(pusher.channels().iter().all(pusher_channels::Channel::is_subscribed));
    pusher.subscribe("private-no").expect("a valid name");
    pusher.subscribe("private-late").expect("a valid name");
    let error = pusher.wait_all_subscribed(PATIENCE).expect_err("one is refused");
    assert!(matches!(error, Error::AuthRefused { channel: Some(channel), .. } if channel == "private-no"));
    assert!(pusher.channel("private-late").expect("a valid name").is_subscribed(), "the other channels are subscribed");
    pusher.unsubscribe("private-no");
    pusher.wait_all_subscribed(PATIENCE).expect("the unsubscribed channel does not count");
    server.set_silent(true);
    let silent = pusher.subscribe("silent").expect("a valid name");
    let time = Duration::from_millis(20);
    let error = pusher.wait_all_subscribed(time).expect_err("the server is silent");
    assert!(matches!(error, Error::WaitTimeout { what: "subscriptions", after } if after == time), "{error}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pusher.wait_all_subscribed(PATIENCE));
        silent.unsubscribe();
        waiting.join().expect("no panic").expect("the unsubscribed channel does not count");
    });
    silent.subscribe();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pusher.wait_all_subscribed(PATIENCE));
        pusher.disconnect();
        assert!(matches!(waiting.join().expect("no panic"), Err(Error::Disconnected)));
    });
}

#[test]
fn h5_a_weak_handle_does_not_keep_the_client_alive() {
    let (server, pusher, channel) = room();
    let (weak, weak_channel) = (pusher.downgrade(), channel.downgrade());
    channel.bind("e", move |_| used((weak.upgrade(), weak_channel.upgrade())));
    let (weak, weak_channel) = (pusher.downgrade(), channel.downgrade());
    assert_eq!(weak_channel.upgrade().expect("alive").name(), "room");
    assert!(weak.upgrade().expect("alive").socket_id().is_some());
    drop((pusher, channel));
    assert!(weak.upgrade().is_none() && weak_channel.upgrade().is_none());
    eventually("the client has disconnected", || server.connections() == 0);
}

#[test]
fn a_receiver_of_one_event_gets_no_other_events() {
    let (server, pusher, channel) = room();
    let placed = channel.events("placed");
    let numbers = channel.events_as::<u32>("placed");
    let of_client = pusher.receiver_with(ReceiverOptions::new().events(["placed", "sent"]));
    for (name, data) in [("other", "0"), ("placed", "1"), ("placed", "two"), ("sent", "3"), ("placed", "4")] {
        server.trigger("room", name, data);
    }
    server.send_raw("junk");
    let data = |notification: Notification| match notification {
        Notification::Event(event) => event.data().to_owned(),
        other => panic!("{other}"),
    };
    let next = || data(placed.recv_timeout(PATIENCE).expect("in time"));
    assert_eq!([next(), next(), next()], ["1", "two", "4"]);
    assert!(matches!(placed.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(numbers.recv_timeout(PATIENCE).expect("in time").ok(), Some(1));
    assert!(matches!(numbers.recv().expect("open"), Err(Error::Decode { .. })));
    assert_eq!(numbers.try_iter().map(|number| number.expect("a number")).collect::<Vec<_>>(), [4]);
    assert!(matches!(numbers.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(numbers.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout)));
    let mut names = Vec::new();
    for notification in &of_client {
        match notification {
            Notification::Event(event) => names.push(event.name().to_owned()),
            // The filter by event does not affect other kinds of notifications.
            Notification::Error(_) => break,
            _ => {}
        }
    }
    assert_eq!(names, ["placed", "placed", "sent", "placed"]);
    drop((pusher, channel));
    assert_eq!(placed.into_iter().count(), 0, "the receiver ends with the client");
    assert!(numbers.iter().next().is_none() && numbers.recv().is_err());
    assert!(numbers.is_empty() && numbers.is_closed());
    assert_eq!((numbers.len(), numbers.dropped()), (0, 0));
    assert_eq!(numbers.into_iter().count(), 0);
}

#[test]
fn c2_dial_url_returns_the_address() {
    let rows = [
        (Config::cluster("app-key", "eu"), "wss://ws-eu.pusher.com/app/app-key"),
        (Config::cluster("app-key", "eu").cluster_domain("example.com"), "wss://ws-eu.example.com/app/app-key"),
        (Config::cluster("app-key", "eu").cluster_domain("example.com."), "wss://ws-eu.example.com./app/app-key"),
        (Config::url_with(|| "ws://localhost/app/k?token=t".to_owned()), "ws://localhost/app/k?token=t"),
        (Config::host("app-key", "localhost").tls(false).port(6001), "ws://localhost:6001/app/app-key"),
        (Config::host("app-key", "::1").path_prefix("/ws"), "wss://[::1]/ws/app/app-key"),
        (Config::host("app-key", "fe80::1%lo").port(6001), "wss://[fe80::1%25lo]:6001/app/app-key"),
        (Config::url("ws://localhost:6001/app/app-key?protocol=7"), "ws://localhost:6001/app/app-key?protocol=7"),
    ];
    for (config, url) in rows {
        let dialled = config.without_metadata().dial_url();
        if url.starts_with("ws:") || cfg!(feature = "native-tls") {
            assert_eq!(dialled.expect("an address"), url);
        } else {
            assert!(matches!(dialled, Err(Error::Config { option: "tls", .. })), "{dialled:?}");
        }
    }
    for domain in ["", ".", "example..", ".example", "exa mple", "example/x", "example:1"] {
        let error = Config::cluster("key", "eu").cluster_domain(domain).dial_url();
        assert!(matches!(error, Err(Error::Config { option: "cluster_domain", .. })), "{domain:?}");
    }
    for config in [Config::host("key", "localhost"), Config::url("ws://localhost/app/k")] {
        let error = config.cluster_domain("example.com").dial_url();
        assert!(matches!(error, Err(Error::Config { option: "cluster_domain", .. })), "{error:?}");
    }
}

/// The URLs of the upgrade requests that the server has received.
fn requested_urls(server: &TestServer) -> Vec<String> {
    server.requests().iter().map(|request| request.target.clone()).collect()
}

#[test]
fn c1_the_url_is_evaluated_for_each_attempt_and_an_invalid_one_fails_that_attempt() {
    let server = server();
    let base = server.config().without_metadata().dial_url().expect("an address");
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let config = Config::url_with(move || match count.fetch_add(1, Ordering::SeqCst) {
        1 => "junk canary".to_owned(),
        2 => panic::resume_unwind(Box::new("on purpose")),
        3 => "http://localhost/canary".to_owned(),
        n => format!("{base}?token={n}"),
    });
    let policy = Reconnect::default().min_delay(Duration::ZERO).max_delay(Duration::from_millis(1));
    let pusher = Pusher::new(config.reconnect(policy)).connect().expect("the first URL is valid");
    let receiver = pusher.receiver();
    server.drop_all();
    let mut causes = Vec::new();
    loop {
        match receiver.recv_timeout(PATIENCE).expect("in time") {
            Notification::ConnectionStateChange(change) if change.current == ConnectionState::Connected => break,
            Notification::ConnectionStateChange(change) => causes.extend(change.cause),
            _ => {}
        }
    }
    let invalid: Vec<_> = causes.iter().filter(|cause| matches!(***cause, Error::DialUrl { .. })).collect();
    assert_eq!(invalid.len(), 3, "{causes:?}");
    assert!(invalid.iter().all(|cause| cause.is_retryable() && !cause.to_string().contains("canary")), "{causes:?}");
    assert_eq!(requested_urls(&server), ["/app/app-key?token=0", "/app/app-key?token=4"]);
    assert_eq!(calls.load(Ordering::SeqCst), 5, "one call for each attempt");
}

#[test]
fn c1_an_invalid_url_fails_connect_and_excludes_options_of_the_address() {
    let error = Pusher::new(Config::url_with(|| "ws://".to_owned())).connect().map(drop).expect_err("not valid");
    assert!(matches!(error, Error::DialUrl { .. }), "{error}");
    let good = || Config::url_with(|| "ws://localhost/app/key".to_owned());
    for config in [good().port(80), good().tls(false), good().path_prefix("/ws")] {
        let error = Pusher::new(config).connect().map(drop).expect_err("not valid");
        assert!(matches!(error, Error::Config { option: "url_with", .. }), "{error}");
    }
}

#[test]
fn c1_timeouts_of_the_configuration_are_used() {
    // The defaults of these times are 120 s and 10 s.
    let server = TestServer::builder().activity_timeout(Duration::from_secs(120)).start().expect("a free port");
    let config = quick(&server).activity_timeout_override(Duration::from_millis(50));
    let pusher = Pusher::new(config).connect().expect("accepted");
    let is_ping = |received: &pusher_channels::testing::Received| received.text.contains("pusher:ping");
    assert!(server.wait_for_received(is_ping, PATIENCE));
    assert!(pusher.socket_id().is_some());
    let config =
        server.config().unavailable_timeout(Duration::from_millis(20)).connect_timeout(Duration::from_secs(60));
    server.set_silent(true);
    let pusher = Pusher::new(config);
    let receiver = pusher.receiver();
    let start = Instant::now();
    pusher.connect_background().expect("the configuration is valid");
    support::next_state(&receiver, ConnectionState::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    for config in
        [server.config().unavailable_timeout(Duration::ZERO), server.config().activity_timeout_override(Duration::MAX)]
    {
        assert!(matches!(Pusher::new(config).connect(), Err(Error::Config { .. })));
    }
}

#[test]
fn x1_notifications_are_printed_without_their_data() {
    let server = TestServer::start().expect("a free port on loopback");
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    subscribed(&pusher, "news");
    server.trigger("news", "published", "secret");
    let printed: Vec<String> =
        std::iter::repeat_with(|| receiver.recv_timeout(PATIENCE).expect("in time").to_string()).take(2).collect();
    assert_eq!(printed, ["news: subscribed", "news: published (6 bytes)"]);
    assert!(pusher.stats().to_string().contains("1 events"));
}
