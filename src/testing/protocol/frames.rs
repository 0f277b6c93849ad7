//! The frames that the server sends, as bytes.
//!
//! Every function returns a complete WebSocket frame in [`Bytes`], so that one encoding is shared by all receivers.

use serde::Serialize;
use serde_json::value::RawValue;
use tungstenite::{
    Bytes,
    protocol::frame::{
        CloseFrame, Frame,
        coding::{CloseCode, Data, OpCode},
    },
};

use super::presence::{Presence, UserId};

/// RFC 6455, 5.5: the payload of a control frame has at most 125 bytes, of which a close frame spends two on its code.
const MAX_CLOSE_REASON: usize = 123;

/// An application event. `data` is the text of the publisher. Like Pusher, the server sends it as a JSON string.
pub(crate) fn event(channel: &str, event: &str, data: &str) -> Bytes {
    object_event(event, Some(channel), data)
}

/// A client event, with its data as the JSON value of the sender. On presence channels it has the user id of the
/// sender.
pub(crate) fn client_event(channel: &str, event: &str, data: Option<&RawValue>, user_id: Option<&UserId>) -> Bytes {
    message(&Envelope { event, channel: Some(channel), data, user_id })
}

/// An event whose `data` is a JSON text in a string.
pub(crate) fn platform_event(event: &str, channel: Option<&str>, data: &(impl Serialize + ?Sized)) -> Bytes {
    object_event(event, channel, &json(data))
}

/// An event whose `data` is a JSON value.
pub(crate) fn object_event(event: &str, channel: Option<&str>, data: &(impl Serialize + ?Sized)) -> Bytes {
    message(&Envelope { event, channel, data: Some(data), user_id: None })
}

/// An event without `data`.
fn bare_event(event: &str, channel: &str) -> Bytes {
    message(&Envelope { event, channel: Some(channel), data: None::<()>, user_id: None })
}

/// `activity_timeout` is JSON text, which is not checked.
pub(crate) fn established(socket_id: &str, activity_timeout: &str) -> Bytes {
    let data = format!(r#"{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout}}}"#);
    object_event("pusher:connection_established", None, &data)
}

pub(crate) fn pong() -> Bytes {
    #[derive(Serialize)]
    struct Empty {}
    object_event("pusher:pong", None, &Empty {})
}

/// The `data` of `pusher:error`.
#[derive(Serialize)]
pub(crate) struct ErrorData<'a> {
    pub code: u16,
    pub message: &'a str,
}

/// The `data` of `pusher:error` is an object, as the hosted service and soketi send it.
pub(crate) fn error(code: u16, message: &str) -> Bytes {
    object_event("pusher:error", None, &ErrorData { code, message })
}

/// Like that of soketi, it has no `data` on channels without members.
pub(crate) fn subscription_succeeded(channel: &str) -> Bytes {
    bare_event("pusher_internal:subscription_succeeded", channel)
}

pub(crate) fn presence_succeeded(channel: &str, presence: &Presence) -> Bytes {
    platform_event("pusher_internal:subscription_succeeded", Some(channel), presence)
}

pub(crate) fn member_removed(channel: &str, user_id: &UserId) -> Bytes {
    #[derive(Serialize)]
    struct Removed<'a> {
        user_id: &'a UserId,
    }
    platform_event("pusher_internal:member_removed", Some(channel), &Removed { user_id })
}

pub(crate) fn cache_miss(channel: &str) -> Bytes {
    bare_event("pusher:cache_miss", channel)
}

pub(crate) fn subscription_count(channel: &str, count: usize) -> Bytes {
    #[derive(Serialize)]
    struct Count {
        subscription_count: usize,
    }
    platform_event("pusher_internal:subscription_count", Some(channel), &Count { subscription_count: count })
}

/// Like that of soketi, it repeats the data of the client's request.
pub(crate) fn signin_success(auth: &str, user_data: &str) -> Bytes {
    #[derive(Serialize)]
    struct SignedIn<'a> {
        auth: &'a str,
        user_data: &'a str,
    }
    object_event("pusher:signin_success", None, &SignedIn { auth, user_data })
}

pub(crate) fn text(payload: &str) -> Bytes {
    data_frame(Data::Text, payload.as_bytes().to_vec())
}

pub(crate) fn binary(payload: &[u8]) -> Bytes {
    data_frame(Data::Binary, payload.to_vec())
}

/// RFC 6455 allows at most 125 bytes. A test may send more on purpose.
pub(crate) fn ping(payload: &[u8]) -> Bytes {
    encode(Frame::ping(payload.to_vec()))
}

/// The answer to a ping frame.
pub(crate) fn ws_pong(payload: &[u8]) -> Bytes {
    encode(Frame::pong(payload.to_vec()))
}

/// The answer to a close frame, with the same code, if any.
pub(crate) fn close_echo(code: Option<CloseCode>) -> Bytes {
    encode(Frame::close(code.map(|code| CloseFrame { code, reason: "".into() })))
}

/// A close frame. A reason that is too long for a control frame is cut between two characters.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_CLOSE_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    encode(Frame::close(Some(CloseFrame { code: code.into(), reason: reason[..end].into() })))
}

#[derive(Serialize)]
struct Envelope<'a, D> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
}

fn message<D: Serialize>(envelope: &Envelope<'_, D>) -> Bytes {
    data_frame(Data::Text, json(envelope).into_bytes())
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("what the server sends always has a JSON text")
}

fn data_frame(kind: Data, payload: Vec<u8>) -> Bytes {
    encode(Frame::message(payload, OpCode::Data(kind), true))
}

fn encode(frame: Frame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("a vector takes every write");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(frame: &Bytes) -> &str {
        std::str::from_utf8(&frame[2..]).unwrap()
    }

    #[test]
    fn event_data_is_a_json_string() {
        assert_eq!(payload(&event("room", "e", r#"{"a":1}"#)), r#"{"event":"e","channel":"room","data":"{\"a\":1}"}"#);
    }

    #[test]
    fn the_activity_timeout_is_inserted_unchanged() {
        assert_eq!(
            payload(&established("1.2", "\"soon\"")),
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":\"soon\"}"}"#
        );
    }

    #[test]
    fn a_long_close_reason_is_cut_at_a_character() {
        let frame = close(4000, &"ż".repeat(100));
        assert_eq!(frame[0], 0x88);
        assert_eq!(usize::from(frame[1]), frame.len() - 2);
        assert_eq!(&frame[2..4], &4000u16.to_be_bytes());
        assert_eq!(std::str::from_utf8(&frame[4..]).unwrap(), "ż".repeat(61));
    }

    #[test]
    fn a_frame_of_64_kib_has_a_64_bit_length() {
        let frame = text(&"x".repeat(65_536));
        assert_eq!(&frame[..10], &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
