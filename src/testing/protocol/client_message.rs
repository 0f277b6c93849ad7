//! Messages of clients.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use super::client_event::ClientEvent;

/// A message of a client by its meaning.
#[derive(Debug)]
pub(crate) enum ClientMessage<'a> {
    Ping,
    Pong,
    Subscribe(SubscribeRequest),
    Unsubscribe { channel: String },
    SignIn(SignIn),
    ClientEvent(ClientEvent<'a>),
}

/// The `data` of `pusher:subscribe`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SubscribeRequest {
    pub channel: String,
    pub auth: Option<String>,
    pub channel_data: Option<String>,
}

/// The `data` of `pusher:signin`.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub auth: String,
    pub user_data: String,
}

/// The hosted service's limit.
const MAX_WATCHLIST: usize = 100;

/// The `user_data` of a sign-in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct UserData {
    pub id: String,
    pub user_info: Option<Box<RawValue>>,
    #[serde(default)]
    pub watchlist: Vec<String>,
}

impl UserData {
    /// Reads the text. `None` if it is not an object with an id that is a non-empty string.
    pub fn parse(user_data: &str) -> Option<Self> {
        let user: Self = serde_json::from_str(user_data).ok()?;
        (!user.id.is_empty()).then_some(user)
    }

    pub fn has_long_watchlist(&self) -> bool {
        self.watchlist.len() > MAX_WATCHLIST
    }
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    event: String,
    channel: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// Distinguishes a `null` from a missing field.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

pub(crate) fn parse(text: &str) -> Option<ClientMessage<'_>> {
    let RawMessage { event, channel, data } = serde_json::from_str(text).ok()?;
    if event.starts_with("client-") {
        return Some(ClientMessage::ClientEvent(ClientEvent { event, channel: channel?, data }));
    }
    let mut fields = data.and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or(Value::Null);
    let mut field = |name: &str| match fields.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match event.as_str() {
        "pusher:ping" => Some(ClientMessage::Ping),
        "pusher:pong" => Some(ClientMessage::Pong),
        "pusher:subscribe" => Some(ClientMessage::Subscribe(SubscribeRequest {
            channel: field("channel")?,
            auth: field("auth"),
            channel_data: field("channel_data"),
        })),
        "pusher:unsubscribe" => Some(ClientMessage::Unsubscribe { channel: field("channel")? }),
        "pusher:signin" => Some(ClientMessage::SignIn(SignIn {
            auth: field("auth").unwrap_or_default(),
            user_data: field("user_data").unwrap_or_default(),
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_name_their_channel() {
        let text = r#"{"event":"pusher:subscribe","data":{"channel":"room","auth":"a","channel_data":"{}"}}"#;
        let Some(ClientMessage::Subscribe(request)) = parse(text) else { panic!("{text}") };
        let expected =
            SubscribeRequest { channel: "room".into(), auth: Some("a".into()), channel_data: Some("{}".into()) };
        assert_eq!(request, expected);
        assert!(matches!(
            parse(r#"{"data":{"channel":"room"},"event":"pusher:unsubscribe"}"#),
            Some(ClientMessage::Unsubscribe { channel }) if channel == "room"
        ));
    }

    #[test]
    fn pings_are_read_with_any_data_and_without() {
        for text in [
            r#"{"event":"pusher:ping"}"#,
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:ping","data":"{}"}"#,
        ] {
            assert!(matches!(parse(text), Some(ClientMessage::Ping)), "{text}");
        }
    }

    #[test]
    fn client_events_keep_the_text_of_their_data() {
        for data in ["1.0", "null", r#""x""#, r#"{"b":1,"a":2}"#] {
            let text = format!(r#"{{"event":"client-x","channel":"private-x","data":{data}}}"#);
            let Some(ClientMessage::ClientEvent(event)) = parse(&text) else { panic!("{text}") };
            assert_eq!(event.data.map(RawValue::get), Some(data));
        }
        let text = r#"{"event":"client-x","channel":"private-x"}"#;
        assert!(matches!(parse(text), Some(ClientMessage::ClientEvent(ClientEvent { data: None, .. }))));
    }

    #[test]
    fn other_texts_are_no_messages() {
        for text in [
            "",
            "null",
            "[1]",
            "{}",
            r#"{"event":7}"#,
            r#"{"event":"pusher:subscribe"}"#,
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"room\"}"}"#,
            r#"{"event":"pusher:subscribe","data":{"channel":null}}"#,
            r#"{"event":"client-x","data":{}}"#,
            r#"{"event":"something-else"}"#,
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_user_needs_an_id() {
        for data in ["", "null", "[]", "{}", r#"{"id":""}"#, r#"{"id":7}"#, r#"{"id":"a","watchlist":7}"#] {
            assert!(UserData::parse(data).is_none(), "{data}");
        }
    }
}
