//! Rules P: the members of presence channels, and the reports of their changes.

use super::*;

pub(crate) fn list(channel: &str, ids: &str) -> String {
    let data = format!(r#"{{"presence":{{"ids":[{ids}],"hash":null,"count":9}}}}"#);
    let data = serde_json::Value::from(data);
    format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":{data}}}"#)
}

fn member(event: &str, data: &str) -> String {
    format!(r#"{{"event":"pusher_internal:{event}","channel":"presence-room","data":{data}}}"#)
}

/// In a presence channel, with the given members.
fn with_members(ids: &str) -> Scenario {
    let mut s = Scenario::connected();
    s.wants(2, "presence-room");
    s.answer("presence-room", presence("a")).receive(&list("presence-room", ids));
    s.forget();
    s
}

impl Scenario {
    /// The notifications, in short.
    fn story(&self) -> Vec<String> {
        let story = self.notifications.iter().filter_map(|notification| match notification {
            Notification::SubscriptionSucceeded(_) => Some("succeeded".to_owned()),
            Notification::MemberAdded(change) => Some(format!("+{} {}", change.member.id(), change.member.info())),
            Notification::MemberRemoved(change) => Some(format!("-{} {}", change.member.id(), change.member.info())),
            Notification::Error(error) => Some(error.to_string()),
            _ => None,
        });
        story.collect()
    }
}

#[test]
fn p1_the_first_list_is_no_difference() {
    let mut s = Scenario::connected();
    s.wants(2, "presence-room");
    s.answer("presence-room", presence("a")).receive(&list("presence-room", r#""a","b""#));
    assert_eq!(s.story(), ["succeeded"]);
}

#[test]
fn p1_after_a_resubscription_the_difference_is_reported_after_the_confirmation() {
    let mut s = with_members(r#""a","b","c""#);
    s.lose().reconnect();
    s.answer("presence-room", presence("a"));
    s.forget_notifications();
    s.receive(&list("presence-room", r#""a","c","d""#));
    assert_eq!(s.story(), ["succeeded", "-b null", "+d null"]);
}

#[test]
fn p1_a_new_intent_has_no_difference_to_report() {
    let mut s = Scenario::connected();
    let room = s.wants(2, "presence-room");
    s.answer("presence-room", presence("a")).receive(&list("presence-room", r#""a","b""#));
    s.withdraws(&room);
    room.activate();
    s.input(Input::IntentChanges(vec![change_of(&room)])).answer("presence-room", presence("a"));
    s.forget_notifications();
    s.receive(&list("presence-room", r#""a""#));
    assert_eq!(s.story(), ["succeeded"]);
}

#[test]
fn p2_a_known_member_is_updated_and_an_unknown_one_cannot_leave() {
    let mut s = with_members(r#""a""#);
    s.receive(&member("member_added", r#""{\"user_id\":7,\"user_info\":{\"n\":1}}""#));
    s.receive(&member("member_added", r#"{"user_id":"7","user_info":{"n":2}}"#));
    s.receive(&member("member_removed", r#"{"user_id":"x"}"#));
    s.receive(&member("member_removed", r#"{"user_id":7}"#));
    assert_eq!(s.story(), [r#"+7 {"n":1}"#, r#"-7 {"n":2}"#]);
    assert_eq!(s.session.counters.ignored, 1);
}

/// Reverb caches the removal that ended an earlier visit, and sends it after the confirmation.
#[test]
fn p2_the_clients_user_stays_while_subscribed() {
    let mut s = Scenario::connected();
    s.wants(2, "presence-cache-room");
    s.answer("presence-cache-room", presence("7")).receive(&list("presence-cache-room", r#"7,"b""#));
    s.forget();
    for id in [r#""7""#, "7", r#""b""#] {
        let data = format!(r#"{{"user_id":{id}}}"#);
        s.receive(&member("member_removed", &data).replace("presence-room", "presence-cache-room"));
    }
    assert_eq!(s.story(), ["-b null"]);
    assert_eq!(s.session.counters.ignored, 2);
    s.lose().reconnect();
    s.answer("presence-cache-room", presence("7"));
    s.forget_notifications();
    s.receive(&list("presence-cache-room", "7"));
    assert_eq!(s.story(), ["succeeded"], "it was never away");
}

#[test]
fn p2_the_clients_user_id_is_that_of_the_current_intent() {
    let mut s = with_members(r#""a","b""#);
    s.lose().reconnect();
    s.answer("presence-room", presence("b")).receive(&list("presence-room", r#""a","b""#));
    s.forget_notifications();
    s.receive(&member("member_removed", r#"{"user_id":"a"}"#)).receive(&member("member_removed", r#"{"user_id":"b"}"#));
    assert_eq!(s.story(), ["-a null"]);
}

/// As one message, which only a client with a larger `max_message_size` takes.
#[test]
fn p2_a_list_of_100_000_members_is_kept_within_the_defaults() {
    let defaults = crate::Config::host("key", "localhost").auth_endpoint("https://localhost").settings();
    let mut s = Scenario::of(defaults);
    s.connect_background().establish().wants(2, "presence-room");
    s.answer("presence-room", presence("id00000042"));
    s.forget_notifications();
    let entries: Vec<_> = (0..100_000).map(|n| format!(r#""id{n:08}":"{}""#, "x".repeat(48))).collect();
    let ids: Vec<_> = (0..100_000).map(|n| format!(r#""id{n:08}""#)).collect();
    let data = format!(r#"{{"presence":{{"ids":[{}],"hash":{{{}}},"count":1}}}}"#, ids.join(","), entries.join(","));
    let text = format!(
        r#"{{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":{}}}"#,
        serde_json::Value::from(data)
    );
    s.receive(&text);
    assert_eq!(s.story(), ["succeeded"], "none is left out");
}

#[test]
fn p2_members_are_capped_and_the_excess_is_reported() {
    let subscriptions = SubscriptionSettings { max_presence_members: 2, ..subscription_settings() };
    let mut s = Scenario::of(Settings { subscriptions, ..settings() });
    s.connect_background().establish().wants(2, "presence-room");
    s.answer("presence-room", presence("a"));
    s.forget_notifications();
    s.receive(&list("presence-room", r#""a","b","c""#)).receive(&member("member_added", r#"{"user_id":"d"}"#));
    let excess = "presence: presence-room: 1 members or changes over the limit were left out";
    assert_eq!(s.story(), [excess, "succeeded", excess]);
}

#[test]
fn s8_member_events_of_other_channels_are_ignored() {
    let (mut s, _room) = Scenario::subscribed("room");
    s.receive(r#"{"event":"pusher_internal:member_added","channel":"room","data":{"user_id":"x"}}"#);
    s.receive(r#"{"event":"pusher_internal:member_added","channel":"presence-x","data":{"user_id":"x"}}"#);
    assert!(s.notifications.is_empty());
    assert_eq!(s.session.counters.ignored, 2);
}

#[test]
fn s9_counts_and_cache_misses_are_reported() {
    let (mut s, _room) = Scenario::subscribed("cache-room");
    s.receive(r#"{"event":"pusher:cache_miss","channel":"cache-room"}"#);
    s.receive(
        r#"{"event":"pusher_internal:subscription_count","channel":"cache-room","data":"{\"subscription_count\":0}"}"#,
    );
    match &s.notifications[..] {
        [Notification::CacheMiss { channel }, Notification::SubscriptionCount(count)] => {
            assert_eq!((&**channel, count.count), ("cache-room", 0));
        }
        other => panic!("{other:?}"),
    }
}
