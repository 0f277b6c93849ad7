//! Rules S6, A8, T2 and R3: the message to which an error belongs that names none.

use super::{
    client_events::{in_private_room, triggers},
    users::{CONFIRMED, user_permission},
    *,
};

pub(crate) fn error(code: u16) -> String {
    format!(r#"{{"event":"pusher:error","data":"{{\"code\":{code},\"message\":\"no\"}}"}}"#)
}

fn error_on(channel: &str, code: u16) -> String {
    format!(r#"{{"event":"pusher:error","channel":"{channel}","data":{{"code":{code},"message":"no"}}}}"#)
}

/// Connected, with requests for these channels that are not answered.
fn pending(channels: &[&str]) -> Scenario {
    let mut s = Scenario::connected();
    for (id, name) in (20..).zip(channels) {
        s.wants(id, name);
    }
    s.forget_notifications();
    s
}

/// The channels that were refused and confirmed, and the codes that were reported by themselves and for client events.
pub(crate) fn reports(s: &Scenario) -> Vec<String> {
    let each = s.notifications.iter().filter_map(|notification| match notification {
        Notification::SubscriptionError(failed) => {
            Some(format!("{} refused {:?}", failed.channel.as_deref()?, failed.error.code()))
        }
        Notification::SubscriptionSucceeded(succeeded) => Some(format!("{} confirmed", succeeded.channel)),
        Notification::Error(error) => Some(match &**error {
            Error::Server { code, .. } => format!("server {code:?}"),
            Error::ClientEventRefused { channel, event, code, .. } => {
                format!("event {} on {} {code:?}", event.as_deref().unwrap_or("?"), channel.as_deref().unwrap_or("?"))
            }
            Error::SignInRefused { code, .. } => format!("sign-in {code:?}"),
            other => other.to_string(),
        }),
        _ => None,
    });
    each.collect()
}

#[test]
fn s6_an_error_goes_to_the_sole_unanswered_subscription() {
    for code in [4009, 4200, 4000, 4300] {
        let mut s = pending(&["a"]);
        s.receive(&error(code));
        assert_eq!(reports(&s), [format!("a refused Some({code})")]);
    }
}

#[test]
fn s6_an_error_before_a_confirmation_belongs_to_an_earlier_message() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009));
    assert!(reports(&s).is_empty(), "it may belong to either");
    s.receive(&succeeded("b"));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b confirmed"], "the server answered a first");
}

#[test]
fn s6_as_many_errors_as_subscriptions_refuse_them_all() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).receive(&error(4200));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b refused Some(4200)"]);
    let mut s = pending(&["a", "b", "c", "d"]);
    s.receive(&error(4009)).receive(&error(4009)).receive(&succeeded("c")).receive(&succeeded("d"));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b refused Some(4009)", "c confirmed", "d confirmed"]);
}

#[test]
fn s6_errors_that_cannot_be_those_of_all_earlier_messages_prove_nothing() {
    let mut s = pending(&["a", "b", "c"]);
    s.receive(&error(4009)).receive(&succeeded("c"));
    assert_eq!(reports(&s), ["c confirmed"], "a, or b");
    s.pass(5 * SECOND);
    assert_eq!(reports(&s), ["c confirmed", "server Some(4009)"], "reported once there is no hope of a proof");
    s.pass(25 * SECOND);
    assert_eq!(s.errors().len(), 3, "both time out: {:?}", reports(&s));
}

#[test]
fn s6_an_error_is_held_for_five_seconds_and_reported_once() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).pass(5 * SECOND - Duration::from_millis(1));
    assert!(reports(&s).is_empty());
    s.pass(Duration::from_millis(1));
    assert_eq!(reports(&s), ["server Some(4009)"]);
    s.receive(&succeeded("a")).receive(&succeeded("b"));
    assert_eq!(reports(&s)[1..], ["a confirmed", "b confirmed"]);
}

#[test]
fn s6_the_time_in_which_nothing_is_read_does_not_count() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).socket(FromSocket::Paused).pass(300 * SECOND).socket(FromSocket::Resumed);
    s.receive(&error(4009));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b refused Some(4009)"]);
}

#[test]
fn s6_an_error_is_not_that_of_a_later_message() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).wants(30, "c");
    s.receive(&error(4009));
    assert!(reports(&s).is_empty(), "two errors, of three messages");
    s.receive(&succeeded("c"));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b refused Some(4009)", "c confirmed"]);
}

#[test]
fn s6_a_server_that_does_not_keep_the_order_is_understood_in_the_end() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).receive(&succeeded("a"));
    assert_eq!(reports(&s), ["a confirmed"], "an error before the first answer is not that of the second message");
    s.pass(5 * SECOND);
    assert_eq!(reports(&s), ["a confirmed", "b refused Some(4009)"]);
}

#[test]
fn s6_a_named_answer_proves_as_much_as_a_confirmation() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009));
    s.receive(r#"{"event":"pusher:subscription_error","channel":"b","data":{"type":"AuthError","status":401}}"#);
    assert_eq!(reports(&s), ["a refused Some(4009)", "b refused None"]);
}

#[test]
fn s6_a_confirmation_wins_over_a_guess() {
    let mut s = Scenario::connected();
    let room = s.wants(30, "private-encrypted-room");
    s.answer("private-encrypted-room", encrypted::permission(1));
    s.forget();
    s.receive(&error(4009)).receive(&succeeded("private-encrypted-room"));
    assert_eq!(reports(&s), ["private-encrypted-room refused Some(4009)", "private-encrypted-room confirmed"]);
    s.receive(&encrypted::encrypted_event("private-encrypted-room", 1, b"\"x\""));
    assert_eq!(s.events(), [("e", "x")], "with its key");
    s.withdraws(&room);
    assert_eq!(s.sent(), [unsubscribe("private-encrypted-room")]);
}

#[test]
fn s6_a_request_that_was_refused_by_name_or_timed_out_is_not_confirmed_later() {
    let mut s = pending(&["a"]);
    s.receive(r#"{"event":"pusher:subscription_error","channel":"a","data":{}}"#).receive(&succeeded("a"));
    assert_eq!(reports(&s), ["a refused None"]);
}

#[test]
fn s2_a_guess_is_followed_by_an_unsubscribe_when_the_program_unsubscribes() {
    let mut s = Scenario::connected();
    let room = s.wants(30, "room");
    s.receive(&error(4009));
    s.forget();
    s.withdraws(&room);
    assert_eq!(s.sent(), [unsubscribe("room")], "the server may hold it");
    s.receive(&succeeded("room")).receive(&event("room", "x"));
    assert!(s.notifications.is_empty());
}

#[test]
fn s6_an_error_for_a_withdrawn_request_is_reported_by_itself() {
    let mut s = Scenario::connected();
    let room = s.wants(30, "private-a");
    s.answer("private-a", private()).withdraws(&room).receive(&error(4009));
    assert_eq!(reports(&s), ["server Some(4009)"]);
    s.wants(31, "b");
    s.receive(&error(4009));
    assert_eq!(reports(&s)[1..], ["b refused Some(4009)"]);
}

#[test]
fn s6_the_request_before_an_unsubscribe_takes_the_error_and_the_later_one_the_confirmation() {
    let mut s = Scenario::connected();
    let room = s.wants(30, "room");
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).receive(&error(4009)).receive(&succeeded("room"));
    assert_eq!(reports(&s), ["server Some(4009)", "room confirmed"]);
}

#[test]
fn s6_a_confirmation_distinguishes_a_client_event_from_a_subscription() {
    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.wants(30, "room");
    s.receive(&error(4200)).receive(&succeeded("room")).receive(&event("room", "x"));
    assert_eq!(reports(&s), ["event client-t on private-room Some(4200)", "room confirmed"]);
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn s6_a_client_event_that_the_server_took_leaves_its_error_to_the_subscription() {
    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    for (id, name) in [(30, "a"), (31, "b")] {
        s.wants(id, name);
    }
    s.receive(&error(4009)).receive(&succeeded("b"));
    assert_eq!(reports(&s), ["a refused Some(4009)", "b confirmed"], "a subscription is answered in any case");

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.wants(30, "a");
    s.receive(&error(4009)).pass(5 * SECOND);
    assert_eq!(reports(&s), ["a refused Some(4009)"], "a client event is refused within 5 s, or taken");
}

#[test]
fn s6_two_errors_are_those_of_a_client_event_and_a_subscription() {
    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.wants(30, "a");
    s.receive(&error(4200)).receive(&error(4009));
    assert_eq!(reports(&s), ["event client-t on private-room Some(4200)", "a refused Some(4009)"]);
}

#[test]
fn t2_an_error_goes_to_the_client_event_where_nothing_else_is_unanswered() {
    for code in [4009, 4200, 4301] {
        let (mut s, room) = in_private_room();
        triggers(&mut s, &room, "client-t");
        s.receive(&error(code));
        assert_eq!(reports(&s), [format!("event client-t on private-room Some({code})")]);
        s.receive(&error(code));
        assert_eq!(reports(&s)[1..], [format!("server Some({code})")], "each is refused once");
    }
}

#[test]
fn t2_of_several_client_events_the_refused_one_is_reported_as_far_as_it_is_known() {
    for code in [4200, 4301] {
        let (mut s, room) = in_private_room();
        triggers(&mut s, &room, "client-a");
        triggers(&mut s, &room, "client-b");
        s.receive(&error(code));
        assert_eq!(reports(&s), [format!("event ? on private-room Some({code})")]);
    }
}

#[test]
fn t2_a_client_event_is_refused_within_five_seconds() {
    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.pass(5 * SECOND).receive(&error(4301));
    assert_eq!(reports(&s), ["server Some(4301)"]);
}

#[test]
fn t2_an_error_that_names_the_channel_is_reported_with_it() {
    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.wants(30, "a");
    s.receive(&error_on("private-room", 4301)).receive(&error_on("private-room", 4301));
    let named = ["event client-t on private-room Some(4301)", "event ? on private-room Some(4301)"];
    assert_eq!(reports(&s), named);
    s.receive(&error_on("a", 4009));
    assert_eq!(reports(&s)[2..], ["a refused Some(4009)"], "it names the channel, so it is no guess");
    s.receive(&error_on("b", 4009));
    assert_eq!(reports(&s)[3..], ["server Some(4009)"]);
}

#[test]
fn a8_an_error_goes_to_the_sign_in_by_the_same_proofs() {
    let signing_in = || {
        let mut s = Scenario::connected();
        s.sign_in().permit_user(user_permission());
        s.forget();
        s
    };
    let mut s = signing_in();
    s.receive(&error(4302));
    assert_eq!(reports(&s), ["server Some(4302)"], "no refusal of a sign-in");
    s.receive(&error(4200));
    assert_eq!(reports(&s)[1..], ["sign-in Some(4200)"]);

    let mut s = signing_in();
    s.wants(30, "room-5");
    s.receive(&error(4200));
    assert!(reports(&s).is_empty());
    s.receive(&succeeded("room-5"));
    assert_eq!(reports(&s), ["sign-in Some(4200)", "room-5 confirmed"]);

    let mut s = signing_in();
    s.wants(30, "a");
    s.receive(&error(4009)).receive(CONFIRMED);
    assert_eq!(reports(&s), [] as [&str; 0]);
    s.pass(5 * SECOND);
    assert_eq!(reports(&s), ["a refused Some(4009)"], "the sign-in came first, and was confirmed");
}

#[test]
fn a8_a_confirmation_wins_over_a_guess() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(&error(4009)).receive(CONFIRMED);
    assert_eq!(s.signed_in_as(), ["7"]);
    assert!(s.sent().contains(&&*subscribe("#server-to-user-7")));
}

#[test]
fn s6_the_users_own_channel_takes_no_error() {
    let mut s = Scenario::connected();
    s.sign_in().permit_user(user_permission()).receive(CONFIRMED);
    s.forget();
    s.receive(&error(4009)).receive(&event("#server-to-user-7", "x"));
    assert_eq!(reports(&s), ["server Some(4009)"]);
    assert_eq!(s.events(), [("e", "x")]);
    s.wants(30, "a");
    s.receive(&error(4009));
    assert_eq!(reports(&s)[1..], ["a refused Some(4009)"]);
}

#[test]
fn r3_errors_that_refused_a_message_do_not_explain_the_end() {
    let mut s = pending(&["private-a", "private-b"]);
    s.answer("private-a", private()).answer("private-b", private());
    s.receive(&error(4009)).receive(&error(4009)).pass(SECOND / 5).lose();
    assert_eq!(s.states(), [Reconnecting]);
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::ConnectionLost { .. })));

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-t");
    s.receive(&error(4009)).lose();
    assert_eq!(s.states(), [Reconnecting]);

    let mut s = pending(&["a"]);
    s.receive(&error(4201)).lose();
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::ConnectionLost { .. })));
}

#[test]
fn r3_an_error_about_a_message_on_an_open_socket_does_not_explain_the_end() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4000)).lose();
    assert_eq!(s.states(), [Reconnecting]);
    assert_eq!(reports(&s), ["server Some(4000)"], "nothing is lost with the connection");
    s.pass(SECOND);
    assert!(s.outputs.iter().all(|output| !matches!(output, Output::Effect(Effect::Dial { tls: true, .. }))));
    for code in [4000, 4001, 4009, 4099, 4300, 4301] {
        let mut s = Scenario::connected();
        s.receive(&error(code)).lose();
        assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::ConnectionLost { .. })), "{code}");
    }
}

#[test]
fn r3_an_error_that_is_held_explains_the_end_where_it_is_one_of_the_connection() {
    for code in [4100, 4200, 4201, 4299] {
        let mut s = pending(&["a", "b"]);
        s.receive(&error(code)).pass(5 * SECOND - Duration::from_millis(1)).lose();
        assert_eq!(s.changes()[0].cause.as_ref().and_then(|cause| cause.code()), Some(code));
        assert_eq!(reports(&s), [format!("server Some({code})")]);
    }
}

#[test]
fn r3_an_error_that_is_held_does_not_hide_a_newer_one() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).pass(SECOND).receive(&error_on("elsewhere", 4200)).lose();
    assert_eq!(s.changes()[0].cause.as_ref().and_then(|cause| cause.code()), Some(4200));

    let mut s = pending(&["a", "b"]);
    s.receive(&error(4200)).pass(SECOND).receive(&error_on("elsewhere", 4009)).lose();
    assert!(matches!(s.changes()[0].cause.as_deref(), Some(Error::ConnectionLost { .. })));
}

#[test]
fn s10_a_refusal_that_names_a_channel_ends_its_repeats() {
    let mut s = pending(&["a"]);
    s.receive(&error(4301)).receive(&error_on("a", 4009)).pass(60 * SECOND);
    assert_eq!(reports(&s), ["server Some(4301)", "a refused Some(4009)"]);
}

#[test]
fn s6_a_held_error_is_reported_when_the_client_disconnects() {
    let mut s = pending(&["a", "b"]);
    s.receive(&error(4009)).input(Input::Disconnect);
    assert_eq!(reports(&s), ["server Some(4009)"]);
}

#[test]
fn s6_a_flood_of_errors_is_bounded_and_none_is_lost() {
    let mut s = pending(&["a", "b", "c"]);
    let mut s2 = pending(&[]);
    for _ in 0..1000 {
        s2.receive(&error(4009));
    }
    assert_eq!(s2.errors().len(), 1000);
    for _ in 0..1000 {
        s.receive(&error(4009));
    }
    assert_eq!(s.errors().len(), 1000, "three refuse subscriptions, the others are reported by themselves");
}

/// The first answer is that to a request which the unsubscribe has overtaken.
#[test]
fn s6_a_last_request_that_is_never_answered_is_made_again() {
    let mut s = Scenario::connected();
    let room = s.wants(20, "room");
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).receive(&succeeded("room"));
    s.forget();
    s.pass(31 * SECOND);
    assert_eq!(s.sent(), [unsubscribe("room"), subscribe("room")]);
    s.receive(&succeeded("room")).receive(&event("room", "x"));
    assert_eq!(s.events(), [("e", "x")]);
}
