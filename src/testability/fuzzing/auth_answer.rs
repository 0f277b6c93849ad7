//! The answers of authorizers (A5).

use std::{collections::BTreeMap, str};

use serde_json::{Value, value::RawValue};

use super::{bytes::Bytes, lossy::lossy};
use crate::protocol::{auth_response, channel_name::ChannelKind, frame::Outgoing, secretbox::SharedSecret};

const CHANNELS: [&str; 4] = ["private-a", "presence-a", "private-encrypted-a", "private-encrypted-cache-a"];

/// The first byte chooses the channel, the others are the body of the answer.
pub fn auth_answer(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let channel = bytes.pick(&CHANNELS);
    let body = bytes.rest();
    check_channel(body, channel);
    check_user(body);
}

fn check_channel(body: &[u8], channel: &str) {
    let read = auth_response::channel_from(body, channel);
    let auth = match read.and_then(|auth| auth_response::check_channel(&auth, channel).map(|()| auth)) {
        Ok(auth) => auth,
        Err(reason) => return check_reason(&reason),
    };
    let answer = fields(body);
    check_signature(auth.signature(), &answer);
    assert_eq!(auth.member(), answer["channel_data"].as_str(), "A6: it is kept byte for byte");
    if ChannelKind::of(channel).is_encrypted() {
        let key = auth.key().expect("an encrypted channel has a key");
        assert_eq!(answer["shared_secret"].as_str(), Some(key));
        let kept = SharedSecret::from_base64(key).expect("it has been checked").to_base64();
        assert_eq!(kept, key, "A5: a key is never padded or cut");
    }
    check_message(Outgoing::Subscribe { channel, auth: Some(auth.signature()), channel_data: auth.member() }, |data| {
        assert_eq!(data["auth"].as_str(), Some(auth.signature()));
        assert_eq!(data["channel_data"].as_str(), auth.member());
        assert_eq!(data["channel"].as_str(), Some(channel));
        assert_eq!(data.as_object().map(|data| data.len()), Some(2 + usize::from(auth.member().is_some())));
    });
}

fn check_user(body: &[u8]) {
    let read = auth_response::user_from(body);
    let (auth, id) = match read.and_then(|auth| auth_response::user_of(&auth).map(|id| (auth, id))) {
        Ok(permission) => permission,
        Err(reason) => return check_reason(&reason),
    };
    let answer = fields(body);
    check_signature(auth.signature(), &answer);
    assert_eq!(answer["user_data"].as_str(), Some(auth.data()));
    assert!(!id.is_empty());
    assert_eq!(fields(auth.data().as_bytes())["id"].as_str(), Some(&*id));
    check_message(Outgoing::SignIn { auth: auth.signature(), user_data: auth.data() }, |data| {
        assert_eq!(data["auth"].as_str(), Some(auth.signature()));
        assert_eq!(data["user_data"].as_str(), Some(auth.data()));
    });
}

fn check_signature(signature: &str, answer: &Value) {
    assert!(!signature.is_empty() && !signature.contains(char::is_control));
    assert_eq!(answer["auth"].as_str(), Some(signature));
}

/// X1: a reason is a text of this crate, and quotes nothing of the answer.
fn check_reason(reason: &str) {
    let completes_the_sentence = ["is ", "has "].iter().any(|verb| reason.starts_with(verb));
    assert!(completes_the_sentence && reason.is_ascii() && reason.len() < 80, "{reason}");
}

fn check_message(message: Outgoing<'_>, check: impl FnOnce(&Value)) {
    let text = message.to_text();
    assert!(!text.contains(|c: char| c < ' '), "a message is one line: {text:?}");
    check(&json(text.as_bytes())["data"]);
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text.trim_ascii()).expect("what was accepted is JSON")
}

/// The fields of an object, which may be encoded in a string. Unreadable values, such as a number that is too large,
/// are skipped: they can only be in fields that the client ignores.
fn fields(body: &[u8]) -> Value {
    let body = lossy(str::from_utf8(body).expect("UTF-8 was accepted"));
    let body = without_mark(&body);
    let inner = serde_json::from_str::<String>(body).ok().map(|inner| lossy(&inner));
    let object = inner.as_deref().map_or(body, without_mark);
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(object).expect("an object was accepted");
    fields.into_iter().filter_map(|(name, raw)| Some((name, serde_json::from_str::<Value>(raw.get()).ok()?))).collect()
}

fn without_mark(text: &str) -> &str {
    let text = text.trim_ascii();
    text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii()
}
