//! Rules E: only events that decrypt are delivered, in order, and the client makes few requests for keys.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};

use super::*;

const ROOM: &str = "private-encrypted-room";

pub(crate) fn permission(key: u8) -> Result<ChannelAuth, Error> {
    Ok(ChannelAuth::new("k:s").shared_secret(STANDARD.encode([key; 32])))
}

pub(crate) fn encrypted_event(channel: &str, key: u8, plain: &[u8]) -> String {
    let cipher = XSalsa20Poly1305::new(&[key; 32].into());
    let ciphertext = STANDARD.encode(cipher.encrypt(&[0; 24].into(), plain).expect("it fits"));
    let nonce = STANDARD.encode([0; 24]);
    let envelope = format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
    format!(r#"{{"event":"e","channel":"{channel}","data":{}}}"#, serde_json::Value::from(envelope))
}

/// Subscribed with key 1.
fn subscribed() -> Scenario {
    let mut s = Scenario::connected();
    s.wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    s.forget();
    s
}

impl Scenario {
    fn failures(&self) -> Vec<&crate::DecryptionError> {
        let failures = self.notifications.iter().filter_map(|notification| match notification {
            Notification::DecryptionFailure(failure) => Some(&failure.reason),
            _ => None,
        });
        failures.collect()
    }
}

#[test]
fn e1_only_events_that_decrypt_are_delivered() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 1, b"\"hello\"")).receive(&event(ROOM, "in clear"));
    assert_eq!(s.events(), [("e", "hello")]);
    assert!(matches!(s.failures()[..], [crate::DecryptionError::Malformed(_)]));
    assert!(s.requested().is_empty(), "E3: a malformed envelope fetches no key");
}

#[test]
fn e6_an_envelope_without_padding_is_delivered() {
    let mut s = subscribed();
    for plain in ["1", "123"] {
        let padded = encrypted_event(ROOM, 1, plain.as_bytes());
        assert!(padded.contains('='));
        s.receive(&padded.replace('=', ""));
    }
    assert_eq!(s.events(), [("e", "1"), ("e", "123")]);
    assert!(s.requested().is_empty());
}

#[test]
fn e2_a_rotated_key_is_fetched_once_with_the_later_events_queued_behind() {
    let mut s = subscribed();
    for plain in [b"1", b"2", b"3"] {
        s.receive(&encrypted_event(ROOM, 2, plain));
    }
    assert!(s.notifications.is_empty());
    assert_eq!(s.requested().len(), 1);
    s.answer(ROOM, permission(2)).receive(&encrypted_event(ROOM, 2, b"4"));
    assert_eq!(s.events(), [("e", "1"), ("e", "2"), ("e", "3"), ("e", "4")]);
    assert!(s.failures().is_empty());
}

#[test]
fn e2_other_channels_do_not_wait() {
    let mut s = subscribed();
    s.wants(3, "room");
    s.receive(&succeeded("room")).receive(&encrypted_event(ROOM, 2, b"1")).receive(&event("room", "x"));
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn e2_an_event_that_fails_with_the_new_key_too_is_reported_and_skipped() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 3, b"1")).receive(&encrypted_event(ROOM, 2, b"2"));
    s.answer(ROOM, permission(2));
    assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]));
    assert_eq!(s.events(), [("e", "2")]);
    s.receive(&encrypted_event(ROOM, 3, b"3"));
    assert_eq!((s.failures().len(), s.requested().len()), (2, 1), "10 s pass between two fetches");
}

#[test]
fn e2_a_fetch_that_fails_releases_the_events_that_wait() {
    for is_answered in [true, false] {
        let mut s = subscribed();
        s.receive(&encrypted_event(ROOM, 2, b"1")).receive(&encrypted_event(ROOM, 1, b"2"));
        if is_answered {
            s.answer(ROOM, Err(refused()));
        } else {
            s.pass(30 * SECOND);
        }
        assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]));
        assert_eq!(s.events(), [("e", "2")]);
        assert!(matches!(s.errors()[..], [Error::AuthRefused { .. } | Error::AuthTimeout { .. }]), "A4: and why");
    }
}

#[test]
fn e2_10000_events_that_do_not_decrypt_cause_at_most_2_auth_requests() {
    let mut s = Scenario::connected();
    s.wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    for _ in 0..10_000 {
        s.receive(&encrypted_event(ROOM, 2, b"x"));
    }
    s.answer(ROOM, permission(1));
    assert_eq!(s.requested().len(), 2);
    assert_eq!(s.failures().len(), 10_000);
}

#[test]
fn e2_a_key_that_is_rotated_right_after_the_subscription_loses_nothing() {
    let mut s = subscribed();
    for plain in [b"1", b"2", b"3", b"4", b"5"] {
        s.receive(&encrypted_event(ROOM, 2, plain));
    }
    s.answer(ROOM, permission(2));
    assert_eq!(s.events().iter().map(|(_, data)| *data).collect::<String>(), "12345");
    assert_eq!((s.requested().len(), s.failures().len()), (1, 0));
}

#[test]
fn e2_a_second_rotation_within_10_s_is_reported_and_fetched_afterwards() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 2, b"1")).answer(ROOM, permission(2));
    s.receive(&encrypted_event(ROOM, 3, b"2")).receive(&encrypted_event(ROOM, 2, b"3"));
    assert_eq!((s.requested().len(), s.failures().len()), (1, 1));
    s.pass(10 * SECOND);
    s.receive(&encrypted_event(ROOM, 3, b"4")).answer(ROOM, permission(3));
    assert_eq!(s.events(), [("e", "1"), ("e", "3"), ("e", "4")]);
    assert_eq!((s.requested().len(), s.failures().len()), (2, 1));
}

#[test]
fn e2_a_fetch_that_brings_the_same_key_is_not_repeated_within_10_s() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 2, b"1")).answer(ROOM, permission(1)).receive(&encrypted_event(ROOM, 2, b"2"));
    assert_eq!((s.requested().len(), s.failures().len()), (1, 2));
}

/// The key that comes with each connection is one request, and the fetches of all connections together are as rare as those
/// of one.
#[test]
fn e2_a_server_that_ends_connections_causes_no_fetch_for_each() {
    let mut s = subscribed();
    for _ in 0..20 {
        s.receive(&encrypted_event(ROOM, 2, b"x"));
        s.lose().input(Input::ReconnectNow).establish();
        s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    }
    assert_eq!(s.requested().len(), 20 + 1, "one for each connection, and one fetch");
    assert_eq!(s.failures().len(), 20, "each event is reported");
    s.pass(10 * SECOND);
    s.receive(&encrypted_event(ROOM, 2, b"x")).answer(ROOM, permission(2));
    assert_eq!(s.events(), [("e", "x")]);
}

#[test]
fn e2_a_new_intent_fetches_the_key_as_the_first_one_did() {
    let mut s = Scenario::connected();
    let room = s.wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    s.receive(&encrypted_event(ROOM, 2, b"1")).answer(ROOM, permission(1));
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    s.forget();
    s.receive(&encrypted_event(ROOM, 2, b"2")).answer(ROOM, permission(2));
    assert_eq!(s.events(), [("e", "2")]);
}

#[test]
fn e2_a_lost_connection_reports_the_events_that_wait_for_a_key() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 2, b"1")).lose();
    assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]));
    s.reconnect();
    s.answer(ROOM, permission(2)).receive(&succeeded(ROOM)).receive(&encrypted_event(ROOM, 2, b"2"));
    assert_eq!(s.events(), [("e", "2")], "the new connection has the new key");
}

/// The driver checks the budget after each turn.
/// The state after an event that waits for key 2. A repeated subscription waits for its permission.
fn waiting_for_two_keys() -> Scenario {
    let mut s = Scenario::connected();
    s.wants(3, "room");
    s.receive(&refusals::error(4009));
    s.wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM)).receive(&encrypted_event(ROOM, 2, b"1"));
    assert_eq!(s.requested().len(), 2, "the event waits for a key");
    // After an error without a channel, the confirmation may have been that of an older request.
    s.receive(&format!(r#"{{"event":"pusher:subscription_error","channel":"{ROOM}","data":{{}}}}"#));
    assert_eq!((s.events(), s.failures().len()), (Vec::new(), 0));
    s
}

/// The test driver checks after each step that the budget has the memory of the queue again (D3).
#[test]
fn e2_the_key_of_a_repeated_confirmation_is_tried_with_the_events_that_wait() {
    let mut s = waiting_for_two_keys();
    s.answer(ROOM, permission(2)).receive(&succeeded(ROOM));
    assert_eq!((s.successes().len(), s.events(), s.failures().len()), (2, vec![("e", "1")], 0));

    let mut s = waiting_for_two_keys();
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    assert_eq!((s.successes().len(), s.events()), (2, Vec::new()));
    assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]));
}

#[test]
fn e2_events_that_wait_for_a_key_are_reported_when_the_subscription_fails() {
    let mut s = waiting_for_two_keys();
    s.answer(ROOM, Err(refused()));
    assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]));
}

#[test]
fn e4_a_key_does_not_outlive_its_subscription() {
    let mut s = Scenario::connected();
    let room = s.wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)]));
    s.forget_notifications();
    s.receive(&encrypted_event(ROOM, 1, b"1"));
    assert!(s.notifications.is_empty(), "it is not subscribed");
    s.answer(ROOM, permission(2)).receive(&succeeded(ROOM)).receive(&encrypted_event(ROOM, 1, b"1"));
    s.answer(ROOM, permission(2));
    assert!(matches!(s.failures()[..], [crate::DecryptionError::WrongKey]), "the old key is gone");
}

#[test]
fn e5_plain_text_that_is_not_utf_8_is_a_failure_unless_there_is_a_decoder() {
    let mut s = subscribed();
    s.receive(&encrypted_event(ROOM, 1, &[0xFF]));
    assert!(matches!(s.failures()[..], [crate::DecryptionError::Undecodable(_)]));

    let subscriptions = SubscriptionSettings { has_decoder: true, ..subscription_settings() };
    let mut s = Scenario::of(Settings { subscriptions, ..settings() });
    s.connect_background().establish().wants(2, ROOM);
    s.answer(ROOM, permission(1)).receive(&succeeded(ROOM));
    s.forget_notifications();
    s.receive(&encrypted_event(ROOM, 1, &[0xFF]));
    match &s.notifications[..] {
        [Notification::Event(event)] => {
            assert_eq!(event.encoded(), Some([0xFF].as_slice()));
        }
        other => panic!("{other:?}"),
    }
}
