//! From the text of a message to the user's notifications.

use serde_json::Value;

use super::{lossy::lossy, session::World};
use crate::{
    event::Batch,
    protocol::{frame::Frame, json::string::DecodeBuffer},
    surrogates,
};

/// Takes the input as one message on a connection with a channel of each kind.
pub fn frame(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    assert!(Frame::parsers_agree(&text), "D1: a flat message means the same to both parsers");
    let mut buffer = DecodeBuffer::default();
    let parsed = Frame::parse(&text, &mut buffer);
    match &parsed {
        Ok(frame) => check_envelope(frame, &text),
        Err(reason) => check_reason(reason),
    }
    let mut world = World::subscribed();
    let batch = world.receive(&text);
    assert!(world.is_connected(), "R4: no message ends an open connection");
    if let Some(batch) = batch {
        check_events(&batch, parsed.ok().as_ref());
    }
}

/// Compares with another parser of the same text.
fn check_envelope(frame: &Frame<'_>, text: &str) {
    // That parser accepts fewer texts. It refuses numbers that overflow a float.
    let Ok(value) = serde_json::from_str::<Value>(&lossy(text)) else { return };
    assert_eq!(value["event"].as_str(), Some(&*frame.event));
    assert_eq!(value["channel"].as_str(), frame.channel.as_deref());
    let data = frame.data.text();
    match &value["data"] {
        Value::String(text) => assert_eq!(*text, data),
        Value::Null => assert!(data.is_empty() || data == "null"),
        other => assert_eq!(surrogates::from_json::<Value>(&data).as_ref().ok(), Some(other)),
    }
    let mut appended = "before".to_owned();
    frame.data.append_to(&mut appended);
    assert_eq!(appended.strip_prefix("before"), Some(&*data), "both methods give the same text");
    match &value["user_id"] {
        Value::String(id) if !id.is_empty() => assert_eq!(frame.user_id.as_deref(), Some(id.as_str())),
        Value::Number(_) => assert!(frame.user_id.is_some()),
        _ => assert_eq!(frame.user_id, None),
    }
}

/// X1: a reason is a text of this crate.
fn check_reason(reason: &str) {
    assert!(reason.starts_with("it ") && reason.is_ascii() && reason.len() < 100, "{reason}");
}

/// A message results in at most one application event, with its name and its data.
fn check_events(batch: &Batch, frame: Option<&Frame<'_>>) {
    let mut events = (0..batch.len()).filter(|index| batch.notice(*index).is_none());
    if let Some(index) = events.next() {
        let frame = frame.expect("only a valid message is an event");
        assert_eq!(batch.name(index), frame.event);
        let channel = batch.intent(index).map(|intent| intent.name().as_str());
        assert_eq!(channel, frame.channel.as_deref(), "S8: an event without a channel belongs to the connection");
        let is_encrypted = channel.is_some_and(|channel| channel.starts_with("private-encrypted-"));
        assert!(!is_encrypted, "E1: the input is not encrypted with the key");
        assert_eq!(Some(batch.data(index)), Some(&*frame.data.text()));
        assert_eq!(batch.user_id(index), frame.user_id.as_deref());
    }
    assert_eq!(events.next(), None);
}
