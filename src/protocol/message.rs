//! The meaning of received messages.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    frame::{Data, Frame},
    json::string::id_text,
};
use crate::{Name, error::excerpt, surrogates};

/// A received message by its meaning.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    ConnectionEstablished {
        established: Established,
        data: Data<'a>,
    },
    Ping,
    Pong,
    Error(ServerError),
    SubscriptionSucceeded {
        channel: Cow<'a, str>,
        data: Data<'a>,
    },
    SubscriptionError {
        channel: Cow<'a, str>,
        data: Data<'a>,
        refusal: Refusal,
    },
    SubscriptionCount {
        channel: Cow<'a, str>,
        data: Data<'a>,
        count: u64,
    },
    CacheMiss {
        channel: Cow<'a, str>,
        data: Data<'a>,
    },
    MemberAdded {
        channel: Cow<'a, str>,
        data: Data<'a>,
    },
    MemberRemoved {
        channel: Cow<'a, str>,
        data: Data<'a>,
    },
    SignInSucceeded {
        /// The user's id, if the server repeats it.
        id: Option<String>,
    },
    Watchlist(Vec<WatchlistChange>),
    /// A `pusher:` or `pusher_internal:` event that this client does not know, or that lacks its channel.
    UnknownPlatformEvent,
    /// An event of the application.
    Event(Frame<'a>),
}

impl<'a> Message<'a> {
    /// Classifies a message by its event name. Platform events have one of the two reserved prefixes, or the name
    /// `online` or `offline` without a channel and with the data of a watchlist change. All other messages are
    /// application events, also `client-` events without a channel: only the server can send those.
    pub fn of(frame: Frame<'a>) -> Self {
        if !frame.event.starts_with("pusher:") && !frame.event.starts_with("pusher_internal:") {
            return match WatchlistChange::bare(&frame) {
                Some(changes) => Self::Watchlist(changes),
                None => Self::Event(frame),
            };
        }
        let Frame { event, channel, data, .. } = frame;
        match (&*event, channel) {
            ("pusher:ping", _) => Self::Ping,
            ("pusher:pong", _) => Self::Pong,
            ("pusher:connection_established", _) => {
                Self::ConnectionEstablished { established: Established::of(data), data }
            }
            ("pusher:error", channel) => Self::Error(ServerError::of(data, channel.as_deref().map(excerpt))),
            ("pusher_internal:subscription_succeeded", Some(channel)) => Self::SubscriptionSucceeded { channel, data },
            ("pusher:subscription_error" | "pusher_internal:subscription_error", Some(channel)) => {
                Self::SubscriptionError { channel, data, refusal: data.decode().unwrap_or_default() }
            }
            ("pusher_internal:subscription_count", Some(channel)) => match count_of(data) {
                Some(count) => Self::SubscriptionCount { channel, data, count },
                None => Self::UnknownPlatformEvent,
            },
            ("pusher:cache_miss", Some(channel)) => Self::CacheMiss { channel, data },
            ("pusher_internal:member_added", Some(channel)) => Self::MemberAdded { channel, data },
            ("pusher_internal:member_removed", Some(channel)) => Self::MemberRemoved { channel, data },
            ("pusher:signin_success", _) => Self::SignInSucceeded { id: signed_in_id(data) },
            ("pusher_internal:watchlist_events", _) => Self::Watchlist(WatchlistChange::listed(data)),
            _ => Self::UnknownPlatformEvent,
        }
    }
}

/// Users of the watchlist that went online or offline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct WatchlistChange {
    pub name: String,
    #[serde(deserialize_with = "ids")]
    pub user_ids: Vec<Name>,
}

/// Larger data is not read as a watchlist change. A watchlist has at most 100 users (4302), whose ids have at most 128
/// characters. The ids of larger data would take many times its size.
const MAX_WATCHLIST: usize = 256 << 10;

/// Reads a list of ids, which may be strings or numbers.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Name>, D::Error> {
    deserializer.deserialize_seq(IdsVisitor)
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = Vec<Name>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Name>, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = list.next_element::<Box<RawValue>>()? {
            ids.extend(id_text(&id).filter(|id| !id.is_empty()).map(|id| Name::from(id.as_str())));
        }
        Ok(ids)
    }
}

impl WatchlistChange {
    fn listed(data: Data<'_>) -> Vec<Self> {
        #[derive(Deserialize, Default)]
        struct WatchlistEvents {
            events: Vec<WatchlistChange>,
        }
        let listed = if data.max_len() > MAX_WATCHLIST { None } else { data.decode::<WatchlistEvents>() };
        listed.unwrap_or_default().events
    }

    /// Sockudo sends each change as a separate event without a channel. `None` for any other event. Data that is too
    /// large for a watchlist is not read: it results in no changes.
    fn bare(frame: &Frame<'_>) -> Option<Vec<Self>> {
        #[derive(Deserialize)]
        struct Bare {
            #[serde(deserialize_with = "ids")]
            user_ids: Vec<Name>,
        }
        if frame.channel.is_some() || !matches!(&*frame.event, "online" | "offline") {
            return None;
        }
        if frame.data.max_len() > MAX_WATCHLIST {
            return Some(Vec::new());
        }
        let Bare { user_ids } = frame.data.decode()?;
        Some(vec![Self { name: frame.event.to_string(), user_ids }])
    }
}

fn count_of(data: Data<'_>) -> Option<u64> {
    #[derive(Deserialize)]
    struct Count {
        subscription_count: u64,
    }
    data.decode::<Count>().map(|count| count.subscription_count)
}

/// Servers repeat the signed JSON text of `user_data`.
fn signed_in_id(data: Data<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct SignedIn {
        user_data: String,
    }
    user_id(&data.decode::<SignedIn>()?.user_data)
}

/// The user id in this `user_data`. `None` if there is no id.
fn user_id(user_data: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct SignedInUser {
        id: String,
    }
    surrogates::from_json::<SignedInUser>(user_data).ok().map(|user| user.id).filter(|id| !id.is_empty())
}

/// The content of `pusher:connection_established`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Established {
    /// Servers send a string (`"123.456"`). A number is converted to its text. Empty if it is missing.
    pub socket_id: String,
    /// `None` without a usable value.
    pub activity_timeout: Option<Duration>,
}

impl Established {
    fn of(data: Data<'_>) -> Self {
        #[derive(Deserialize, Default)]
        struct RawEstablished {
            socket_id: Option<Box<RawValue>>,
            activity_timeout: Option<Box<RawValue>>,
        }
        let raw: RawEstablished = data.decode().unwrap_or_default();
        Self {
            socket_id: raw.socket_id.as_deref().and_then(id_text).unwrap_or_default(),
            activity_timeout: raw.activity_timeout.as_deref().and_then(|raw| clamp_seconds(&id_text(raw)?)),
        }
    }
}

/// Reads a server's activity timeout, and limits it so that there is at most one ping a second, and no overflow (R7).
fn clamp_seconds(text: &str) -> Option<Duration> {
    /// A day. This is longer than any configured timeout, so the configured timeout applies.
    const MAX: f64 = 86_400.0;
    let seconds: f64 = text.parse().ok()?;
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.clamp(1.0, MAX)))
}

/// The content of `pusher:error`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub code: Option<u16>,
    pub message: String,
    /// soketi names the channel when it refuses a client event. At most 200 characters, as in channel names.
    pub channel: Option<String>,
}

impl ServerError {
    fn of(data: Data<'_>, channel: Option<String>) -> Self {
        #[derive(Deserialize, Default)]
        struct RawError {
            code: Option<Box<RawValue>>,
            message: Option<Box<RawValue>>,
        }
        let RawError { code, message } = data.decode().unwrap_or_default();
        Self { code: code_of(code), message: text_of(message), channel }
    }
}

/// The server's reason for the refusal of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub kind: String,
    pub message: String,
    pub status: Option<u16>,
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct RawRefusal {
            r#type: Option<Box<RawValue>>,
            error: Option<Box<RawValue>>,
            status: Option<Box<RawValue>>,
            code: Option<Box<RawValue>>,
        }
        let RawRefusal { r#type, error, status, code } = RawRefusal::deserialize(deserializer)?;
        Ok(Self { kind: text_of(r#type), message: text_of(error), status: code_of(status).or_else(|| code_of(code)) })
    }
}

/// The text of a string. Empty for other values, which are not parsed: they could take many times the memory of the
/// message.
fn text_of(raw: Option<Box<RawValue>>) -> String {
    let text = raw.and_then(|raw| surrogates::from_json::<String>(raw.get()).ok());
    excerpt(&text.unwrap_or_default())
}

fn code_of(raw: Option<Box<RawValue>>) -> Option<u16> {
    id_text(&raw?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message<'_> {
        Message::of(Frame::parse(text, Box::leak(Box::default())).expect(text))
    }

    fn established(data: &str) -> Established {
        let text = format!(r#"{{"event":"pusher:connection_established","data":{data}}}"#);
        match message(&text) {
            Message::ConnectionEstablished { established, .. } => established,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn connection_established_is_read_as_string_and_as_object() {
        let expected = Established { socket_id: "1.2".into(), activity_timeout: Some(Duration::from_secs(30)) };
        assert_eq!(established(r#""{\"socket_id\":\"1.2\",\"activity_timeout\":30}""#), expected);
        assert_eq!(established(r#"{"socket_id":"1.2","activity_timeout":30}"#), expected);
        assert_eq!(established(r#"{"socket_id":1.2,"activity_timeout":"30"}"#), expected);
        assert_eq!(established("null"), Established::default());
    }

    #[test]
    fn r7_activity_timeout_is_clamped() {
        let timeout = |value: &str| established(&format!(r#"{{"activity_timeout":{value}}}"#)).activity_timeout;
        for unusable in ["0", "-1", "null", "\"x\"", "{}", "[]", "true", "\"NaN\"", "-1e400"] {
            assert_eq!(timeout(unusable), None, "{unusable}");
        }
        assert_eq!(timeout("0.2"), Some(Duration::from_secs(1)));
        assert_eq!(timeout("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(timeout("1e400"), Some(Duration::from_secs(86_400)));
        assert_eq!(timeout("99999999999999999999"), Some(Duration::from_secs(86_400)));
    }

    #[test]
    fn pusher_error_is_read_in_every_shape() {
        let error = |data: &str| match message(&format!(r#"{{"event":"pusher:error","data":{data}}}"#)) {
            Message::Error(error) => (error.code, error.message),
            other => panic!("{other:?}"),
        };
        assert_eq!(error(r#"{"code":4001,"message":"m"}"#), (Some(4001), "m".into()));
        assert_eq!(error(r#""{\"code\":4009,\"message\":\"m\"}""#), (Some(4009), "m".into()));
        assert_eq!(error(r#"{"code":"4009"}"#), (Some(4009), String::new()));
        assert_eq!(error(r#"{"code":null,"message":"m"}"#), (None, "m".into()));
        assert_eq!(error(r#"{"code":70000,"message":7}"#), (None, String::new()));
        assert_eq!(error("null"), (None, String::new()));
    }

    #[test]
    fn d3_a_servers_text_is_cut() {
        let text = format!(r#"{{"event":"pusher:error","data":{{"message":"{}"}}}}"#, "ż".repeat(100_000));
        let Message::Error(error) = message(&text) else { panic!() };
        assert_eq!(error.message, "ż".repeat(200));
    }

    #[test]
    fn s6_a_refused_subscription_is_read_from_soketi() {
        let text = r#"{"event":"pusher:subscription_error","channel":"private-x","data":{"type":"AuthError","error":"The connection is unauthorized.","status":401}}"#;
        let Message::SubscriptionError { channel, refusal, .. } = message(text) else { panic!() };
        assert_eq!(channel, "private-x");
        assert_eq!(refusal.kind, "AuthError");
        assert_eq!(refusal.status, Some(401));
    }

    #[test]
    fn s9_a_count_is_a_number_and_may_be_zero() {
        let count = |data: &str| {
            let text = format!(r#"{{"event":"pusher_internal:subscription_count","channel":"c","data":{data}}}"#);
            match message(&text) {
                Message::SubscriptionCount { count, .. } => Some(count),
                _ => None,
            }
        };
        assert_eq!(count(r#""{\"subscription_count\":0}""#), Some(0));
        assert_eq!(count(r#"{"subscription_count":7}"#), Some(7));
        for bad in ["{}", "null", r#"{"subscription_count":-1}"#, r#"{"subscription_count":"x"}"#] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }

    #[test]
    fn a8_a_sign_in_is_confirmed_in_every_shape() {
        let id = |data: &str| match message(&format!(r#"{{"event":"pusher:signin_success","data":{data}}}"#)) {
            Message::SignInSucceeded { id } => id,
            other => panic!("{other:?}"),
        };
        assert_eq!(id(r#"{"user_data":"{\"id\":\"7\"}"}"#).as_deref(), Some("7"));
        assert_eq!(id(r#""{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}""#).as_deref(), Some("7"));
        assert_eq!(id("{}"), None);
    }

    #[test]
    fn a8_the_watchlist_is_read_in_two_shapes() {
        let changes = |text: &str| match message(text) {
            Message::Watchlist(changes) => changes,
            other => panic!("{other:?}"),
        };
        let online = |ids: &[&str]| WatchlistChange {
            name: "online".into(),
            user_ids: ids.iter().map(|id| Name::from(*id)).collect(),
        };
        let listed = r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\",\"b\"]}]}"}"#;
        assert_eq!(changes(listed), [online(&["a", "b"])]);
        assert_eq!(changes(r#"{"event":"online","data":{"user_ids":["a",7]}}"#), [online(&["a", "7"])]);
        assert!(changes(r#"{"event":"pusher_internal:watchlist_events"}"#).is_empty());
        let published = r#"{"event":"online","channel":"c","data":"x"}"#;
        assert!(matches!(message(published), Message::Event(_)), "a channel's event of that name is the publisher's");
        for data in [r#""x""#, "null", "{}", r#"{"user_ids":"a"}"#, r#"{"users":["a"]}"#] {
            let text = format!(r#"{{"event":"offline","data":{data}}}"#);
            assert!(matches!(message(&text), Message::Event(_)), "S8: without the shape of a watchlist: {data}");
        }
    }

    #[test]
    fn d1_a_lone_surrogate_in_a_platform_event_is_u_fffd() {
        let error = r#"{"event":"pusher:error","data":{"code":4009,"message":"no\ud83d","\ude00":1}}"#;
        let Message::Error(error) = message(error) else { panic!() };
        assert_eq!((error.code, &*error.message), (Some(4009), "no\u{fffd}"));
        let refused =
            r#"{"event":"pusher:subscription_error","channel":"c\ud83d","data":{"error":"\ud83d","status":401}}"#;
        let Message::SubscriptionError { channel, refusal, .. } = message(refused) else { panic!() };
        assert_eq!((&*channel, &*refusal.message, refusal.status), ("c\u{fffd}", "\u{fffd}", Some(401)));
        let listed = r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\\ud83d\"]}]}"}"#;
        let Message::Watchlist(changes) = message(listed) else { panic!() };
        assert_eq!(changes[0].user_ids, [Name::from("a\u{fffd}")]);
        let signed_in = r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"a\\ud83d\"}"}}"#;
        assert!(matches!(message(signed_in), Message::SignInSucceeded { id: Some(id) } if id == "a\u{fffd}"));
    }

    #[test]
    fn s8_a_client_event_is_never_a_platform_event() {
        for name in ["client-pusher:error", "client-pusher_internal:subscription_succeeded", "pusher", "pusher_x"] {
            let text = format!(r#"{{"event":"{name}","channel":"c"}}"#);
            assert!(matches!(message(&text), Message::Event(_)), "{name}");
        }
    }

    #[test]
    fn s8_unknown_platform_events_are_never_application_events() {
        for name in ["pusher:new", "pusher_internal:new", "pusher_internal:subscription_succeeded"] {
            let text = format!(r#"{{"event":"{name}"}}"#);
            assert!(matches!(message(&text), Message::UnknownPlatformEvent), "{name}");
        }
    }
}
