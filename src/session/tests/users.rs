//! Rules A7 and A8: the sign-in, and the channels that depend on it.

use super::*;
use crate::delivery::UserOutcome;

pub(crate) fn user_permission() -> Result<UserAuth, Error> {
    Ok(UserAuth::new("key:signature", r#"{"id":"7"}"#))
}

pub(crate) const CONFIRMED: &str = r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"7\"}"}}"#;
pub(crate) const SIGN_IN: &str =
    r#"{"event":"pusher:signin","data":{"auth":"key:signature","user_data":"{\"id\":\"7\"}"}}"#;

impl Scenario {
    /// The number of requests for the permission of the user.
    pub fn user_requests(&self) -> usize {
        self.auth_requests().filter(|request| request.subject.channel().is_none()).count()
    }

    pub fn permit_user(&mut self, auth: Result<UserAuth, Error>) -> &mut Self {
        let answer = user_answer(self.request_of_user(), auth);
        self.input(Input::Answered(answer))
    }

    pub fn signed_in_as(&self) -> Vec<&str> {
        let ids = self.notifications.iter().filter_map(|notification| match notification {
            Notification::SignedIn { id } => Some(&**id),
            _ => None,
        });
        ids.collect()
    }
}

#[test]
fn a8_a_sign_in_is_confirmed_and_the_users_channel_subscribed() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(CONFIRMED);
    assert_eq!(s.signed_in_as(), ["7"]);
    assert_eq!(s.sent(), [SIGN_IN, &subscribe("#server-to-user-7")]);
    s.receive(&succeeded("#server-to-user-7")).receive(&event("#server-to-user-7", "x"));
    assert_eq!(s.events(), [("e", "x")]);
    assert!(s.successes().is_empty(), "the client's own subscription is not reported");
}

#[test]
fn a8_an_event_for_the_user_before_the_channel_is_confirmed_arrives() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission());
    s.receive(&event("#server-to-user-7", "too early"));
    s.receive(CONFIRMED).receive(&event("#server-to-user-7", "x"));
    s.receive(&succeeded("#server-to-user-7")).receive(&event("#server-to-user-7", "y"));
    assert_eq!(s.events(), [("e", "x"), ("e", "y")]);
}

#[test]
fn a8_sign_in_is_repeated_after_a_reconnect_before_channels_are_subscribed() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.sign_in().permit_user(user_permission()).receive(CONFIRMED).lose().reconnect();
    s.outputs.clear();
    assert!(s.sent().is_empty());
    s.permit_user(user_permission());
    assert_eq!(s.sent(), [SIGN_IN]);
    s.receive(CONFIRMED);
    assert_eq!(s.sent()[1..], [subscribe("room"), subscribe("#server-to-user-7")]);
}

#[test]
fn a8_a_failed_sign_in_lets_the_channels_go_on() {
    let mut s = Scenario::new();
    s.sign_in().wants(2, "room");
    s.connect_background().establish();
    assert!(s.sent().is_empty());
    s.permit_user(Err(refused()));
    assert_eq!(s.sent(), [subscribe("room")]);
    assert!(matches!(s.errors()[..], [Error::AuthRefused { .. }]));
}

#[test]
fn a8_sign_in_can_be_repeated_after_a_failure() {
    for refusal in [4009, 4200] {
        let mut s = Scenario::connected();
        s.sign_in().permit_user(user_permission());
        s.receive(&format!(r#"{{"event":"pusher:error","data":{{"code":{refusal},"message":"no"}}}}"#));
        assert!(matches!(s.errors()[..], [Error::SignInRefused { .. }]), "{refusal}");
        assert!(s.states().is_empty(), "the connection stays");
        s.sign_in();
        assert_eq!(s.user_requests(), 2);
        s.permit_user(user_permission()).receive(CONFIRMED);
        assert_eq!(s.signed_in_as(), ["7"]);
    }
}

#[test]
fn a8_a_refusal_stays_the_outcome_when_the_server_closes_with_it() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission());
    s.session.handle(
        Input::Socket(
            s.session.generation,
            FromSocket::Text(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#),
        ),
        s.now,
    );
    s.session.handle(
        Input::Socket(s.session.generation, FromSocket::Ended(Ending::Closed { code: 4009, reason: String::new() })),
        s.now,
    );
    let outcome = s.session.take_delivery().and_then(|delivery| delivery.update.user);
    assert!(matches!(outcome, Some((_, UserOutcome::Failed(Error::SignInRefused { .. })))), "{outcome:?}");
}

#[test]
fn a8_it_has_a_deadline() {
    let mut s = Scenario::connected();
    s.sign_in().pass(30 * SECOND);
    assert!(matches!(s.errors()[..], [Error::AuthTimeout { channel: None, .. }]));
    s.forget_notifications().permit_user(user_permission());
    assert!(!s.sent().contains(&SIGN_IN), "a late permission is dropped");

    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).pass(30 * SECOND);
    assert!(matches!(s.errors()[..], [Error::SignInTimeout { .. }]));
}

#[test]
fn a8_channels_have_their_whole_time_after_a_slow_sign_in() {
    for is_confirmed in [true, false] {
        let mut s = Scenario::new();
        s.sign_in().wants(2, "private-room");
        s.connect_background().establish();
        assert_eq!(s.user_requests(), 1);
        s.answer("private-room", private()).permit_user(user_permission());
        if is_confirmed {
            s.pass(29 * SECOND).receive(CONFIRMED);
        } else {
            s.pass(30 * SECOND);
            assert!(matches!(s.errors()[..], [Error::SignInTimeout { .. }]));
        }
        assert!(s.sent().contains(&&*subscribe_private("private-room")), "{:?}", s.sent());
        s.forget_notifications().pass(29 * SECOND);
        assert!(s.errors().is_empty(), "{:?}", s.errors());
    }
}

#[test]
fn s5_after_a_slow_sign_in_no_channel_has_more_than_the_whole_time() {
    let mut s = Scenario::new();
    s.sign_in().wants(2, "private-early");
    s.connect_background().establish();
    s.socket(FromSocket::Paused).pass(5 * SECOND).socket(FromSocket::Resumed);
    s.pass(20 * SECOND).wants(3, "private-late");
    s.permit_user(user_permission()).receive(CONFIRMED);
    s.forget_notifications().pass(30 * SECOND);
    assert_eq!(s.errors().len(), 2, "{:?}", s.errors());
}

#[test]
fn a8_the_users_own_channel_needs_no_confirmation() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(CONFIRMED).pass(50 * SECOND);
    s.receive(&event("#server-to-user-7", "x"));
    assert_eq!(s.events(), [("e", "x")]);
    assert!(s.errors().is_empty());
}

#[test]
fn a8_connecting_again_awaits_a_new_outcome() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(Err(refused())).input(Input::Disconnect);
    let input = Input::ConnectForGood(s.client.stamp(), s.next_connect_id());
    s.session.handle(input, s.now);
    let outcome = s.session.take_delivery().and_then(|delivery| delivery.update.user);
    assert!(matches!(outcome, Some((_, UserOutcome::Pending))), "{outcome:?}");
}

#[test]
fn a8_the_user_is_authorized_first() {
    let mut s = Scenario::new();
    s.sign_in().wants(2, "private-room");
    s.connect_background().establish();
    let requested: Vec<_> = s.auth_requests().map(|request| request.subject.channel()).collect();
    assert_eq!(requested, [None, Some("private-room")]);
}

#[test]
fn a8_a_permission_for_an_older_socket_is_dropped() {
    let mut s = Scenario::connected();
    s.sign_in();
    let late = user_answer(s.request_of_user(), user_permission());
    s.lose().reconnect();
    s.input(Input::Answered(late));
    assert!(!s.sent().contains(&SIGN_IN));
    assert_eq!(s.user_requests(), 2);
}

#[test]
fn a8_wrong_user_data_is_an_error() {
    for data in ["", "{}", r#"{"id":7}"#, r#"{"id":""}"#, "junk"] {
        let mut s = Scenario::connected();
        s.sign_in().permit_user(Ok(UserAuth::new("k:s", data)));
        assert!(matches!(s.errors()[..], [Error::AuthMalformed { channel: None, .. }]), "{data}");
    }
}

#[test]
fn a8_the_outcome_of_the_last_call_is_published() {
    let mut s = Scenario::connected();
    let outcome = |s: &mut Scenario, input: Input<'_>| {
        s.session.handle(input, s.now);
        while s.session.poll_output(s.now, &Stamp::is_current).is_some() {}
        s.session.take_delivery().and_then(|delivery| delivery.update.user)
    };
    let pending = outcome(&mut s, Input::SignIn(SignInId(1)));
    assert!(matches!(pending, Some((SignInId(1), UserOutcome::Pending))));
    let refusal = user_answer(s.request_of_user(), Err(refused()));
    outcome(&mut s, Input::SignIn(SignInId(2)));
    let failed = outcome(&mut s, Input::Answered(refusal));
    assert!(matches!(failed, Some((SignInId(2), UserOutcome::Failed(_)))));
}

#[test]
fn a7_presence_without_channel_data_waits_for_the_sign_in() {
    let mut s = Scenario::connected();
    s.sign_in().wants(2, "presence-room");
    s.answer("presence-room", private());
    assert!(s.sent().is_empty());
    s.permit_user(user_permission()).receive(CONFIRMED);
    assert!(s.sent().contains(&subscribe_private("presence-room").as_str()), "{:?}", s.sent());

    let mut s = Scenario::connected();
    s.sign_in().wants(2, "presence-room");
    s.answer("presence-room", private()).permit_user(Err(refused()));
    assert!(matches!(s.errors()[..], [Error::AuthRefused { .. }, Error::AuthMalformed { .. }]), "{:?}", s.errors());
}

#[test]
fn d3_a_watchlist_far_beyond_the_protocols_limit_is_ignored() {
    let ids = format!("[7{}]", ",7".repeat(200_000));
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission());
    s.forget();
    s.receive(&format!(r#"{{"event":"online","data":{{"user_ids":{ids}}}}}"#));
    assert!(s.notifications.is_empty());
    assert_eq!(s.session.counters.ignored, 1);
}

#[test]
fn a8_the_watchlist_is_reported_in_both_shapes_and_only_to_a_client_that_signed_in() {
    let shapes = [
        r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\"]}]}"}"#,
        r#"{"event":"online","data":{"user_ids":["a"]}}"#,
    ];
    for shape in shapes {
        let mut s = Scenario::connected();
        s.receive(shape);
        assert!(s.notifications.is_empty());
        s.sign_in().permit_user(user_permission()).receive(shape);
        match &s.notifications[..] {
            [Notification::Watchlist(event)] => {
                assert_eq!((&*event.name, event.user_ids.len()), ("online", 1), "also before the confirmation");
            }
            other => panic!("{other:?}"),
        }
    }
}
