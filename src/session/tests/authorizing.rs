//! Rules A1-A6, as far as the session decides: permissions that come late, or wrong, or twice.

use super::*;

#[test]
fn a2_a_private_channel_is_subscribed_with_its_permission() {
    let mut s = Scenario::connected();
    s.wants(2, "private-room");
    assert!(s.sent().is_empty());
    assert_eq!(s.requested(), [("private-room", 1)]);
    s.answer("private-room", private());
    assert_eq!(s.sent(), [subscribe_private("private-room")]);
    s.receive(&succeeded("private-room")).receive(&event("private-room", "x"));
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn a2_one_request_authorizes_all_channels_of_a_connection() {
    let mut s = Scenario::new();
    for id in 2..5 {
        s.wants(id, &format!("private-{id}"));
    }
    s.connect_background().establish();
    let requests = s.outputs.iter().filter(|output| matches!(output, Output::Effect(Effect::Authorize(_)))).count();
    assert_eq!((requests, s.requested().len()), (1, 3));
}

#[test]
fn a6_channel_data_goes_out_byte_for_byte() {
    let mut s = Scenario::connected();
    s.wants(2, "presence-room");
    let data = "{ \"user_id\" : 7, \"user_info\":{\"n\":\"\\u017c\"} }";
    s.answer("presence-room", Ok(ChannelAuth::new("k:s").channel_data(data)));
    let sent: serde_json::Value = serde_json::from_str(s.sent()[0]).expect("JSON");
    assert_eq!(sent["data"]["channel_data"], data);
    assert_eq!(sent["data"]["auth"], "k:s");
}

#[test]
fn r8_a_permission_for_an_older_socket_is_dropped() {
    let mut s = Scenario::connected();
    s.wants(2, "private-room");
    let late = channel_answer(s.request_of("private-room"), private());
    s.lose().reconnect();
    s.outputs.retain(|output| matches!(output, Output::Effect(Effect::Authorize(_))));
    s.input(Input::Answered(late));
    assert!(s.sent().is_empty(), "{:?}", s.sent());
    assert_eq!(s.requested().len(), 2, "another request for the new socket");
    s.answer("private-room", private());
    assert_eq!(s.sent(), [subscribe_private("private-room")]);
}

#[test]
fn s2_unsubscribing_while_it_is_authorised_wins_at_once() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.withdraws(&room).answer("private-room", private());
    assert!(s.sent().is_empty() && s.notifications.is_empty());
    s.lose().reconnect();
    assert_eq!(s.requested().len(), 1, "it does not come back");
}

#[test]
fn s2_a_permission_for_an_older_intent_is_dropped() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    let late = channel_answer(s.request_of("private-room"), private());
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    s.input(Input::Answered(late));
    assert!(s.sent().is_empty(), "the second intent has a request of its own");
    s.answer("private-room", private());
    assert_eq!(s.sent(), [subscribe_private("private-room")]);
}

#[test]
fn s11_unsubscribe_and_subscribe_during_one_auth_request_are_one_subscribe() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.pass(29 * SECOND);
    room.withdraw();
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).pass(29 * SECOND);
    assert!(s.errors().is_empty(), "S5: the new intent has a deadline of its own");
    assert!(s.session.awaits(&s.request_of("private-room")));
    s.answer("private-room", private());
    assert_eq!(s.requested().len(), 1, "one request");
    assert_eq!(s.sent().iter().filter(|text| **text == subscribe_private("private-room")).count(), 1);
    s.receive(&succeeded("private-room"));
    assert!(s.session.subscriptions.is_subscribed(&room.stamp()));
}

#[test]
fn s11_an_auth_request_that_serves_a_newer_intent_has_the_deadline_of_that_intent() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    room.withdraw();
    room.activate();
    s.pass(SECOND).input(Input::IntentChanges(vec![change_of(&room)])).pass(31 * SECOND);
    assert!(matches!(s.errors()[..], [Error::AuthTimeout { .. }]), "{:?}", s.errors());
    s.answer("private-room", private());
    assert!(!s.sent().contains(&&*subscribe_private("private-room")));
}

#[test]
fn a4_a_permission_that_comes_with_a_newer_intent_serves_it_alone() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    room.withdraw();
    room.activate();
    let ready = Some(ready(ChannelAuth::new("k:ready")));
    s.input(Input::IntentChanges(vec![IntentChange { ready, ..change_of(&room) }]));
    s.answer("private-room", private());
    let sent = Outgoing::Subscribe { channel: "private-room", auth: Some("k:ready"), channel_data: None }.to_text();
    assert_eq!(s.sent(), [sent]);
}

#[test]
fn s11_an_intent_that_is_withdrawn_during_a_turn_sends_nothing() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.change_meanwhile.push(Arc::clone(&room));
    s.answer("private-room", private());
    assert!(s.sent().is_empty() && s.session.subscriptions.is_empty(), "{:?}", s.sent());
}

#[test]
fn a4_a_refusal_is_final_until_the_next_subscribe_or_connection() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.answer("private-room", Err(refused()));
    assert!(matches!(s.errors()[..], [Error::AuthRefused { status: Some(403), .. }]));
    s.pass(600 * SECOND / 10);
    assert_eq!(s.requested().len(), 1);
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    assert_eq!(s.requested().len(), 2, "subscribed again");
    s.answer("private-room", Err(refused())).lose().reconnect();
    assert_eq!(s.requested().len(), 3, "a reconnect tries again");
}

#[test]
fn a5_wrong_permissions_are_an_error_of_that_channel_alone() {
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let cases = [
        ("private-a", ChannelAuth::new("")),
        ("private-encrypted-a", ChannelAuth::new("k:s")),
        ("private-encrypted-a", ChannelAuth::new("k:s").shared_secret("AAAA")),
        ("private-encrypted-a", ChannelAuth::new("k:s").shared_secret(&secret[..43])),
        ("private-encrypted-cache-a", ChannelAuth::new("k:s").shared_secret("*")),
        ("presence-a", ChannelAuth::new("k:s")),
        ("presence-a", ChannelAuth::new("k:s").channel_data("junk")),
        ("presence-a", ChannelAuth::new("k:s").channel_data("{}")),
    ];
    for (channel, auth) in cases {
        let (mut s, _room) = Scenario::subscribed("room");
        s.wants(2, channel);
        s.answer(channel, Ok(auth));
        assert!(matches!(s.errors()[..], [Error::AuthMalformed { .. }]), "{channel}: {:?}", s.errors());
        assert!(s.sent().is_empty(), "{channel}");
        s.receive(&event("room", "x"));
        assert_eq!(s.events(), [("e", "x")], "{channel}");
    }
}

#[test]
fn a6_the_shared_secret_never_goes_to_the_server() {
    let mut s = Scenario::connected();
    s.wants(2, "private-encrypted-room");
    let auth = ChannelAuth::new("k:s").shared_secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    s.answer("private-encrypted-room", Ok(auth));
    assert!(s.sent()[0].contains("k:s") && !s.sent()[0].contains("AAAA"));
}

#[test]
fn a4_a_ready_permission_serves_one_socket() {
    let mut s = Scenario::connected();
    let room = Intent::of_channel(2, "private-room");
    room.activate();
    s.input(Input::IntentChanges(vec![IntentChange { ready: private().ok().map(ready), ..change_of(&room) }]));
    assert_eq!(s.sent(), [subscribe_private("private-room")]);
    assert!(s.requested().is_empty());
    s.lose().reconnect();
    assert_eq!(s.requested().len(), 1, "on the next socket the authorizer takes over");

    let mut s = Scenario::without_authorizer();
    s.connect_background().establish();
    s.input(Input::IntentChanges(vec![IntentChange { ready: private().ok().map(ready), ..change_of(&room) }]));
    s.receive(&succeeded("private-room")).lose();
    s.forget();
    s.reconnect();
    assert!(matches!(s.errors()[..], [Error::NoAuthorizer { .. }]), "or the channel ends in an error");
    s.forget();
    s.lose().reconnect();
    assert!(matches!(s.errors()[..], [Error::NoAuthorizer { .. }]), "which asks for a permission on each connection");
    let refusal =
        r#"{"event":"pusher:subscription_error","channel":"private-room","data":{"type":"AuthError","status":401}}"#;
    s.input(Input::IntentChanges(vec![IntentChange { ready: private().ok().map(ready), ..change_of(&room) }]))
        .receive(refusal);
    s.forget();
    s.lose().reconnect();
    assert!(matches!(s.errors()[..], [Error::NoAuthorizer { .. }]), "also after a refusal");
}

#[test]
fn a4_a_ready_permission_is_for_the_socket_that_it_was_made_for() {
    let room = Intent::of_channel(2, "private-room");
    room.activate();
    let mut s = Scenario::without_authorizer();
    s.connect_background().establish();
    let late = |id: &str| ReadyAuth { auth: ChannelAuth::new("k:s"), socket_id: Some(Arc::from(id)) };
    s.input(Input::IntentChanges(vec![IntentChange { ready: Some(late("9.9")), ..change_of(&room) }]));
    assert!(matches!(s.errors()[..], [Error::NoAuthorizer { .. }]), "that socket is gone");
    s.input(Input::IntentChanges(vec![IntentChange { ready: Some(late("1.2")), ..change_of(&room) }]));
    assert_eq!(s.sent().len(), 1);
}

#[test]
fn a7_a_ready_permission_may_leave_the_user_to_the_sign_in() {
    let mut s = Scenario::connected();
    s.sign_in();
    let room = Intent::of_channel(2, "presence-room");
    room.activate();
    s.input(Input::IntentChanges(vec![IntentChange { ready: private().ok().map(ready), ..change_of(&room) }]));
    assert!(s.errors().is_empty() && s.sent().is_empty(), "it waits");
}

#[test]
fn s2_a_renewed_intent_that_fails_unsubscribes_the_old_subscription() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "private-room");
    s.answer("private-room", private()).receive(&succeeded("private-room"));
    s.outputs.retain(|output| matches!(output, Output::Effect(Effect::Authorize(_))));
    room.withdraw();
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).answer("private-room", Err(refused()));
    assert_eq!(s.sent(), [unsubscribe("private-room")]);
}

#[test]
fn s2_the_answer_to_an_older_request_does_not_leave_the_later_one_behind() {
    let refusal = r#"{"event":"pusher:subscription_error","channel":"room","data":{}}"#;
    let overtaken = || {
        let mut s = Scenario::connected();
        let room = s.wants(11, "room");
        s.withdraws(&room);
        room.activate();
        s.input(Input::IntentChanges(vec![change_of(&room)]));
        s.forget();
        (s, room)
    };
    let (mut s, room) = overtaken();
    s.receive(refusal);
    assert!(s.errors().is_empty(), "it is the older one that was refused");
    s.receive(&succeeded("room"));
    assert!(s.session.subscriptions.is_subscribed(&room.stamp()));

    let (mut s, room) = overtaken();
    s.receive(&succeeded("room")).receive(refusal);
    assert!(!s.session.subscriptions.is_subscribed(&room.stamp()), "it was the older one that was confirmed");
    assert_eq!(s.errors().len(), 1);

    let (mut s, room) = overtaken();
    s.withdraws(&room).receive(&succeeded("room")).receive(&succeeded("room")).pass(30 * SECOND);
    assert!(s.session.subscriptions.is_empty(), "nothing is remembered of what is over");
    let (mut s, room) = overtaken();
    s.withdraws(&room).pass(30 * SECOND);
    assert!(s.session.subscriptions.is_empty(), "also when the server never answers");
}

#[test]
fn s5_the_deadline_covers_authorising_and_a_late_permission_is_dropped() {
    let mut s = Scenario::connected();
    s.wants(2, "private-room");
    s.pass(30 * SECOND);
    assert!(matches!(s.errors()[..], [Error::AuthTimeout { .. }]), "it names the authorizer");
    s.forget_notifications().answer("private-room", private());
    assert!(s.sent().iter().all(|sent| !sent.contains("subscribe")), "{:?}", s.sent());
}

#[test]
fn s6_a_channel_that_is_still_being_authorised_takes_no_error_as_its_answer() {
    let mut s = Scenario::connected();
    s.wants(2, "room");
    s.wants(3, "private-room");
    s.receive(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#);
    match s.errors()[..] {
        [Error::SubscriptionRefused { channel, status: Some(4009), .. }] => assert_eq!(channel, "room"),
        ref other => panic!("{other:?}"),
    }
    s.forget_notifications().answer("private-room", private());
    s.receive(r#"{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"no\"}"}"#);
    assert!(matches!(s.errors()[..], [Error::SubscriptionRefused { .. }]), "as Reverb and Sockudo answer");
}

#[test]
fn a3_other_channels_do_not_wait_for_a_slow_authorizer() {
    let mut s = Scenario::connected();
    s.wants(2, "private-slow");
    s.wants(3, "private-fast");
    s.wants(4, "room");
    s.answer("private-fast", private());
    assert_eq!(s.sent(), [subscribe("room"), subscribe_private("private-fast")]);
}
