//! D3: the data that servers send has one memory limit for all channels together.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

/// Channels of a megabyte each, more of them than the budget has room for.
const CHANNELS: u64 = 15;

fn megabyte() -> String {
    "x".repeat(1 << 20)
}

fn member_added(channel: &str) -> String {
    let data = format!(r#"{{"user_id":"b","user_info":"{}"}}"#, megabyte());
    format!(r#"{{"event":"pusher_internal:member_added","channel":"{channel}","data":{data}}}"#)
}

/// Subscribed to channels with this prefix.
fn subscribed(prefix: &str, permission: impl Fn() -> ChannelAuth) -> (Scenario, Vec<String>) {
    let mut s = Scenario::connected();
    let names: Vec<_> = (0..CHANNELS).map(|n| format!("{prefix}{n}")).collect();
    for (name, id) in names.iter().zip(2..) {
        s.wants(id, name);
        s.answer(name, Ok(permission())).receive(&succeeded(name));
    }
    s.forget();
    (s, names)
}

fn of_me() -> ChannelAuth {
    presence("me").expect("a permission")
}

#[test]
fn d3_members_of_all_channels_have_one_bound_and_the_excess_is_reported() {
    let (mut s, names) = subscribed("presence-", of_me);
    for name in &names {
        s.receive(&member_added(name));
    }
    let left_out = s.errors().iter().filter(|error| matches!(error, Error::TooManyMembers { left_out: 1, .. })).count();
    let added =
        s.notifications.iter().filter(|notification| matches!(notification, Notification::MemberAdded(_))).count();
    assert!(added >= 10 && left_out > 0, "{added} and {left_out}");
    assert_eq!(added + left_out, names.len());
}

#[test]
fn d3_freed_memory_makes_room() {
    let mut s = Scenario::connected();
    for id in 2..2 + CHANNELS {
        let name = format!("presence-{id}");
        let intent = s.wants(id, &name);
        s.answer(&name, Ok(of_me())).receive(&succeeded(&name)).receive(&member_added(&name));
        s.withdraws(&intent);
    }
    assert!(s.errors().is_empty());
}

#[test]
fn d3_permissions_are_kept_until_they_have_served() {
    let large = || ChannelAuth::new("k:s").channel_data(format!(r#"{{"user_id":"me","x":"{}"}}"#, megabyte()));
    let mut s = Scenario::connected();
    for id in 2..2 + CHANNELS {
        s.wants(id, &format!("presence-{id}"));
        s.answer(&format!("presence-{id}"), Ok(large()));
    }
    let refused = s.errors().iter().filter(|error| matches!(error, Error::AuthMalformed { .. })).count();
    assert!((11..CHANNELS).contains(&(refused as u64)), "{refused}");
    assert!(subscribed("presence-", large).0.errors().is_empty(), "each makes room for the next");
}

#[test]
fn d3_events_that_wait_for_keys_have_one_bound_and_the_excess_is_reported() {
    let key = STANDARD.encode([1; 32]);
    let (mut s, names) = subscribed("private-encrypted-", || ChannelAuth::new("k:s").shared_secret(key.as_str()));
    let (nonce, ciphertext) = (STANDARD.encode([0; 24]), STANDARD.encode(vec![0; 700_000]));
    for name in &names {
        let data = format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
        s.receive(&format!(r#"{{"event":"e","channel":"{name}","data":{data}}}"#));
    }
    assert_eq!(s.requested().len(), names.len(), "a newer key is requested, whether the event fits or not");
    let failed = |s: &Scenario| {
        s.notifications.iter().filter(|notification| matches!(notification, Notification::DecryptionFailure(_))).count()
    };
    let at_once = failed(&s);
    assert!((10..CHANNELS).contains(&(at_once as u64)), "{at_once}");
    for name in &names {
        s.answer(name, Ok(ChannelAuth::new("k:s").shared_secret(key.as_str())));
    }
    assert_eq!(failed(&s), names.len(), "each lost event is reported");
}
