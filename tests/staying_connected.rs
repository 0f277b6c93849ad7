//! Rules R: staying connected.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use pusher_channels::{
    ChannelAuth, ConnectionState, Error, Notification, Pusher, Reconnect,
    testing::{Fault, TestServer},
};
use support::{PATIENCE, connected, eventually, next, next_error, next_event, next_state, quick, server, subscribed};

#[test]
fn r1_max_attempts_ends_in_failed_with_the_last_cause() {
    let server = server();
    server.set_fault(Some(Fault::DropAfterUpgrade));
    let policy = Reconnect::default().max_attempts(3).max_delay(Duration::from_millis(10));
    let pusher = Pusher::new(server.config().reconnect(policy));
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    let failed = next_state(&receiver, ConnectionState::Failed);
    assert!(matches!(failed.cause.as_deref(), Some(Error::ConnectionLost { .. })), "{failed:?}");
    assert_eq!(server.accepted(), 3);
    assert_eq!(pusher.stats().attempts, 3);
}

#[test]
fn r1_never_stays_disconnected_after_a_loss() {
    let server = server();
    let pusher = Pusher::new(server.config().reconnect(Reconnect::never())).connect().expect("accepted");
    let receiver = pusher.receiver();
    server.drop_all();
    next_state(&receiver, ConnectionState::Disconnected);
    pusher.connect().expect("connect works again");
}

#[test]
fn r2_the_client_fails_on_a_final_close_code_and_reconnects_on_others() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    for code in [1000, 1001, 1011, 4201, 4301, 4999] {
        server.close_all(code, "bye");
        let lost = next_state(&receiver, ConnectionState::Reconnecting);
        let cause = lost.cause.expect("a cause");
        assert!(
            matches!(&*cause, Error::ConnectionClosed { code: reported, .. } if *reported == code),
            "{code}: {cause:?}"
        );
        next_state(&receiver, ConnectionState::Connected);
        assert!(server.wait_for_connections(1, PATIENCE));
    }
    server.close_all(4003, "app disabled");
    let failed = next_state(&receiver, ConnectionState::Failed);
    assert_eq!(
        failed.cause.expect("a cause").to_string(),
        "connection closed by the server with code 4003 (the app is disabled; enable it in the server's settings): app disabled"
    );
}

#[test]
fn r3_the_code_of_the_last_error_stands_in_for_a_close_code() {
    let server = server();
    server.push_fault(Fault::ErrorThenClose { code: 4001, message: "unknown app".into(), close_code: None });
    let error = Pusher::new(server.config()).connect().expect_err("refused");
    assert_eq!(error.code(), Some(4001));

    let pusher = connected(&server);
    let receiver = pusher.receiver();
    server.send_raw(r#"{"event":"pusher:error","data":"{\"code\":4201,\"message\":\"stale\"}"}"#);
    assert_eq!(next_error(&receiver).code(), Some(4201));
    server.drop_all();
    let lost = next_state(&receiver, ConnectionState::Reconnecting);
    assert_eq!(lost.cause.and_then(|cause| cause.code()), Some(4201));
    next_state(&receiver, ConnectionState::Connected);
}

#[test]
fn r3_after_the_confirmation_an_error_about_a_message_stands_in_for_no_close_code() {
    let server = server();
    let pusher = connected(&server);
    let receiver = pusher.receiver();
    for code in [4000, 4003, 4009] {
        server.send_raw(&format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"no"}}}}"#));
        assert_eq!(next_error(&receiver).code(), Some(code));
        server.drop_all();
        let lost = next_state(&receiver, ConnectionState::Reconnecting);
        assert!(matches!(lost.cause.as_deref(), Some(Error::ConnectionLost { .. })), "{lost:?}");
        next_state(&receiver, ConnectionState::Connected);
    }
}

#[test]
fn r5_the_error_for_an_unconfirmed_connection_names_the_app_key() {
    let server = server();
    server.push_fault(Fault::DropAfterUpgrade);
    let error = Pusher::new(server.config()).connect().expect_err("never confirmed");
    let text = error.to_string();
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
    assert!(text.contains("never confirmed") && text.contains("check the app key"), "{text}");
}

#[test]
fn h11_on_error_gets_the_reason_that_made_the_client_failed() {
    let server = server();
    server.push_fault(Fault::ErrorThenClose { code: 4004, message: "over quota".into(), close_code: Some(4004) });
    let pusher = Pusher::new(quick(&server));
    let (report, errors) = mpsc::channel();
    pusher.on_error(move |error| report.send(error.clone()).unwrap_or_default());
    pusher.connect_background().expect("the configuration is valid");
    assert_eq!(errors.recv_timeout(PATIENCE).expect("the reason is reported").code(), Some(4004));
    eventually("the client has failed", || pusher.state() == ConnectionState::Failed);
    assert!(errors.try_recv().is_err(), "the reason is reported once");
}

#[test]
fn r4_an_error_on_an_open_socket_is_reported_and_changes_nothing() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    server.send_raw(r#"{"event":"pusher:error","data":{"code":4200,"message":"Invalid message format"}}"#);
    let error = next_error(&receiver);
    assert!(matches!(error, Error::Server { code: Some(4200), .. }), "{error:?}");
    server.trigger("room", "after", "x");
    assert_eq!(next_event(&receiver).0, "after");
    assert_eq!(server.accepted(), 1);
}

#[test]
fn r6_a_silent_server_is_detected_in_time() {
    let server = server();
    let (activity, pong) = (Duration::from_millis(150), Duration::from_millis(150));
    let pusher = Pusher::new(quick(&server).activity_timeout(activity).pong_timeout(pong)).connect().expect("accepted");
    let receiver = pusher.receiver();
    let start = Instant::now();
    server.set_silent(true);
    let lost = next_state(&receiver, ConnectionState::Reconnecting);
    assert!(matches!(lost.cause.as_deref(), Some(Error::PongTimeout { .. })), "{lost:?}");
    assert!(start.elapsed() >= pong, "not before the pong timeout");
    server.set_silent(false);
    next_state(&receiver, ConnectionState::Connected);
}

#[test]
fn r6_pings_are_sent_and_answers_keep_the_connection() {
    let server = server();
    let config = server.config().activity_timeout(Duration::from_millis(20)).pong_timeout(Duration::from_secs(10));
    let pusher = Pusher::new(config).connect().expect("accepted");
    for _ in 0..3 {
        assert!(server.wait_for_received(|received| received.text.contains("pusher:ping"), PATIENCE));
    }
    let pings = |server: &TestServer| server.received().iter().filter(|r| r.text.contains("pusher:ping")).count();
    assert!(
        server
            .wait_for(PATIENCE, |snapshot| snapshot.received().filter(|r| r.text.contains("pusher:ping")).count() > 5)
    );
    assert!(pings(&server) > 5);
    assert_eq!((pusher.state(), server.accepted()), (ConnectionState::Connected, 1));
}

#[test]
fn r6_pings_of_both_forms_are_answered_while_idle() {
    let server = server();
    let pusher = connected(&server);
    server.send_raw(r#"{"event":"pusher:ping","data":{}}"#);
    assert!(server.wait_for_received(|received| received.text == r#"{"event":"pusher:pong","data":{}}"#, PATIENCE));
    // A missing WebSocket pong would not be visible, because it is not a text message. A server that closes because of
    // it would.
    server.send_ws_ping(b"are you there");
    server.send_raw(r#"{"event":"pusher:ping"}"#);
    assert!(server.wait_for(PATIENCE, |snapshot| {
        snapshot.received().filter(|received| received.text.contains("pusher:pong")).count() == 2
    }));
    assert_eq!(pusher.state(), ConnectionState::Connected);
}

#[test]
fn r7_an_invalid_activity_timeout_of_a_server_has_no_effect() {
    for value in ["0", "-1", "0.001", "1e400", "99999999999999999999", "\"x\"", "null", "[]"] {
        let server = TestServer::builder().activity_timeout_json(value).start().expect("a free port");
        let pusher = connected(&server);
        subscribed(&pusher, "room");
        assert!(
            server.received().iter().filter(|received| received.text.contains("pusher:ping")).count() <= 1,
            "{value}"
        );
    }
}

#[test]
fn r8_every_wanted_channel_is_subscribed_once_on_each_connection() {
    let server = server();
    let pusher = connected(&server);
    let names: Vec<_> = (0..50).map(|n| format!("room-{n}")).collect();
    for name in &names {
        subscribed(&pusher, name);
    }
    let gone = pusher.subscribe("gone").expect("a valid name");
    gone.unsubscribe();
    let receiver = pusher.receiver();
    server.drop_all();
    for name in &names {
        let succeeded = next(&receiver, |notification| match notification {
            Notification::SubscriptionSucceeded(succeeded) => Some(succeeded),
            _ => None,
        });
        assert_eq!(succeeded.channel, name.as_str(), "in the order of the calls");
        assert!(succeeded.resubscribed && succeeded.gap.is_some());
    }
    let second = server.received().iter().map(|received| received.connection).max();
    let sent: Vec<_> = server.received().into_iter().filter(|received| Some(received.connection) == second).collect();
    assert_eq!(sent.len(), names.len(), "{sent:?}");
}

#[test]
fn r10_a_client_connects_and_disconnects_many_times_with_one_socket() {
    let server = server();
    let pusher = Pusher::new(quick(&server));
    let channel = pusher.subscribe("room").expect("a valid name");
    for _ in 0..30 {
        pusher.connect().expect("accepted");
        channel.wait_subscribed(PATIENCE).expect("confirmed");
        assert_eq!(server.connections(), 1);
        let start = Instant::now();
        pusher.disconnect();
        assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        assert!(server.wait_for_connections(0, PATIENCE));
    }
}

/// Sends subscriptions that fill the buffers of a peer that reads nothing: some 15 MB.
fn fill_the_buffers(pusher: &Pusher) {
    let data = "x".repeat(10_000);
    for n in 0..1000 {
        let channel = pusher.channel(&format!("presence-{n}")).expect("a valid name");
        channel.subscribe_with_auth(ChannelAuth::new("app-key:none").channel_data(&data));
    }
    for n in 0..20_000 {
        pusher.subscribe(&format!("{n:0>180}")).expect("a valid name");
    }
}

#[test]
fn r10_disconnect_ends_a_connection_whose_peer_reads_nothing() {
    let server = server();
    let pusher = connected(&server);
    server.set_stalled(true);
    fill_the_buffers(&pusher);
    pusher.disconnect();
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
}

#[test]
fn r6_a_write_to_a_peer_that_reads_nothing_ends_at_the_pong_deadline() {
    let server = server();
    let pusher = Pusher::new(quick(&server).pong_timeout(Duration::from_millis(500))).connect().expect("accepted");
    let receiver = pusher.receiver();
    server.set_stalled(true);
    fill_the_buffers(&pusher);
    let cause = next_state(&receiver, ConnectionState::Reconnecting).cause.expect("a loss has a cause");
    assert!(matches!(*cause, Error::WriteTimeout { .. }), "{cause}");
}

#[test]
fn r10_disconnect_works_in_every_state_and_opens_no_socket_afterwards() {
    let stages = [
        Some(Fault::NoUpgradeAnswer),
        Some(Fault::DripHead(Duration::from_millis(100))),
        Some(Fault::NeverEstablished),
        Some(Fault::CloseAfterUpgrade { code: 4100, reason: "over capacity".into() }),
        None,
    ];
    for fault in stages {
        let server = server();
        server.set_fault(fault.clone());
        let pusher = Pusher::new(server.config());
        let receiver = pusher.receiver();
        pusher.connect_background().expect("started");
        match &fault {
            None => drop(next_state(&receiver, ConnectionState::Connected)),
            Some(Fault::CloseAfterUpgrade { .. }) => drop(next_state(&receiver, ConnectionState::Reconnecting)),
            Some(_) => assert!(server.wait_for(PATIENCE, |snapshot| snapshot.requests().next().is_some())),
        }
        let start = Instant::now();
        pusher.disconnect();
        assert!(start.elapsed() < Duration::from_millis(250), "{fault:?}: {:?}", start.elapsed());
        assert_eq!(pusher.state(), ConnectionState::Disconnected, "{fault:?}");
        let attempts = server.attempts();
        assert!(!server.wait_for(Duration::from_millis(100), |snapshot| snapshot.attempts() > attempts), "{fault:?}");
    }
}

#[test]
fn r10_disconnect_ends_a_connect_that_waits() {
    let server = server();
    server.set_fault(Some(Fault::NeverEstablished));
    let pusher = Pusher::new(server.config());
    let waiting = {
        let pusher = pusher.clone();
        std::thread::spawn(move || pusher.connect().map(drop))
    };
    assert!(server.wait_for_connections(1, PATIENCE));
    pusher.disconnect();
    assert!(matches!(waiting.join().expect("no panic"), Err(Error::Disconnected)));
}

#[test]
fn r10_after_disconnect_no_event_of_a_channel_is_delivered() {
    let server = server();
    for _ in 0..20 {
        let pusher = connected(&server);
        let channel = pusher.channel("room").expect("a valid name");
        let ended = Arc::new(AtomicBool::new(false));
        let (late, lates) = mpsc::channel();
        let (first, firsts) = mpsc::channel();
        let flag = Arc::clone(&ended);
        channel.bind_all(move |event| {
            let _ = first.send(());
            // A call that began before `disconnect` returned may see the flag. That is at most one.
            if flag.load(Ordering::SeqCst) {
                let _ = late.send(event.name().to_owned());
            }
        });
        channel.subscribe();
        channel.wait_subscribed(PATIENCE).expect("confirmed");
        for n in 0..2000 {
            server.trigger("room", "tick", &n);
        }
        firsts.recv_timeout(PATIENCE).expect("an event");
        pusher.disconnect();
        ended.store(true, Ordering::SeqCst);
        drop(pusher);
        drop(channel);
        assert!(lates.iter().count() <= 1);
    }
}

#[test]
fn r10_reconnect_now_skips_the_delay_or_sends_a_ping() {
    let server = server();
    let policy = Reconnect::default().min_delay(Duration::from_secs(3600)).max_delay(Duration::from_secs(3600));
    let pusher = Pusher::new(server.config().reconnect(policy)).connect().expect("accepted");
    let receiver = pusher.receiver();
    server.drop_all();
    let waiting = next_state(&receiver, ConnectionState::Reconnecting);
    assert_eq!(waiting.retry_in, Some(Duration::from_secs(3600)));
    pusher.reconnect_now();
    next_state(&receiver, ConnectionState::Connected);
    pusher.reconnect_now();
    assert!(server.wait_for_received(|received| received.text.contains("pusher:ping"), PATIENCE));
}

#[test]
fn r1_the_client_reconnects_after_the_server_was_down() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let receiver = pusher.receiver();
    server.stop_listening();
    server.drop_all();
    let refused = next(&receiver, |notification| match notification {
        Notification::ConnectionStateChange(change) if change.attempt > 2 => change.cause,
        _ => None,
    });
    assert!(matches!(*refused, Error::Tcp { .. }), "{refused:?}");
    server.resume_listening().expect("the port is kept");
    next_state(&receiver, ConnectionState::Connected);
    assert!(server.wait_for_subscribers("room", 1, PATIENCE));
}

#[test]
fn r6_a_peer_that_reads_nothing_is_dropped_at_the_pong_deadline() {
    let server = server();
    let config = quick(&server).activity_timeout(Duration::from_millis(100)).pong_timeout(Duration::from_millis(400));
    let pusher = Pusher::new(config).connect().expect("accepted");
    let receiver = pusher.receiver();
    server.set_stalled(true);
    let _ = pusher.subscribe("room");
    let lost = next_state(&receiver, ConnectionState::Reconnecting);
    assert!(lost.cause.expect("a cause").is_timeout());
    server.set_stalled(false);
    next_state(&receiver, ConnectionState::Connected);
}
