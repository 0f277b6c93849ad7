//! What a client's message means, and what the server does about it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::client_event::ClientEvent;
use super::connection::Connection;
use super::hub::Hub;
use super::message_limit::{OverLimit, REFUSED, TOO_MANY};
use super::subscription::{self, Requester};
use super::wire;

/// Handles a text message. Messages that the server cannot use are counted and otherwise ignored, as in soketi. False
/// when the connection is to end, because it has sent too many messages.
pub(super) fn receive(hub: &Hub, connection: &Connection, text: &str) -> bool {
    hub.record(connection.id, text);
    if hub.is_silent() {
        return true;
    }
    match &hub.settings.message_limit {
        Some(limit) if !hub.admit_message(connection.id, limit) => refuse(hub, connection, limit.over_limit),
        _ => {
            obey(hub, connection, text);
            true
        }
    }
}

fn refuse(hub: &Hub, connection: &Connection, over_limit: OverLimit) -> bool {
    let stays = over_limit == OverLimit::Refuse;
    if stays {
        hub.answer(connection, hub.settings.refusals.error(None, REFUSED, TOO_MANY));
    }
    stays
}

fn obey(hub: &Hub, connection: &Connection, text: &str) {
    match parse(text) {
        Some(Message::Ping) => hub.answer(connection, wire::pong()),
        Some(Message::Pong) => {}
        Some(Message::Subscribe(request)) => subscribe(hub, connection, &request),
        Some(Message::Unsubscribe { channel }) => hub.unsubscribe(connection, &channel),
        Some(Message::SignIn(request)) => hub.sign_in(connection, &request),
        Some(Message::ClientEvent(event)) => hub.relay(connection, &event),
        None => hub.ignore(),
    }
}

fn subscribe(hub: &Hub, connection: &Connection, request: &subscription::Request) {
    let user = hub.user_of(connection.id);
    let requester = Requester { socket_id: &connection.socket_id, user: user.as_ref() };
    match subscription::check(&hub.settings.app, &requester, request) {
        Ok(member) => hub.subscribe(connection, &request.channel, member),
        Err(refusal) => hub.answer(connection, hub.settings.refusals.subscription(&request.channel, &refusal)),
    }
}

/// What a client can say.
#[derive(Debug)]
enum Message<'a> {
    Ping,
    Pong,
    Subscribe(subscription::Request),
    Unsubscribe { channel: String },
    SignIn(SignIn),
    ClientEvent(ClientEvent<'a>),
}

/// The `data` of `pusher:signin`.
#[derive(Debug)]
pub(super) struct SignIn {
    pub(super) auth: String,
    pub(super) user_data: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: String,
    channel: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// Keeps a `null` that was sent apart from nothing that was sent.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn parse(text: &str) -> Option<Message<'_>> {
    let Envelope { event, channel, data } = serde_json::from_str(text).ok()?;
    if event.starts_with("client-") {
        return Some(Message::ClientEvent(ClientEvent { event, channel: channel?, data }));
    }
    let mut fields = data.and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or(Value::Null);
    let mut field = |name: &str| match fields.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match event.as_str() {
        "pusher:ping" => Some(Message::Ping),
        "pusher:pong" => Some(Message::Pong),
        "pusher:subscribe" => Some(Message::Subscribe(subscription::Request {
            channel: field("channel")?,
            auth: field("auth"),
            channel_data: field("channel_data"),
        })),
        "pusher:unsubscribe" => Some(Message::Unsubscribe { channel: field("channel")? }),
        "pusher:signin" => Some(Message::SignIn(SignIn {
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
        let Some(Message::Subscribe(request)) = parse(text) else { panic!("{text}") };
        let expected =
            subscription::Request { channel: "room".into(), auth: Some("a".into()), channel_data: Some("{}".into()) };
        assert_eq!(request, expected);
        assert!(matches!(
            parse(r#"{"data":{"channel":"room"},"event":"pusher:unsubscribe"}"#),
            Some(Message::Unsubscribe { channel }) if channel == "room"
        ));
    }

    #[test]
    fn pings_may_have_any_data_or_none() {
        for text in [
            r#"{"event":"pusher:ping"}"#,
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:ping","data":"{}"}"#,
        ] {
            assert!(matches!(parse(text), Some(Message::Ping)), "{text}");
        }
    }

    #[test]
    fn client_events_keep_the_text_of_their_data() {
        for data in ["1.0", "null", r#""x""#, r#"{"b":1,"a":2}"#] {
            let text = format!(r#"{{"event":"client-x","channel":"private-x","data":{data}}}"#);
            let Some(Message::ClientEvent(event)) = parse(&text) else { panic!("{text}") };
            assert_eq!(event.data.map(RawValue::get), Some(data));
        }
        let text = r#"{"event":"client-x","channel":"private-x"}"#;
        assert!(matches!(parse(text), Some(Message::ClientEvent(ClientEvent { data: None, .. }))));
    }

    #[test]
    fn anything_else_means_nothing() {
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
}
