//! The app that the server knows, and its signatures.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Credentials of the app.
#[derive(Clone)]
pub(crate) struct App {
    pub id: String,
    pub key: String,
    pub secret: String,
}

impl Default for App {
    fn default() -> Self {
        Self { id: "app-id".into(), key: "app-key".into(), secret: "app-secret".into() }
    }
}

/// Bytes of a SHA-256 digest.
const DIGEST: usize = 32;

/// Leaves out the secret.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).field("key", &self.key).finish_non_exhaustive()
    }
}

impl App {
    /// The `auth` of a subscription or a sign-in: the key, a colon, and the signature of `text`.
    pub fn authorize(&self, text: &str) -> String {
        format!("{}:{}", self.key, sign(&self.secret, text))
    }

    /// Whether `auth` is the signature of this app for `text`. Like soketi, it refuses upper-case digits.
    pub fn is_authorized(&self, text: &str, auth: &str) -> bool {
        let signature = auth.strip_prefix(self.key.as_str()).and_then(|rest| rest.strip_prefix(':'));
        let digest = signature.and_then(digest);
        digest.is_some_and(|digest| mac(&self.secret, text).verify_slice(&digest).is_ok())
    }
}

/// The text that is signed for a subscription. Presence channels have `channel_data`.
pub(crate) fn channel_text(socket_id: &str, channel: &str, channel_data: Option<&str>) -> String {
    match channel_data {
        None => format!("{socket_id}:{channel}"),
        Some(channel_data) => format!("{socket_id}:{channel}:{channel_data}"),
    }
}

/// The text that is signed for a sign-in.
pub(crate) fn user_text(socket_id: &str, user_data: &str) -> String {
    format!("{socket_id}::user::{user_data}")
}

/// HMAC-SHA256 in hexadecimal digits.
pub(crate) fn sign(secret: &str, text: &str) -> String {
    hex(&mac(secret, text).finalize().into_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(secret: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of every length");
    mac.update(text.as_bytes());
    mac
}

/// The bytes of a digest. `None` unless the text consists of 64 lower-case digits.
fn digest(hex: &str) -> Option<[u8; DIGEST]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; DIGEST];
    if hex.len() != 2 * DIGEST {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = value(digits[0])? * 16 + value(digits[1])?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The app of Pusher's documentation.
    fn app() -> App {
        App { id: "3".into(), key: "278d425bdf160c739803".into(), secret: "7ad3773142a6692b25b8".into() }
    }

    const PRIVATE: &str = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";

    #[test]
    fn the_documented_texts_have_the_documented_signatures() {
        let presence = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        for (text, signature) in [
            (
                channel_text("1234.1234", "private-foobar", None),
                "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
            ),
            (
                // The documentation prints another digest, which belongs to "Mr. Pusher".
                channel_text("1234.1234", "presence-foobar", Some(presence)),
                "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
            ),
            (
                user_text("1234.1234", r#"{"id":"12345"}"#),
                "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
            ),
        ] {
            assert_eq!(app().authorize(&text), format!("278d425bdf160c739803:{signature}"), "{text}");
            assert!(app().is_authorized(&text, &app().authorize(&text)));
        }
    }

    #[test]
    fn other_signatures_are_refused() {
        let text = "1234.1234:private-foobar";
        assert!(app().is_authorized(text, PRIVATE));
        assert!(!app().is_authorized("1234.1235:private-foobar", PRIVATE));
        for auth in ["", ":", "x", "278d425bdf160c739803:", "278d425bdf160c739803:żó", &PRIVATE[21..], &PRIVATE[..84]]
        {
            assert!(!app().is_authorized(text, auth), "{auth}");
        }
        for (right, wrong) in [("58df", "68df"), ("58df", "58DF"), ("278d", "378d"), (":", "::")] {
            assert!(!app().is_authorized(text, &PRIVATE.replacen(right, wrong, 1)), "{wrong}");
        }
    }
}
