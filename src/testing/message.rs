//! What a client's message means, and what the server does about it.

use serde::Deserialize;

use super::connection::Connection;
use super::hub::Hub;
use super::{subscription, wire};

/// Handles a text message. What the server cannot use is counted and otherwise ignored, as soketi does.
pub(super) fn receive(hub: &Hub, connection: &Connection, text: &str) {
    hub.record(connection.id, text);
    if hub.is_silent() {
        return;
    }
    match parse(text) {
        Some(Message::Ping) => hub.answer(connection, wire::pong()),
        Some(Message::Pong) => {}
        Some(Message::Subscribe { channel }) => match subscription::check(&channel) {
            Ok(()) => hub.subscribe(connection, &channel),
            Err(refusal) => {
                hub.answer(connection, wire::subscription_error(&channel, &refusal));
            }
        },
        Some(Message::Unsubscribe { channel }) => hub.unsubscribe(connection, &channel),
        None => hub.ignore(),
    }
}

/// What a client can say.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Ping,
    Pong,
    Subscribe { channel: String },
    Unsubscribe { channel: String },
}

fn parse(text: &str) -> Option<Message> {
    #[derive(Deserialize)]
    struct Envelope {
        event: String,
        #[serde(default)]
        data: serde_json::Value,
    }
    let Envelope { event, mut data } = serde_json::from_str(text).ok()?;
    let mut channel = || match data.get_mut("channel").map(serde_json::Value::take) {
        Some(serde_json::Value::String(channel)) => Some(channel),
        _ => None,
    };
    match event.as_str() {
        "pusher:ping" => Some(Message::Ping),
        "pusher:pong" => Some(Message::Pong),
        "pusher:subscribe" => Some(Message::Subscribe { channel: channel()? }),
        "pusher:unsubscribe" => Some(Message::Unsubscribe { channel: channel()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_name_their_channel() {
        assert_eq!(
            parse(r#"{"event":"pusher:subscribe","data":{"channel":"room","auth":""}}"#),
            Some(Message::Subscribe { channel: "room".into() })
        );
        assert_eq!(
            parse(r#"{"data":{"channel":"room"},"event":"pusher:unsubscribe"}"#),
            Some(Message::Unsubscribe { channel: "room".into() })
        );
    }

    #[test]
    fn pings_may_have_any_data_or_none() {
        for text in [
            r#"{"event":"pusher:ping"}"#,
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:ping","data":"{}"}"#,
        ] {
            assert_eq!(parse(text), Some(Message::Ping), "{text}");
        }
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
            r#"{"event":"something-else"}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
