//! What those who authorise answer, checked before it is used (A5).
//!
//! A reason completes the sentence "the answer ...", and never repeats what is in the answer.

use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::{name::ChannelKind, sealed::SharedSecret};
use crate::{ChannelAuth, UserAuth};

/// The permission for a channel, out of the body of an endpoint's answer.
pub(crate) fn channel_from(body: &[u8], channel: &str) -> Result<ChannelAuth, String> {
    let mut answer = object(body)?;
    let mut auth = ChannelAuth::new(required(&mut answer, "auth")?);
    if let Some(data) = text(&mut answer, "channel_data")? {
        auth = auth.channel_data(data);
    }
    // On other channels nobody looks at it.
    if ChannelKind::of(channel).is_encrypted() {
        auth = auth.shared_secret(required(&mut answer, "shared_secret")?);
    }
    checked_channel(auth, channel)
}

/// The proof of who the user is, out of the body of an endpoint's answer.
pub(crate) fn user_from(body: &[u8]) -> Result<UserAuth, String> {
    let mut answer = object(body)?;
    let auth = required(&mut answer, "auth")?;
    checked_user(UserAuth::new(auth, required(&mut answer, "user_data")?))
}

/// A permission that can be used for this channel. That a presence channel needs `channel_data` is not looked at, because a
/// sign-in may stand in for it (A7).
pub(crate) fn checked_channel(auth: ChannelAuth, channel: &str) -> Result<ChannelAuth, String> {
    check_signature(auth.signature())?;
    if ChannelKind::of(channel).is_encrypted() {
        let key = auth.key().ok_or("has no `shared_secret`")?;
        SharedSecret::from_base64(key).map_err(|reason| format!("has a `shared_secret` that {reason}"))?;
    }
    Ok(auth)
}

/// A proof whose `user_data` names somebody.
pub(crate) fn checked_user(auth: UserAuth) -> Result<UserAuth, String> {
    user_of(&auth)?;
    Ok(auth)
}

/// Whom a proof names.
pub(crate) fn user_of(auth: &UserAuth) -> Result<String, String> {
    check_signature(auth.signature())?;
    let mut user: Value = serde_json::from_str(auth.data()).map_err(|_| "has a `user_data` that is not JSON")?;
    match user.get_mut("id").map(Value::take) {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err("has a `user_data` without an `id` that is text and not empty".to_owned()),
    }
}

fn check_signature(auth: &str) -> Result<(), String> {
    if auth.is_empty() {
        return Err("has an empty `auth`".to_owned());
    }
    if auth.contains(char::is_control) {
        return Err("has control characters in `auth`".to_owned());
    }
    Ok(())
}

/// The members of an answer. What nobody takes out of it is wiped all the same (X1).
struct Fields(Map<String, Value>);

impl Drop for Fields {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

fn object(body: &[u8]) -> Result<Fields, String> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Err("is empty".to_owned());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Fields(object)),
        Ok(Value::Null) => Err("is null".to_owned()),
        Ok(_) => Err("is not a JSON object".to_owned()),
        Err(_) if body.starts_with(b"<") => Err("is HTML, not JSON".to_owned()),
        Err(_) => Err("is not JSON".to_owned()),
    }
}

fn required(object: &mut Fields, key: &str) -> Result<String, String> {
    text(object, key)?.ok_or_else(|| format!("has no `{key}`"))
}

/// Some servers write `null` for what there is not.
fn text(object: &mut Fields, key: &str) -> Result<Option<String>, String> {
    match object.0.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("has a `{key}` that is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn reason(body: &str, channel: &str) -> String {
        channel_from(body.as_bytes(), channel).map(drop).expect_err(body)
    }

    #[test]
    fn a5_every_malformed_answer_has_a_reason() {
        let cases = [
            ("", "is empty"),
            (" \r\n", "is empty"),
            ("<html>canary</html>", "is HTML, not JSON"),
            ("canary", "is not JSON"),
            (r#"{"auth":"canary""#, "is not JSON"),
            ("null", "is null"),
            ("[]", "is not a JSON object"),
            (r#""canary""#, "is not a JSON object"),
            ("{}", "has no `auth`"),
            (r#"{"auth":null}"#, "has no `auth`"),
            (r#"{"auth":7}"#, "has a `auth` that is not a string"),
            (r#"{"auth":["canary"]}"#, "has a `auth` that is not a string"),
            (r#"{"auth":""}"#, "has an empty `auth`"),
            (r#"{"auth":"canary\r\n"}"#, "has control characters in `auth`"),
            (r#"{"auth":"canary\u0000"}"#, "has control characters in `auth`"),
            (r#"{"auth":"k:s","channel_data":{"user_id":7}}"#, "has a `channel_data` that is not a string"),
        ];
        for (body, expected) in cases {
            assert_eq!(reason(body, "private-a"), expected, "{body}");
        }
        assert_eq!(reason(&"[".repeat(100_000), "private-a"), "is not JSON");
        assert!(channel_from(&[255, 254], "private-a").is_err());
    }

    #[test]
    fn a5_an_encrypted_channel_needs_a_whole_key() {
        for channel in ["private-encrypted-a", "private-encrypted-cache-a"] {
            assert_eq!(reason(r#"{"auth":"k:s"}"#, channel), "has no `shared_secret`");
            let longer = format!("{}=", KEY.replace('=', "A"));
            let broken = ["", "AAAA", "canary", KEY.trim_end_matches('='), &longer, &KEY.replace('M', "_")];
            for key in broken {
                let body = format!(r#"{{"auth":"k:s","shared_secret":"{key}"}}"#);
                assert!(reason(&body, channel).starts_with("has a `shared_secret` that is not"), "{key}");
                assert!(!reason(&body, channel).contains("canary"));
            }
            let good = format!(r#"{{"auth":"k:s","shared_secret":"{KEY}"}}"#);
            assert_eq!(channel_from(good.as_bytes(), channel).expect("whole").key(), Some(KEY));
        }
        assert!(channel_from(br#"{"auth":"k:s","shared_secret":7}"#, "private-a").is_ok(), "nobody looks at it");
        assert!(checked_channel(ChannelAuth::new("k:s"), "private-encrypted-a").is_err());
    }

    #[test]
    fn a6_channel_data_is_kept_byte_for_byte_and_may_be_missing() {
        let body = r#"{"auth":"k:s","channel_data":"{\"user_id\": 7 , \"x\":\"\u017c\"}","more":1}"#;
        let auth = channel_from(body.as_bytes(), "presence-a").expect("good");
        assert_eq!(auth.member(), Some("{\"user_id\": 7 , \"x\":\"ż\"}"));
        let without = channel_from(br#"{"auth":"k:s","channel_data":null}"#, "presence-a").expect("good");
        assert_eq!((without.signature(), without.member()), ("k:s", None));
    }

    #[test]
    fn a5_a_sign_in_needs_user_data_with_an_id() {
        let reason = |body: &str| user_from(body.as_bytes()).map(drop).expect_err(body);
        assert_eq!(reason(r#"{"auth":"k:s"}"#), "has no `user_data`");
        assert_eq!(reason(r#"{"auth":"k:s","user_data":{"id":"7"}}"#), "has a `user_data` that is not a string");
        assert_eq!(reason(r#"{"auth":"k:s","user_data":"canary"}"#), "has a `user_data` that is not JSON");
        for data in ["null", "[]", "{}", r#"{\"id\":7}"#, r#"{\"id\":\"\"}"#] {
            assert!(reason(&format!(r#"{{"auth":"k:s","user_data":"{data}"}}"#)).contains("`id`"), "{data}");
        }
        let good = user_from(br#"{"auth":"k:s","user_data":"{\"id\":\"7\"}"}"#).expect("good");
        assert_eq!((good.signature(), good.data()), ("k:s", r#"{"id":"7"}"#));
    }
}
