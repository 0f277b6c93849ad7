//! Rule S10: a server that limits messages does not lose subscriptions.

use std::collections::HashMap;

use super::{
    client_events::{in_private_room, triggers},
    refusals::error,
    users::{CONFIRMED, SIGN_IN, user_permission},
    *,
};

/// A server that counts every message, in windows of fixed length.
struct Server {
    s: Scenario,
    limit: u32,
    window: Duration,
    /// Whether it ends the connection in place of an error.
    cuts: bool,
    /// Whether the answers to what it reads at once are lost with the connection that it ends.
    loses_answers: bool,
    /// How long a message travels.
    latency: Duration,
    /// The window that began last, and how many messages it had.
    current: Option<(Instant, u32)>,
    connections: u32,
    /// How many requests came, by channel, on this connection.
    requests: HashMap<String, u32>,
    refusals: usize,
    confirmed: usize,
}

impl Server {
    fn new(channels: u64, limit: u32, window: u64) -> Self {
        let mut s = Scenario::new();
        for id in 0..channels {
            s.wants(100 + id, &format!("room-{id}"));
        }
        s.connect_background();
        let (window, latency) = (Duration::from_secs(window), Duration::from_millis(20));
        let mut server = Self {
            s,
            limit,
            window,
            cuts: false,
            loses_answers: false,
            latency,
            current: None,
            connections: 0,
            requests: HashMap::new(),
            refusals: 0,
            confirmed: 0,
        };
        server.serve();
        server
    }

    fn that_cuts(channels: u64, limit: u32, window: u64, loses_answers: bool) -> Self {
        let mut server = Self { cuts: true, loses_answers, ..Self::new(0, limit, window) };
        for id in 0..channels {
            server.s.wants(100 + id, &format!("room-{id}"));
        }
        server.serve();
        server
    }

    /// How many messages the current window still takes.
    fn room(&self) -> usize {
        let now = self.s.now;
        let count = self.current.filter(|(began, _)| now < *began + self.window).map_or(0, |(_, count)| count);
        usize::try_from(self.limit.saturating_sub(count)).expect("few")
    }

    fn admits(&mut self) -> bool {
        let now = self.s.now;
        let (began, count) = self.current.filter(|(began, _)| now < *began + self.window).unwrap_or((now, 0));
        self.current = Some((began, count + 1));
        count < self.limit
    }

    /// Answers everything that was sent, until nothing more is.
    fn serve(&mut self) {
        while !self.s.outputs.is_empty() {
            let outputs = std::mem::take(&mut self.s.outputs);
            let count = outputs.iter().filter(|output| matches!(output, Output::Send(_))).count();
            if self.loses_answers && count > self.room() {
                self.s.lose();
                continue;
            }
            let sends = outputs.iter().any(|output| matches!(output, Output::Send(_)));
            if sends {
                self.s.now += self.latency;
            }
            for output in outputs {
                match output {
                    Output::Effect(Effect::Dial { .. }) => {
                        self.connections += 1;
                        self.current = None;
                        self.requests.clear();
                        self.confirmed = 0;
                        self.s.establish();
                    }
                    Output::Send(text) if self.s.session.is_connected() => self.answer(text.expose()),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, text: &str) {
        let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let channel = message["data"]["channel"].as_str().unwrap_or_default();
        if !self.admits() {
            self.refusals += 1;
            if self.cuts {
                self.s.lose();
            } else {
                self.s.receive(&error(4301));
            }
            return;
        }
        match message["event"].as_str().expect("an event") {
            "pusher:subscribe" => {
                *self.requests.entry(channel.to_owned()).or_default() += 1;
                self.confirmed += 1;
                self.s.receive(&succeeded(channel));
            }
            "pusher:ping" => {
                self.s.receive(r#"{"event":"pusher:pong","data":{}}"#);
            }
            _ => {}
        }
    }

    /// Lets time pass until all are subscribed. Returns how long that took.
    fn until_all(&mut self, channels: usize, most: Duration) -> Duration {
        let begin = self.s.now;
        while self.confirmed < channels {
            let deadline = self.s.session.deadline().expect("there is something to wait for");
            self.s.now = self.s.now.max(deadline);
            self.s.input(Input::Tick);
            self.serve();
            let passed = self.s.now - begin;
            assert!(passed <= most, "{} of {channels} after {passed:?}", self.confirmed);
        }
        assert!(self.requests.values().all(|count| *count == 1), "R8: each is admitted once");
        self.s.now - begin
    }

    fn failures(&self) -> usize {
        self.s
            .notifications
            .iter()
            .filter(|notification| matches!(notification, Notification::SubscriptionError(_)))
            .count()
    }
}

#[test]
fn s10_all_are_subscribed_on_one_connection_where_a_server_refuses() {
    for (channels, limit, window, most) in [(15, 10, 2, 4), (100, 60, 10, 12), (200, 60, 10, 45), (200, 10, 2, 80)] {
        let mut server = Server::new(channels, limit, window);
        let took = server.until_all(usize::try_from(channels).expect("few"), Duration::from_secs(most));
        assert_eq!((server.connections, server.failures()), (1, 0), "{limit} in {window} s: {took:?}");
        let errors = server.s.errors();
        assert!(matches!(errors[..], [Error::Server { code: Some(4301), .. }]), "reported once: {errors:?}");
        assert!(!errors[0].to_string().starts_with("client event"), "{}", errors[0]);
    }
}

#[test]
fn s10_all_are_subscribed_on_the_third_connection_where_a_server_cuts() {
    for (channels, limit, window, most) in [(15, 10, 2, 15), (100, 60, 10, 25), (200, 60, 10, 50), (200, 10, 2, 110)] {
        let mut server = Server::that_cuts(channels, limit, window, false);
        let took = server.until_all(usize::try_from(channels).expect("few"), Duration::from_secs(most));
        assert!(server.connections <= 3, "{} connections, {limit} in {window} s: {took:?}", server.connections);
        assert_eq!(server.failures(), 0);
    }
}

#[test]
fn s10_all_are_subscribed_on_the_fourth_connection_where_the_answers_are_lost_with_the_others() {
    for (channels, limit, window, most) in [(15, 10, 2, 40), (100, 60, 10, 60), (200, 60, 10, 90), (200, 10, 2, 200)] {
        let mut server = Server::that_cuts(channels, limit, window, true);
        let took = server.until_all(usize::try_from(channels).expect("few"), Duration::from_secs(most));
        assert!(server.connections <= 4, "{} connections, {limit} in {window} s: {took:?}", server.connections);
    }
}

#[test]
fn s10_nothing_is_held_back_where_no_limit_is_known() {
    let mut s = Scenario::new();
    let rooms: Vec<_> = (100..1100).map(|id| s.wants(id, &format!("room-{id}"))).collect();
    s.connect_background().establish();
    assert_eq!(s.sent().len(), rooms.len());
}

#[test]
fn s10_the_time_of_a_subscription_stands_still_while_it_is_held_back() {
    let mut s = Scenario::connected();
    s.wants(20, "private-a");
    s.answer("private-a", private()).pass(29 * SECOND).receive(&error(4301));
    s.forget();
    s.pass(SECOND - Duration::from_millis(1));
    assert!(s.sent().is_empty(), "it waits");
    s.pass(Duration::from_millis(1));
    assert_eq!(s.sent(), [subscribe_private("private-a")], "with the permission for this socket");
    s.pass(30 * SECOND - Duration::from_millis(1));
    assert!(s.errors().is_empty(), "it has its whole time");
    s.pass(Duration::from_millis(1));
    assert!(matches!(s.errors()[..], [Error::SubscriptionTimeout { .. }]));
}

#[test]
fn s10_later_channels_wait_behind_those_that_are_held_back() {
    let mut s = Scenario::connected();
    for (id, name) in [(20, "a"), (21, "b")] {
        s.wants(id, name);
    }
    s.receive(&error(4301)).receive(&error(4301));
    s.wants(22, "c");
    s.forget();
    s.pass(SECOND);
    assert_eq!(s.sent(), [subscribe("a")], "one asks whether the window is over");
    s.receive(&succeeded("a"));
    assert_eq!(s.sent()[1..], [subscribe("b"), subscribe("c")], "each answer allows one more");
    s.receive(&succeeded("b")).receive(&succeeded("c"));
    assert_eq!(s.successes().len(), 3);
}

#[test]
fn s10_the_pauses_grow_while_nothing_is_answered() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.wants(21, "b");
    s.receive(&error(4301)).receive(&error(4301));
    let mut last = s.now;
    for pause in (1..=10).chain([10, 10]) {
        s.forget();
        while s.sent().is_empty() {
            s.pass(Duration::from_millis(100));
        }
        assert_eq!((s.sent(), s.now - last), (vec![&*subscribe("a")], pause * SECOND));
        last = s.now;
        s.receive(&error(4301));
    }
    assert!(s.errors().is_empty(), "it was reported once");
}

#[test]
fn a8_events_for_the_user_arrive_while_the_users_channel_is_held_back() {
    let mut s = Scenario::connected();
    for (id, name) in [(20, "a"), (21, "b")] {
        s.wants(id, name);
    }
    s.sign_in().permit_user(user_permission()).receive(&error(4301)).receive(&error(4301)).receive(CONFIRMED);
    assert!(!s.sent().contains(&&*subscribe("#server-to-user-7")), "its turn has not come");
    s.receive(&event("#server-to-user-7", "x"));
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn s10_an_attempt_that_fails_after_disconnect_is_no_sign_of_a_limit() {
    let mut s = Scenario::new();
    let rooms: Vec<_> = (100..200).map(|id| s.wants(id, &format!("room-{id}"))).collect();
    s.connect_background().establish().input(Input::Disconnect);
    s.connect_background().lose();
    s.forget();
    s.reconnect();
    assert_eq!(s.sent().len(), rooms.len(), "all at once");
}

#[test]
fn s10_an_unsubscribe_of_a_channel_that_is_held_back_wins_at_once() {
    let mut s = Scenario::connected();
    let room = s.wants(20, "a");
    s.receive(&error(4301));
    s.forget();
    s.withdraws(&room);
    assert_eq!(s.sent(), [unsubscribe("a")], "the server may hold it");
    s.pass(60 * SECOND);
    assert!(!s.sent().contains(&&*subscribe("a")));
    assert!(s.notifications.is_empty());
}

#[test]
fn s10_a_confirmation_wins_over_the_repeat() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.receive(&error(4301)).receive(&succeeded("a"));
    s.forget();
    s.pass(60 * SECOND);
    assert!(!s.sent().contains(&&*subscribe("a")), "R8: once");
}

#[test]
fn s10_a_refusal_by_name_ends_the_repeats() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.receive(&error(4301)).pass(SECOND);
    s.forget();
    s.receive(r#"{"event":"pusher:subscription_error","channel":"a","data":{"type":"AuthError","status":401}}"#);
    assert!(matches!(s.errors()[..], [Error::SubscriptionRefused { .. }]));
    s.pass(60 * SECOND);
    assert!(!s.sent().contains(&&*subscribe("a")));
}

#[test]
fn s10_a_4301_that_names_a_pending_channel_repeats_that_one() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.wants(21, "b");
    s.forget();
    s.receive(r#"{"event":"pusher:error","channel":"b","data":{"code":4301,"message":"Rate limit exceeded"}}"#);
    s.receive(&succeeded("a")).pass(SECOND);
    assert_eq!(s.sent(), [subscribe("b")]);
}

#[test]
fn s10_beside_a_client_event_only_later_subscriptions_are_repeated() {
    let (mut s, room) = in_private_room();
    s.wants(20, "a");
    triggers(&mut s, &room, "client-t");
    s.wants(21, "b");
    s.forget();
    s.receive(&error(4301));
    assert!(matches!(s.errors()[..], [Error::ClientEventRefused { code: Some(4301), .. }]));
    s.pass(10 * SECOND);
    assert_eq!(s.sent(), [subscribe("b")]);
    s.receive(&succeeded("a")).receive(&succeeded("b"));
    assert_eq!(s.successes().len(), 2);
}

#[test]
fn s10_the_other_refusals_of_the_same_burst_are_not_reported_and_a_later_one_is() {
    let mut s = Scenario::connected();
    for id in 0..3 {
        s.wants(20 + id, &format!("room-{id}"));
    }
    for _ in 0..3 {
        s.receive(&error(4301));
    }
    assert_eq!(s.errors().len(), 1);
    s.receive(&error(4301));
    assert_eq!(s.errors().len(), 2, "that of a ping, for all that is known");
}

#[test]
fn s10_a_subscription_that_is_not_answered_holds_up_the_others_for_two_seconds() {
    let mut s = Scenario::connected();
    for (id, name) in [(20, "silent"), (21, "b")] {
        s.wants(id, name);
    }
    s.receive(&error(4301)).receive(&error(4301));
    s.forget();
    s.pass(3 * SECOND - Duration::from_millis(1));
    assert_eq!(s.sent(), [subscribe("silent")]);
    s.pass(Duration::from_millis(1));
    assert_eq!(s.sent(), [subscribe("silent"), subscribe("b")]);
}

#[test]
fn s10_pings_go_out_while_subscriptions_are_held_back() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.receive(&error(4301));
    s.forget();
    s.input(Input::ReconnectNow).receive(r#"{"event":"pusher:ping"}"#);
    assert_eq!(s.sent(), [Outgoing::Ping.to_text(), Outgoing::Pong.to_text()]);
}

#[test]
fn s10_the_pace_survives_a_reconnect_and_is_forgotten_after_ten_minutes() {
    let mut server = Server::new(100, 60, 10);
    server.until_all(100, 12 * SECOND);
    server.s.lose();
    while !server.s.session.is_connected() {
        let until = server.s.session.deadline().expect("backing off");
        server.s.now = until;
        server.s.input(Input::Tick);
        server.serve();
    }
    let refused_before = server.refusals;
    server.until_all(100, 12 * SECOND);
    assert_eq!(server.refusals, refused_before, "nothing is refused a second time");

    for _ in 0..600 {
        server.s.pass(SECOND);
        server.serve();
    }
    server.s.lose();
    server.s.outputs.clear();
    server.s.reconnect();
    assert_eq!(server.s.sent().iter().filter(|text| text.contains("subscribe")).count(), 100, "at once");
}

#[test]
fn s10_a_loss_that_has_nothing_to_do_with_subscribing_slows_nothing_down() {
    let losses: [fn(&mut Scenario); 5] = [
        |s| {
            s.pass(2 * SECOND + Duration::from_millis(1)).lose();
        },
        |s| {
            s.close(4200);
        },
        |s| {
            s.close(1001);
        },
        |s| {
            s.close(1012);
        },
        |s| {
            s.socket(FromSocket::Ended(Ending::Lost(Error::MessageTooLarge { limit: 7 })));
        },
    ];
    for loss in losses {
        let mut s = Scenario::new();
        for id in 0..50 {
            s.wants(20 + id, &format!("room-{id}"));
        }
        s.connect_background().establish();
        loss(&mut s);
        s.outputs.clear();
        if s.session.is_connected() {
            continue;
        }
        if matches!(s.session.phase, Phase::Connecting(_)) {
            s.establish()
        } else {
            s.reconnect()
        };
        assert_eq!(s.sent().len(), 50);
    }
}

#[test]
fn s10_after_one_end_in_the_middle_of_a_burst_all_are_subscribed_as_fast_as_they_are_answered() {
    let mut s = Scenario::new();
    for id in 0..100 {
        s.wants(20 + id, &format!("room-{id}"));
    }
    s.connect_background().establish().lose();
    s.outputs.clear();
    s.reconnect();
    let begin = s.now;
    assert_eq!(s.sent().len(), 5);
    for id in 0..100 {
        s.receive(&succeeded(&format!("room-{id}")));
    }
    assert_eq!((s.successes().len(), s.now), (100, begin));
}

#[test]
fn s10_nothing_is_left_when_the_client_disconnects() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    s.receive(&error(4301)).input(Input::Disconnect);
    assert_eq!(s.session.deadline(), None);
    s.connect_background().establish();
    assert_eq!(
        s.sent().iter().filter(|text| **text == subscribe("a")).count(),
        2,
        "the new connection has a new window"
    );
}

#[test]
fn s10_a_sign_in_that_a_limit_refuses_is_sent_again_before_the_subscriptions() {
    for refusals in [1, 2, 5] {
        let mut s = Scenario::new();
        s.wants(20, "a");
        s.sign_in().connect_background().establish().permit_user(user_permission());
        for pause in 1..=refusals {
            assert_eq!(s.sent(), [SIGN_IN]);
            s.receive(&error(4301));
            s.forget();
            s.pass(pause * SECOND - Duration::from_millis(1));
            assert!(s.sent().is_empty(), "its turn has not come");
            s.pass(Duration::from_millis(1));
        }
        s.receive(CONFIRMED);
        assert_eq!((s.sent()[0], s.signed_in_as()), (SIGN_IN, vec!["7"]));
        assert!(s.sent().contains(&&*subscribe("a")));
        assert!(s.user_requests() <= 1, "the permission is still good");
    }
}

#[test]
fn s10_a_limit_that_refuses_a_sign_in_is_reported_once() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(&error(4301));
    assert!(matches!(s.errors()[..], [Error::Server { code: Some(4301), .. }]));
    for pause in 1..=5 {
        s.pass(pause * SECOND).receive(&error(4301));
    }
    assert_eq!(s.errors().len(), 1);
    s.pass(10 * SECOND).receive(CONFIRMED);
    assert_eq!((s.signed_in_as(), s.errors().len()), (vec!["7"], 1));
}

#[test]
fn s10_a_sign_in_waits_for_its_turn_and_its_time_stands_still() {
    let mut s = Scenario::connected();
    s.wants(20, "a");
    for pause in 1..=5 {
        s.receive(&error(4301)).pass(pause * SECOND);
    }
    s.receive(&error(4301));
    s.forget();
    s.sign_in().permit_user(user_permission()).pass(5 * SECOND);
    assert!(s.sent().is_empty(), "the window is used up");
    s.pass(SECOND);
    assert_eq!(s.sent(), [subscribe("a")], "one that was refused does not take the turns of the subscriptions");
    s.receive(&succeeded("a"));
    assert_eq!(s.sent()[1..], [SIGN_IN]);
    s.pass(29 * SECOND);
    assert!(s.errors().is_empty(), "30 s from the message");
    s.pass(SECOND);
    assert!(matches!(s.errors()[..], [Error::SignInTimeout { .. }]));
}

#[test]
fn s10_a_confirmed_sign_in_wins_over_its_repeat() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(&error(4301)).receive(CONFIRMED);
    assert_eq!(s.signed_in_as(), ["7"]);
    s.forget();
    s.pass(60 * SECOND);
    assert!(!s.sent().contains(&SIGN_IN));
}

#[test]
fn s10_a_sign_in_that_waits_for_its_turn_begins_anew_on_the_next_connection() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(&error(4301)).lose().reconnect();
    s.forget();
    s.permit_user(user_permission());
    assert_eq!(s.sent(), [SIGN_IN]);
    s.receive(CONFIRMED);
    assert_eq!(s.signed_in_as(), ["7"]);
}

#[test]
fn s10_subscriptions_go_on_although_a_server_refuses_the_sign_in_for_ever() {
    let mut s = Scenario::new();
    s.wants(20, "a");
    s.sign_in().connect_background().establish().permit_user(user_permission());
    for _ in 0..12 {
        s.receive(&error(4301));
        s.forget();
        while s.sent().is_empty() {
            s.pass(Duration::from_millis(100));
        }
        if s.sent() == [subscribe("a")] {
            s.receive(&succeeded("a"));
            assert_eq!(
                (s.successes().len(), s.sent()[1..].to_vec()),
                (1, vec![SIGN_IN]),
                "and the sign-in goes on, too"
            );
            return;
        }
        assert_eq!(s.sent(), [SIGN_IN]);
    }
    panic!("it was never subscribed");
}

#[test]
fn s10_a_presence_channel_that_waits_for_a_refused_sign_in_is_not_lost() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission());
    s.wants(20, "presence-x");
    s.answer("presence-x", private());
    for pause in 1..=8 {
        s.receive(&error(4301)).pass(pause * SECOND);
    }
    assert!(
        s.notifications.iter().all(|notification| !matches!(notification, Notification::SubscriptionError(_))),
        "{:?}",
        s.notifications
    );
    s.receive(CONFIRMED).receive(&succeeded("presence-x"));
    assert_eq!(s.successes().len(), 1);
}

#[test]
fn d3_channels_that_come_and_go_while_a_sign_in_holds_subscriptions_back_are_forgotten() {
    let mut s = Scenario::new();
    s.sign_in().connect_background().establish();
    for id in 100..10_100 {
        let room = s.wants(id, &format!("room-{id}"));
        s.withdraws(&room);
    }
    assert!(s.session.subscriptions.is_empty(), "S1: it is not wanted, and the server does not have it");
    assert!(s.session.subscriptions.queued() < 200);
    let room = s.wants(99, "room");
    for _ in 0..1000 {
        s.withdraws(&room);
        room.activate();
        s.input(Input::IntentChanges(vec![change_of(&room)]));
    }
    assert!(s.session.subscriptions.queued() < 200);
    s.permit_user(user_permission()).receive(CONFIRMED);
    assert_eq!(s.sent().iter().filter(|sent| **sent == subscribe("room")).count(), 1, "R8: once");
}

#[test]
fn s10_no_deadline_stays_in_the_past_while_nothing_can_be_written() {
    for holds in [true, false] {
        let mut s = Scenario::new();
        s.wants(20, "a");
        if holds {
            s.sign_in();
        }
        s.connect_background().establish();
        if !holds {
            s.sign_in();
        }
        s.permit_user(user_permission()).receive(&error(4301));
        let generation = s.session.generation;
        s.session.handle(Input::Socket(generation, FromSocket::WriteBlocked { progress: false }), s.now);
        for _ in 0..5 {
            s.now += SECOND;
            // The driver does the same while writing is blocked.
            s.session.handle(Input::Tick, s.now);
            while s.session.poll_supervision().is_some() {}
            assert!(s.session.deadline().is_none_or(|deadline| deadline > s.now), "that is a busy loop");
        }
    }
}

#[test]
fn s6_a_confirmation_wins_over_a_guess_also_after_another_try() {
    let mut s = Scenario::connected();
    let room = s.wants(20, "private-a");
    s.answer("private-a", private());
    s.receive(&error(4009));
    assert!(matches!(s.errors()[..], [Error::SubscriptionRefused { .. }]));
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    s.receive(&succeeded("private-a")).receive(&event("private-a", "x"));
    assert_eq!((s.successes().len(), s.events()), (1, vec![("e", "x")]));
    s.answer("private-a", private());
    let subscribes = s.sent().iter().filter(|sent| sent.contains("pusher:subscribe")).count();
    assert_eq!(subscribes, 1, "R8: it is subscribed already");
}

#[test]
fn a8_a_confirmed_sign_in_wins_over_a_guess_also_after_another_try() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(&error(4009));
    s.sign_in().receive(CONFIRMED);
    assert_eq!(s.signed_in_as(), ["7"]);
    s.forget();
    s.permit_user(user_permission());
    assert!(!s.sent().contains(&SIGN_IN));
}

#[test]
fn s10_refusals_of_client_events_do_not_slow_subscriptions_down() {
    let (mut s, private) = in_private_room();
    for id in 20..30 {
        triggers(&mut s, &private, "client-e");
        s.wants(id, &format!("room-{id}"));
        s.receive(&error(4301)).receive(&succeeded(&format!("room-{id}")));
    }
    s.forget();
    s.wants(40, "late");
    assert_eq!(s.sent(), [subscribe("late")], "every request was answered, so there is no limit");
}

#[test]
fn s10_a_request_beside_a_refused_client_event_is_not_repeated_at_once() {
    let (mut s, private) = in_private_room();
    s.pass(11 * SECOND);
    triggers(&mut s, &private, "client-e");
    s.wants(20, "late");
    s.forget();
    s.receive(&error(4301)).pass(SECOND - Duration::from_millis(1));
    assert!(s.sent().is_empty(), "a server with a limit would refuse it again");
    s.pass(Duration::from_millis(1));
    assert_eq!(s.sent(), [subscribe("late")]);
}
