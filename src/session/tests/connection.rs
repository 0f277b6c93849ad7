//! Rules C and R: from the call to connect to the end of the connection.

use super::*;

#[test]
fn c4_connect_reports_the_first_attempt_and_gives_up() {
    let mut s = Scenario::new();
    s.connect_once().socket(FromSocket::DialFailed(Error::lost("refused")));
    assert_eq!(s.states(), [Connecting, Disconnected]);
    assert!(matches!(s.settled[..], [(ConnectId(1), Err(_))]));
    assert!(s.session.is_idle());
    assert_eq!(s.session.deadline(), None);
}

#[test]
fn c4_each_waiting_call_gets_the_outcome_of_its_own_attempt() {
    let mut s = Scenario::new();
    s.connect_once().connect_once().socket(FromSocket::DialFailed(Error::lost("refused")));
    assert!(matches!(s.settled[..], [(ConnectId(1), Err(_)), (ConnectId(2), Err(_))]));
    s.settled.clear();
    s.connect_once().establish().connect_once();
    assert!(matches!(s.settled[..], [(ConnectId(3), Ok(())), (ConnectId(4), Ok(()))]));
    s.settled.clear();
    s.lose().connect_once();
    assert!(s.settled.is_empty(), "it waits for the attempt that it has brought forward");
    s.input(Input::Disconnect);
    match &s.settled[..] {
        [(ConnectId(5), Err(error))] => assert!(matches!(**error, Error::Disconnected)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn c4_a_final_refusal_is_failed() {
    let mut s = Scenario::new();
    s.connect_once().upgrade().close(4001);
    assert_eq!(s.states(), [Connecting, Failed]);
    assert_eq!(s.changes()[1].cause.as_ref().and_then(|cause| cause.code()), Some(4001));
}

#[test]
fn c4_after_the_first_success_a_blocking_connect_keeps_the_connection_too() {
    let mut s = Scenario::new();
    s.connect_once().establish().lose();
    assert_eq!(s.states(), [Connecting, Connected, Reconnecting]);
}

#[test]
fn c3_the_deadline_covers_everything_and_names_the_phase() {
    for phase in
        [ConnectPhase::Dns, ConnectPhase::Tcp, ConnectPhase::Tls, ConnectPhase::Upgrade, ConnectPhase::Established]
    {
        let mut s = Scenario::new();
        s.connect_once().pass(5 * SECOND).socket(FromSocket::Reached(phase)).pass(9 * SECOND);
        assert!(s.settled.is_empty());
        s.pass(SECOND);
        match &s.settled[..] {
            [(_, Err(error))] => {
                let expected =
                    |p| matches!(**error, Error::ConnectTimeout { phase, after } if p == phase && after == 15 * SECOND);
                assert!(expected(phase), "{error:?}");
                assert!(error.to_string().starts_with(&format!("{phase}: ")), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(s.outputs.iter().any(|output| matches!(output, Output::Close { code: None, .. })));
    }
}

#[test]
fn c9_the_socket_id_is_gone_in_the_batch_that_reports_the_loss() {
    let mut s = Scenario::connected();
    let generation = s.session.generation;
    s.session.handle(Input::Socket(generation, FromSocket::Ended(Ending::Lost(Error::lost("x")))), s.now);
    let Delivery { update, .. } = s.session.take_delivery().expect("a state change");
    assert_eq!(update.socket_id, Some(None));
    assert_eq!(update.state, Some(Reconnecting));
}

#[test]
fn c10_changes_are_in_order_and_never_from_a_state_to_itself() {
    let mut s = Scenario::connected();
    s.lose();
    for _ in 0..20 {
        let until = s.session.deadline().expect("backing off");
        s.pass(until.saturating_duration_since(s.now)).socket(FromSocket::DialFailed(Error::lost("x")));
    }
    let changes = s.changes();
    assert!(changes.iter().all(|change| change.previous != change.current));
    assert!(changes.windows(2).all(|pair| pair[0].current == pair[1].previous));
    let waiting = changes.iter().filter(|change| change.current == Reconnecting);
    assert!(waiting.clone().count() > 1);
    assert!(waiting.clone().all(|change| change.retry_in.is_some() && change.cause.is_some()));
    let attempts: Vec<_> = waiting.map(|change| change.attempt).collect();
    assert!(attempts.windows(2).all(|pair| pair[0] < pair[1]), "{attempts:?}");
}

#[test]
fn unavailable_is_reported_after_ten_seconds_and_attempts_go_on() {
    let mut s = Scenario::with(Reconnect::default().min_delay(3 * SECOND).max_delay(3 * SECOND));
    s.connect_background();
    for _ in 0..6 {
        s.socket(FromSocket::DialFailed(Error::lost("x"))).pass(3 * SECOND);
    }
    let states = s.states();
    let reported = states.iter().position(|state| *state == Unavailable).expect("reported");
    assert!(states[..reported].iter().filter(|state| **state == Connecting).count() == 4, "{states:?}");
    assert!(states[reported..].contains(&Connecting), "attempts go on");
    assert!(s.changes()[reported].cause.is_some(), "C10: with the cause of the last failure");
    s.establish();
    assert_eq!(s.states().last(), Some(&Connected));
}

#[cfg(feature = "native-tls")]
#[test]
fn r2_a_port_that_speaks_no_tls_after_4000_is_the_end() {
    let mut s = Scenario::new();
    s.connect_background().establish().close(4000);
    let no_tls = std::io::Error::other("wrong version number");
    s.socket(FromSocket::DialFailed(Error::tls("localhost", no_tls)));
    assert_eq!(s.states(), [Connecting, Connected, Reconnecting, Connecting, Failed]);
}

#[test]
fn unavailable_is_reported_while_an_attempt_hangs() {
    let mut s = Scenario::new();
    s.connect_background().pass(10 * SECOND);
    assert_eq!(s.states(), [Connecting, Unavailable]);
    s.pass(5 * SECOND);
    let failed = s.changes()[2].clone();
    assert_eq!((failed.current, failed.attempt), (Reconnecting, 2), "the cause and the delay are not lost");
    assert!(failed.cause.is_some_and(|cause| cause.is_timeout()) && failed.retry_in.is_some());
}

#[test]
fn r1_attempts_count_until_a_connection_is_stable() {
    let mut s = Scenario::with(Reconnect::default().max_attempts(3));
    s.connect_background();
    for _ in 0..2 {
        s.establish().pass(9 * SECOND).lose();
        assert_eq!(s.states().last(), Some(&Reconnecting));
        let until = s.session.deadline().expect("backing off");
        s.pass(until.saturating_duration_since(s.now));
    }
    s.establish().pass(9 * SECOND).lose();
    assert_eq!(s.states().last(), Some(&Failed), "accepted three times, never stable");
}

#[test]
fn r1_a_stable_connection_resets_the_count() {
    let mut s = Scenario::with(Reconnect::default().max_attempts(1));
    s.connect_background().establish().pass(10 * SECOND).lose();
    assert_eq!(s.states().last(), Some(&Reconnecting));
    assert_eq!(s.changes().last().map(|change| change.attempt), Some(1));
    let until = s.session.deadline().expect("backing off");
    s.pass(until.saturating_duration_since(s.now)).socket(FromSocket::DialFailed(Error::lost("x")));
    assert_eq!(s.states().last(), Some(&Failed));
}

#[test]
fn r1_never_is_disconnected_after_a_loss() {
    let mut s = Scenario::with(Reconnect::never());
    s.connect_background().establish().pass(60 * SECOND).lose();
    assert_eq!(s.states().last(), Some(&Disconnected));
    assert!(s.session.is_idle());
}

#[test]
fn r2_close_codes_decide() {
    for (code, state) in [(4001, Failed), (4009, Failed), (4099, Failed), (4100, Reconnecting), (4301, Reconnecting)] {
        let mut s = Scenario::connected();
        s.close(code);
        assert_eq!(s.states().last(), Some(&state), "{code}");
    }
    let mut s = Scenario::connected();
    s.close(4100);
    assert!(s.changes()[0].retry_in.expect("backing off") >= SECOND);
    let mut s = Scenario::connected();
    s.close(4200);
    assert_eq!(s.states(), [Reconnecting, Connecting], "at once");
    assert_eq!(s.dials(), 1);
    s.establish().close(4200);
    assert_eq!(s.states().last(), Some(&Reconnecting), "not a second time within 10 s");
}

#[test]
fn r2_tls_required_is_tried_once_over_tls() {
    let mut s = Scenario::new();
    s.connect_once().upgrade();
    s.forget();
    s.close(4000);
    assert!(s.outputs.iter().any(|output| matches!(output, Output::Effect(Effect::Dial { tls: true, .. }))));
    assert!(s.settled.is_empty(), "it is still the first attempt");
    s.upgrade().close(4000);
    assert_eq!(s.states().last(), Some(&Failed));
}

#[test]
fn r2_an_accepting_and_closing_server_gets_few_attempts() {
    let mut s = Scenario::new();
    s.connect_background();
    let start = s.now;
    let mut attempts = 0;
    while s.now < start + 60 * SECOND {
        s.establish().close(4200);
        attempts += 1;
        if let Some(until) = s.session.deadline() {
            s.pass(until.saturating_duration_since(s.now));
        }
    }
    assert!(attempts <= 60, "{attempts} attempts in a minute");
}

#[test]
fn r3_last_error_code_stands_in_for_a_missing_close_code() {
    let error = r#"{"event":"pusher:error","data":"{\"code\":4201,\"message\":\"gone\"}"}"#;
    let cause = |s: &Scenario| s.changes()[0].cause.as_ref().and_then(|cause| cause.code());
    let mut s = Scenario::connected();
    s.receive(error).pass(5 * SECOND).lose();
    assert_eq!((s.states().last(), cause(&s)), (Some(&Connecting), Some(4201)), "at once");

    let mut s = Scenario::connected();
    s.receive(error).pass(5 * SECOND + Duration::from_millis(1)).lose();
    assert_eq!((s.states().last(), cause(&s)), (Some(&Reconnecting), None), "too long ago to explain the end");

    let mut s = Scenario::connected();
    s.receive(error).receive(r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#).lose();
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::ConnectionLost { .. })), "it was about a message");

    let mut s = Scenario::connected();
    s.receive(error).close(4100);
    assert_eq!(cause(&s), Some(4100), "the close code of the frame itself counts");

    let mut s = Scenario::connected();
    s.receive(error).close(1000);
    assert_eq!(cause(&s), Some(4201), "1000 is not a code of Pusher's");
}

#[test]
fn r3_before_the_confirmation_any_code_stands_in() {
    for (code, state) in [(4001, Failed), (4009, Failed), (4100, Reconnecting), (4301, Reconnecting)] {
        let mut s = Scenario::new();
        s.connect_background().upgrade();
        s.receive(&format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"gone"}}}}"#));
        assert_eq!(s.states().last(), Some(&state), "{code}");
    }
}

#[test]
fn r5_a_connection_that_was_not_confirmed_says_so_and_names_the_key() {
    let text = |s: &Scenario| s.changes().iter().find_map(|change| change.cause.as_ref()).expect("a cause").to_string();
    let hint = "the connection was never confirmed; check the app key";
    let mut s = Scenario::new();
    s.connect_background().upgrade().lose();
    assert!(text(&s).ends_with(hint), "{}", text(&s));
    for code in [1000, 1005, 1011] {
        let mut s = Scenario::new();
        s.connect_background().upgrade().close(code);
        assert!(text(&s).ends_with(hint) && text(&s).contains(&code.to_string()), "{}", text(&s));
    }
    let mut s = Scenario::new();
    s.connect_background().upgrade().close(4001);
    assert!(!text(&s).contains(hint), "{}", text(&s));
    let mut s = Scenario::new();
    s.connect_background().lose();
    assert!(!text(&s).contains(hint), "the WebSocket was not open: {}", text(&s));
    let mut s = Scenario::connected();
    s.lose();
    assert!(!text(&s).contains(hint), "it was confirmed: {}", text(&s));
}

#[test]
fn h11_the_reason_for_failed_reaches_handlers_of_errors_once() {
    let causes: [fn(&mut Scenario); 3] = [
        |s| {
            s.connect_background().establish().close(4004);
        },
        |s| {
            s.connect_once().upgrade().receive(r#"{"event":"pusher:error","data":{"code":4004,"message":"quota"}}"#);
        },
        |s| {
            s.connect_background().socket(FromSocket::DialFailed(Error::config("tls", "unsupported")));
        },
    ];
    for cause in causes {
        let mut s = Scenario::new();
        cause(&mut s);
        assert_eq!(s.states().last(), Some(&Failed));
        let of_change = s.changes().last().and_then(|change| change.cause.clone()).expect("a cause");
        let reported: Vec<_> = s.errors().iter().map(|error| error.to_string()).collect();
        assert_eq!(reported, [of_change.to_string()]);
    }
    let mut s = Scenario::with(Reconnect::default().max_attempts(1));
    s.connect_background().socket(FromSocket::DialFailed(Error::lost("refused")));
    assert_eq!((s.states().last(), s.errors().len()), (Some(&Failed), 1), "the attempts are used up");
    let mut s = Scenario::with(Reconnect::never());
    s.connect_background().establish().lose();
    assert_eq!((s.states().last(), s.errors().len()), (Some(&Disconnected), 0));
}

#[test]
fn h11_a_confirmed_connection_is_an_event_with_the_data_of_the_server() {
    let mut s = Scenario::new();
    s.connect_background().upgrade();
    let data = r#"{"socket_id":"1.2","activity_timeout":60}"#;
    let text = format!(r#"{{"event":"pusher:connection_established","data":{}}}"#, serde_json::json!(data));
    s.session.handle(Input::Socket(s.session.generation, FromSocket::Text(&text)), s.now);
    let Delivery { batch, .. } = s.session.take_delivery().expect("a change");
    let seen: Vec<_> = (0..batch.len()).map(|index| (batch.name(index), batch.data(index))).collect();
    assert_eq!(seen, [("pusher:connection_established", data)]);
    assert!(
        matches!(batch.notice(0), Some(Notification::ConnectionStateChange(change)) if change.current == Connected)
    );
}

#[test]
fn r3_an_end_by_this_client_needs_no_other_explanation() {
    let error = r#"{"event":"pusher:error","data":{"code":4001,"message":"gone"}}"#;
    let mut s = Scenario::connected();
    s.receive(error).socket(FromSocket::Ended(Ending::Lost(Error::MessageTooLarge { limit: 7 })));
    assert_eq!(s.states(), [Reconnecting]);
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::MessageTooLarge { limit: 7 })));
    assert!(s.outputs.iter().any(|output| matches!(output, Output::Close { code: Some(1009), .. })));
}

#[test]
fn r3_an_error_that_refused_a_subscription_does_not_explain_the_end() {
    let mut s = Scenario::connected();
    s.wants(11, "room");
    s.receive(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#).lose();
    assert_eq!(s.states().last(), Some(&Reconnecting));
}

#[test]
fn r4_an_error_on_an_open_socket_changes_nothing() {
    let (mut s, _room) = Scenario::subscribed("room");
    for code in ["4001", "4200", "4301", "null"] {
        s.receive(&format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"m"}}}}"#));
    }
    assert_eq!(s.errors().len(), 4);
    assert_eq!(s.errors()[0].code(), Some(4001));
    assert!(s.states().is_empty());
    s.receive(&event("room", "x"));
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn r5_another_first_message_is_a_failed_attempt() {
    let firsts = [
        r#"{"event":"pusher:ping"}"#,
        "null",
        "junk",
        r#"{"event":"pusher:error","data":{"message":"m"}}"#,
        r#"{"event":"pusher:connection_established","data":"{}"}"#,
        &format!(r#"{{"event":"pusher:connection_established","data":{{"socket_id":"{}"}}}}"#, "1".repeat(201)),
    ];
    for first in firsts {
        let mut s = Scenario::new();
        s.connect_background().upgrade().receive(first);
        assert_eq!(s.states(), [Connecting, Reconnecting], "{first}");
        assert!(matches!(s.changes()[1].cause.as_deref(), Some(Error::UnexpectedFirstMessage { .. })), "{first}");
    }
    let mut s = Scenario::new();
    s.connect_background().upgrade().socket(FromSocket::Binary);
    assert_eq!(s.states(), [Connecting, Reconnecting]);
}

#[test]
fn r5_an_error_as_first_message_says_why() {
    let mut s = Scenario::new();
    s.connect_background()
        .upgrade()
        .receive(r#"{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"origin\"}"}"#);
    assert_eq!(s.states(), [Connecting, Failed]);
}

#[test]
fn r6_the_smaller_activity_timeout_counts_and_silence_ends_the_connection() {
    let mut s = Scenario::connected();
    s.pass(60 * SECOND);
    assert_eq!(s.sent(), [r#"{"event":"pusher:ping","data":{}}"#]);
    s.pass(30 * SECOND);
    assert_eq!(s.states(), [Reconnecting]);
    let close = s.outputs.iter().find(|output| matches!(output, Output::Close { .. }));
    assert!(matches!(close, Some(Output::Close { code: None, .. })), "without a closing handshake");
}

#[test]
fn r6_a_ping_is_answered_at_once() {
    let mut s = Scenario::connected();
    s.receive(r#"{"event":"pusher:ping","data":{}}"#);
    assert_eq!(s.sent(), [r#"{"event":"pusher:pong","data":{}}"#]);
}

/// A timer that runs during a suspension wakes up late, long after the deadlines.
#[test]
fn r11_the_first_wake_up_after_a_suspension_probes_the_connection() {
    let mut s = Scenario::connected();
    s.now += 36_000 * SECOND;
    s.input(Input::Tick);
    assert_eq!(s.sent(), [r#"{"event":"pusher:ping","data":{}}"#]);
    assert!(s.states().is_empty(), "the server gets the time for its answer");
    s.pass(29 * SECOND).receive(r#"{"event":"pusher:pong","data":{}}"#).pass(SECOND);
    assert!(s.states().is_empty());
}

#[test]
fn r7_no_activity_timeout_makes_more_than_one_ping_a_second() {
    for value in ["0", "-1", "0.0001", "1e400", "null", "\"x\"", "[]"] {
        let mut s = Scenario::new();
        s.connect_background().upgrade().receive(&format!(
            r#"{{"event":"pusher:connection_established","data":{{"socket_id":"1.2","activity_timeout":{value}}}}}"#
        ));
        assert_eq!(s.states(), [Connecting, Connected], "{value}");
        for _ in 0..600 {
            s.pass(SECOND / 10).socket(FromSocket::Bytes);
        }
        assert!(s.sent().len() <= 60, "{value}: {} pings in a minute", s.sent().len());
    }
}

#[test]
fn r9_a_socket_is_closed_before_the_next_is_dialled() {
    let mut s = Scenario::connected();
    for _ in 0..5 {
        s.forget();
        s.pass(11 * SECOND).close(4200);
        let kinds: Vec<_> = s.outputs.iter().map(|output| matches!(output, Output::Close { .. })).collect();
        assert_eq!(kinds, [true, false], "close, then dial");
        s.establish();
    }
}

#[test]
fn r10_disconnect_ends_everything_in_every_state() {
    let prepare: [fn(&mut Scenario); 6] = [
        |_| {},
        |s| {
            s.connect_background();
        },
        |s| {
            s.connect_background().socket(FromSocket::Reached(ConnectPhase::Tls));
        },
        |s| {
            s.connect_background().upgrade();
        },
        |s| {
            s.connect_background().establish();
        },
        |s| {
            s.connect_background().establish().lose();
        },
    ];
    for (n, prepare) in prepare.into_iter().enumerate() {
        let mut s = Scenario::new();
        prepare(&mut s);
        s.forget();
        s.input(Input::Disconnect);
        let expected: &[_] = if n == 0 { &[] } else { &[Disconnecting, Disconnected] };
        assert_eq!(s.states(), expected, "case {n}");
        s.pass(3600 * SECOND);
        assert_eq!(s.dials(), 0, "case {n}");
        s.connect_background().establish();
        assert_eq!(s.states().last(), Some(&Connected), "case {n}: it can connect again");
    }
}

#[test]
fn r10_a_dial_that_finishes_after_disconnect_is_dropped() {
    let mut s = Scenario::new();
    s.connect_background();
    let generation = s.session.generation;
    s.input(Input::Disconnect);
    s.forget();
    s.input(Input::Socket(generation, FromSocket::Reached(ConnectPhase::Established)));
    assert!(s.session.is_idle() && s.notifications.is_empty());
}

#[test]
fn reconnect_now_skips_the_backoff_and_probes_a_connection() {
    let mut s = Scenario::connected();
    s.lose();
    s.forget();
    s.input(Input::ReconnectNow);
    assert_eq!(s.dials(), 1);
    s.establish();
    s.forget();
    s.input(Input::ReconnectNow);
    assert_eq!(s.sent(), [r#"{"event":"pusher:ping","data":{}}"#]);
    s.pass(30 * SECOND);
    assert_eq!(s.states(), [Reconnecting], "with the pong deadline");
}

#[test]
fn d2_a_bad_message_is_reported_and_the_next_event_arrives() {
    let (mut s, _room) = Scenario::subscribed("room");
    let deep = format!(r#"{{"event":"e","channel":"room","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for bad in ["", "null", "[1]", "{", r#"{"data":"x"}"#, &deep] {
        s.receive(bad).receive(&event("room", "next"));
    }
    s.socket(FromSocket::Binary);
    assert_eq!(s.errors().len(), 7);
    assert!(s.errors().iter().all(|error| matches!(error, Error::BadMessage { .. })));
    assert_eq!(s.events().len(), 6);
    assert!(s.states().is_empty());
}

#[test]
fn d1_half_of_a_surrogate_pair_loses_no_event() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.receive(r#"{"event":"e","channel":"room","data":"good morning \ud83d"}"#);
    s.receive(r#"{"\ude00":1,"event":"e","channel":"room","data":{"\ud83d":"\uD83D\u0041"}}"#);
    assert_eq!(s.events(), [("e", "good morning \u{fffd}"), ("e", r#"{"\ud83d":"\uD83D\u0041"}"#)]);
    let Some(Notification::Event(event)) = s.notifications.last() else { panic!() };
    let decoded: serde_json::Value = event.json().expect("it is JSON");
    assert_eq!(decoded, serde_json::json!({ "\u{fffd}": "\u{fffd}A" }));
    assert_eq!(s.session.counters.bad_messages, 0);
}

#[test]
fn d3_a_message_that_is_too_large_ends_the_connection_with_1009() {
    let mut s = Scenario::connected();
    s.socket(FromSocket::Ended(Ending::Lost(Error::MessageTooLarge { limit: 10 })));
    assert!(s.outputs.iter().any(|output| matches!(output, Output::Close { code: Some(1009), .. })));
    assert_eq!(s.states(), [Reconnecting]);
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::MessageTooLarge { .. })));
}

#[test]
fn r3_the_time_without_a_connection_is_an_option() {
    let mut s = Scenario::of(Settings { unavailable_timeout: 3 * SECOND, ..settings() });
    s.connect_background();
    s.pass(3 * SECOND - Duration::from_millis(1));
    assert_eq!(s.states(), [Connecting]);
    s.pass(Duration::from_millis(1));
    assert_eq!(s.states(), [Connecting, Unavailable]);
}

#[test]
fn r6_the_activity_timeout_can_be_longer_than_the_servers() {
    let mut s = Scenario::of(Settings { activity_timeout_override: Some(500 * SECOND), ..settings() });
    s.connect_background().establish();
    s.forget();
    s.pass(499 * SECOND);
    assert!(s.sent().is_empty());
    s.pass(SECOND);
    assert_eq!(s.sent(), [r#"{"event":"pusher:ping","data":{}}"#]);
}
