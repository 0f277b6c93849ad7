//! Answers of authorizers: read from JSON, and checked before their use (A5).
//!
//! A reason completes the sentence "the answer ...", and never quotes the answer.

use std::{collections::BTreeMap, str};

use serde::Deserialize;
use serde_json::value::RawValue;

use zeroize::Zeroizing;

use super::{channel_name::ChannelKind, json::string, secretbox::SharedSecret};
use crate::{ChannelAuth, Error, UserAuth, surrogates};

impl ChannelAuth {
    /// Reads the answer of an auth endpoint: a JSON object with `auth`, and optionally `channel_data` and
    /// `shared_secret`. The client checks the permission against its channel when it uses it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPermission`] if the text is not such an object. The error never repeats the text.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let auth = AuthResponse::read(text.as_bytes(), |answer| {
            let auth = signed(answer.auth, answer.channel_data)?;
            let key = self::text(answer.shared_secret, "shared_secret")?;
            Ok(key.into_iter().fold(auth, Self::shared_secret))
        });
        auth.map_err(malformed)
    }

    /// The JSON object that an auth endpoint returns, as [`from_json`](Self::from_json) reads it. It contains secrets.
    pub fn to_json(&self) -> String {
        to_json([("auth", Some(self.signature())), ("channel_data", self.member()), ("shared_secret", self.key())])
    }
}

impl UserAuth {
    /// Reads the answer of a user authentication endpoint: a JSON object with `auth` and `user_data`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPermission`] if the text is not such an object, or the user has no id. The error never repeats the
    /// text.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let auth = user_from(text.as_bytes()).map_err(malformed)?;
        user_of(&auth).map_err(malformed)?;
        Ok(auth)
    }

    /// The JSON object that a user authentication endpoint returns, as [`from_json`](Self::from_json) reads it. It contains
    /// secrets.
    pub fn to_json(&self) -> String {
        to_json([("auth", Some(self.signature())), ("user_data", Some(self.data()))])
    }
}

fn malformed(reason: String) -> Error {
    Error::InvalidPermission { reason }
}

fn to_json<const N: usize>(fields: [(&str, Option<&str>); N]) -> String {
    let fields: BTreeMap<_, _> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    serde_json::to_string(&fields).expect("strings under string keys always serialise")
}

/// The permission for a channel in the body of an endpoint's answer. It is not [checked](check_channel).
pub(crate) fn channel_from(body: &[u8], channel: &str) -> Result<ChannelAuth, String> {
    AuthResponse::read(body, |answer| {
        let mut auth = signed(answer.auth, answer.channel_data)?;
        // Other channels have no key.
        if ChannelKind::of(channel).is_encrypted() {
            auth = auth.shared_secret(required(answer.shared_secret, "shared_secret")?);
        }
        Ok(auth)
    })
}

/// The parts of a permission that all channels use.
fn signed(auth: Option<&RawValue>, channel_data: Option<&RawValue>) -> Result<ChannelAuth, String> {
    let auth = ChannelAuth::new(required(auth, "auth")?);
    Ok(text(channel_data, "channel_data")?.into_iter().fold(auth, ChannelAuth::channel_data))
}

/// The permission of the user in the body of an endpoint's answer. It is not [checked](user_of).
pub(crate) fn user_from(body: &[u8]) -> Result<UserAuth, String> {
    AuthResponse::read(body, |answer| {
        let auth = required(answer.auth, "auth")?;
        Ok(UserAuth::new(auth, required(answer.user_data, "user_data")?))
    })
}

/// Checks that a permission is usable for this channel. A presence channel may lack `channel_data`, because a sign-in
/// can replace it (A7).
pub(crate) fn check_channel(auth: &ChannelAuth, channel: &str) -> Result<(), String> {
    check_signature(auth.signature())?;
    if ChannelKind::of(channel).is_encrypted() {
        let key = auth.key().ok_or("has no `shared_secret`")?;
        SharedSecret::from_base64(key).map_err(|reason| format!("has a `shared_secret` that {reason}"))?;
    }
    Ok(())
}

/// The id of the user in a permission, which is checked.
pub(crate) fn user_of(auth: &UserAuth) -> Result<String, String> {
    check_signature(auth.signature())?;
    #[derive(Deserialize)]
    struct UserData {
        id: String,
    }
    serde_json::from_str::<&RawValue>(auth.data()).map_err(|_| "has a `user_data` that is not JSON")?;
    match surrogates::from_json(auth.data()) {
        Ok(UserData { id }) if !id.is_empty() => Ok(id),
        _ => Err("has a `user_data` whose `id` is not a non-empty string".to_owned()),
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

/// The fields of an endpoint's answer. They stay JSON text until they are needed: values take many times the memory of
/// their text, and eight answers may arrive at once.
#[derive(Deserialize)]
struct AuthResponse<'a> {
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
    #[serde(borrow)]
    channel_data: Option<&'a RawValue>,
    #[serde(borrow)]
    shared_secret: Option<&'a RawValue>,
    #[serde(borrow)]
    user_data: Option<&'a RawValue>,
}

impl<'a> AuthResponse<'a> {
    /// Parses the answer for `make`. Some endpoints encode it twice, as a JSON string that contains the object.
    fn read<T>(body: &[u8], make: impl FnOnce(AuthResponse<'_>) -> Result<T, String>) -> Result<T, String> {
        // This checks all of the body: serde_json does not check the parts that it skips.
        let body = without_mark(str::from_utf8(body).map_err(|_| "is not UTF-8")?);
        if !body.starts_with('"') {
            return AuthResponse::repaired(body, make);
        }
        let raw: &RawValue = serde_json::from_str(body).map_err(|_| "is not JSON")?;
        let inner = decoded(raw.get()).ok_or("is not JSON")?;
        let object = Some(without_mark(&inner)).filter(|inner| inner.starts_with('{'));
        AuthResponse::repaired(object.ok_or("is not a JSON object")?, make)
    }

    /// A lone surrogate becomes U+FFFD (D1), also in an unknown key.
    fn repaired<T>(body: &str, make: impl FnOnce(AuthResponse<'_>) -> Result<T, String>) -> Result<T, String> {
        let repaired = surrogates::repaired(body);
        make(AuthResponse::of(repaired.as_deref().map_or(body, String::as_str))?)
    }

    fn of(body: &'a str) -> Result<Self, String> {
        let reason = match body.bytes().next() {
            None => "is empty",
            Some(b'<') => "is HTML, not JSON",
            // A derived `Deserialize` would also accept a list with the fields in their order.
            Some(b'{') => match serde_json::from_str(body) {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_data() => "has a field twice",
                Err(_) => "is not JSON",
            },
            Some(_) => match serde_json::from_str::<&RawValue>(body) {
                Ok(raw) if raw.get() == "null" => "is null",
                Ok(_) => "is not a JSON object",
                Err(_) => "is not JSON",
            },
        };
        Err(reason.to_owned())
    }
}

/// Strips the byte order mark that some servers send. It is not part of JSON.
fn without_mark(text: &str) -> &str {
    let text = text.trim_ascii();
    text.strip_prefix('\u{feff}').map_or(text, str::trim_ascii)
}

fn required(raw: Option<&RawValue>, key: &str) -> Result<String, String> {
    text(raw, key)?.ok_or_else(|| format!("has no `{key}`"))
}

/// Some servers write `null` for a missing value.
fn text(raw: Option<&RawValue>, key: &str) -> Result<Option<String>, String> {
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(None) };
    let not_text = || format!("has a field `{key}` that is not a string");
    decoded(raw).map(|mut text| Some(std::mem::take(&mut *text))).ok_or_else(not_text)
}

/// Decodes a JSON string. Returns `None` for any other value.
fn decoded(raw: &str) -> Option<Zeroizing<String>> {
    let content = raw.strip_prefix('"')?.strip_suffix('"')?;
    // In one piece, which is wiped unless it is handed out; serde_json would unescape it in memory of its own (X1).
    let mut text = Zeroizing::new(String::with_capacity(content.len()));
    string::decode(content, &mut text);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    /// As a request to an endpoint reads and checks its answer.
    fn channel_from(body: &[u8], channel: &str) -> Result<ChannelAuth, String> {
        let auth = super::channel_from(body, channel)?;
        check_channel(&auth, channel).map(|()| auth)
    }

    fn user_from(body: &[u8]) -> Result<UserAuth, String> {
        let auth = super::user_from(body)?;
        user_of(&auth).map(|_| auth)
    }

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
            (r#"{"auth":7}"#, "has a field `auth` that is not a string"),
            (r#"{"auth":["canary"]}"#, "has a field `auth` that is not a string"),
            (r#"{"auth":""}"#, "has an empty `auth`"),
            (r#"{"auth":"canary\r\n"}"#, "has control characters in `auth`"),
            (r#"{"auth":"canary\u0000"}"#, "has control characters in `auth`"),
            (r#"{"auth":"k:s","auth":"k:t"}"#, "has a field twice"),
            (r#"["k:s",null,null,null]"#, "is not a JSON object"),
            (r#"{"auth":"k:s","channel_data":{"user_id":7}}"#, "has a field `channel_data` that is not a string"),
        ];
        for (body, expected) in cases {
            assert_eq!(reason(body, "private-a"), expected, "{body}");
        }
        assert_eq!(reason(&"[".repeat(100_000), "private-a"), "is not JSON");
        assert!(channel_from(&[255, 254], "private-a").is_err());
    }

    #[test]
    fn a1_a_byte_order_mark_and_an_object_in_a_string_are_accepted() {
        let good = [
            "\u{feff}{\"auth\":\"k:s\"}",
            "\u{feff} \r\n{\"auth\":\"k:s\"}",
            " \u{feff}{\"auth\":\"k:s\"}",
            r#""{\"auth\":\"k:s\"}""#,
            r#" "{\"auth\":\"k:s\"}" "#,
            r#""\n {\u0022auth\u0022:\u0022k:s\u0022}\n""#,
            r#""\ufeff{\"auth\":\"k:s\"}""#,
            "\u{feff}\"\u{feff}{\\\"auth\\\":\\\"k:s\\\"}\"",
        ];
        for body in good {
            assert_eq!(channel_from(body.as_bytes(), "private-a").expect(body).signature(), "k:s");
        }
        let user = user_from(br#""{\"auth\":\"k:s\",\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}""#).expect("in a string");
        assert_eq!((user.signature(), user.data()), ("k:s", r#"{"id":"7"}"#));
        let bad = [
            ("\u{feff}", "is empty"),
            ("\u{feff}\u{feff}{\"auth\":\"k:s\"}", "is not JSON"),
            ("{\"auth\":\"k:s\"}\u{feff}", "is not JSON"),
            (r#""""#, "is not a JSON object"),
            (r#""null""#, "is not a JSON object"),
            (r#""[{\"auth\":\"k:s\"}]""#, "is not a JSON object"),
            (r#""\"{\\\"auth\\\":\\\"k:s\\\"}\"""#, "is not a JSON object"),
            (r#""{\"auth\":\"k:s\"""#, "is not JSON"),
            (r#""{\"auth\":\"k:s\"}"#, "is not JSON"),
            (r#""{\"auth\":\"k:s\"}" junk"#, "is not JSON"),
            (r#""{\"auth\":\"k:s\"}\ud800""#, "is not JSON"),
            (r#""{}""#, "has no `auth`"),
        ];
        for (body, expected) in bad {
            assert_eq!(reason(body, "private-a"), expected, "{body}");
        }
        assert!(channel_from(b"\xff\xfe{\0", "private-a").is_err(), "the mark of UTF-16");
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
        assert!(channel_from(br#"{"auth":"k:s","shared_secret":7}"#, "private-a").is_ok(), "other channels ignore it");
        assert!(check_channel(&ChannelAuth::new("k:s"), "private-encrypted-a").is_err());
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
    fn d1_a_lone_surrogate_in_an_answer_is_u_fffd() {
        let body = r#"{"\ud83d":1,"auth":"k:\ud83d","channel_data":"{\"user_id\":\"a\ude00\",\"x\":\"\\ud83d\"}"}"#;
        let auth = channel_from(body.as_bytes(), "presence-a").expect("good");
        assert_eq!(auth.signature(), "k:\u{fffd}");
        // A6: an escape inside the signed text is that text, and goes to the server as it is.
        assert_eq!(auth.member(), Some("{\"user_id\":\"a\u{fffd}\",\"x\":\"\\ud83d\"}"));
        let body = r#"{"auth":"k:s","user_data":"{\"id\":\"a\\ud83d\",\"\\ude00\":1}"}"#;
        let user = user_from(body.as_bytes()).expect("good");
        assert_eq!(user.data(), r#"{"id":"a\ud83d","\ude00":1}"#);
        assert_eq!(user_of(&user).as_deref(), Ok("a\u{fffd}"));
    }

    #[test]
    fn a5_a_sign_in_needs_user_data_with_an_id() {
        let reason = |body: &str| user_from(body.as_bytes()).map(drop).expect_err(body);
        assert_eq!(reason(r#"{"auth":"k:s"}"#), "has no `user_data`");
        assert_eq!(reason(r#"{"auth":"k:s","user_data":{"id":"7"}}"#), "has a field `user_data` that is not a string");
        assert_eq!(reason(r#"{"auth":"k:s","user_data":"canary"}"#), "has a `user_data` that is not JSON");
        for data in ["null", "[]", "{}", r#"{\"id\":7}"#, r#"{\"id\":\"\"}"#] {
            assert!(reason(&format!(r#"{{"auth":"k:s","user_data":"{data}"}}"#)).contains("`id`"), "{data}");
        }
        let good = user_from(br#"{"auth":"k:s","user_data":"{\"id\":\"7\"}"}"#).expect("good");
        assert_eq!((good.signature(), good.data()), ("k:s", r#"{"id":"7"}"#));
    }

    #[test]
    fn a5_the_answer_of_a_backend_is_read_unchanged() {
        let auth =
            ChannelAuth::from_json(r#"{"auth":"k:s","channel_data":"{\"user_id\":\"7\"}","shared_secret":null,"x":1}"#)
                .expect("an answer");
        assert_eq!((auth.signature(), auth.member(), auth.key()), ("k:s", Some(r#"{"user_id":"7"}"#), None));
        let again = ChannelAuth::from_json(&auth.to_json()).expect("its own answer");
        assert_eq!((again.signature(), again.member()), (auth.signature(), auth.member()));
        let user = UserAuth::from_json(r#"{"auth":"k:s","user_data":"{\"id\":\"7\"}"}"#).expect("an answer");
        assert_eq!(UserAuth::from_json(&user.to_json()).expect("its own answer").data(), r#"{"id":"7"}"#);
        for text in ["", "<html>", "{}", r#"{"auth":7}"#, r#"["k:canary"]"#, r#"{"auth":"canary""#] {
            let errors = [ChannelAuth::from_json(text).err(), UserAuth::from_json(text).err()];
            for error in errors {
                let error = error.expect("no answer").to_string();
                assert!(error.contains("the permission ") && !error.contains("canary"), "X1: {error}");
            }
        }
    }
}
