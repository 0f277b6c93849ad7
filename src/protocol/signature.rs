//! The signatures that authorise channels and users.
//!
//! "Authentication signatures" of the protocol's documentation
//! (<https://pusher.com/docs/channels/library_auth_reference/auth-signatures/>): the app's key, a colon, and the HMAC-SHA256
//! of a text, in lower-case hexadecimal digits, made with the app's secret.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::channel_name;
use crate::{ChannelAuth, UserAuth};

/// For backends: the permissions that an auth endpoint signs.
impl ChannelAuth {
    /// Signs the permission for a private channel on this connection. An encrypted channel also needs its
    /// [`shared_secret`](Self::shared_secret). Check first whether the user may subscribe.
    ///
    /// The client chooses the socket id and the channel's name, and a colon in one of them could make a signature valid
    /// for another channel. A socket id may therefore have only letters, digits, `.`, `-` and `_`, and the channel name
    /// must be valid. Otherwise the permission has an empty signature, which servers refuse.
    ///
    /// ```
    /// use pusher_channels::ChannelAuth;
    ///
    /// let auth = ChannelAuth::sign("app-key", "app-secret", "1234.1234", "private-orders");
    /// println!("{}", auth.to_json());
    /// ```
    pub fn sign(app_key: &str, app_secret: &str, socket_id: &str, channel: &str) -> Self {
        Self::new(signed(app_key, socket_id, Some(channel), || {
            self::channel(app_key, app_secret, socket_id, channel, None)
        }))
    }

    /// Signs the permission for a presence channel on this connection. `channel_data` is JSON text with `user_id` and
    /// optionally `user_info`. [`sign`](Self::sign) describes the names and ids that are not signed.
    ///
    /// ```
    /// use pusher_channels::ChannelAuth;
    ///
    /// let member = serde_json::json!({"user_id": "7", "user_info": {"name": "Ann"}}).to_string();
    /// let auth = ChannelAuth::sign_presence("app-key", "app-secret", "1234.1234", "presence-kitchen", member);
    /// println!("{}", auth.to_json());
    /// ```
    pub fn sign_presence(
        app_key: &str,
        app_secret: &str,
        socket_id: &str,
        channel: &str,
        channel_data: impl Into<String>,
    ) -> Self {
        let data = channel_data.into();
        let signature = signed(app_key, socket_id, Some(channel), || {
            self::channel(app_key, app_secret, socket_id, channel, Some(&data))
        });
        Self::new(signature).channel_data(data)
    }
}

/// For backends: the permission of a user to sign in, which a user authentication endpoint signs.
impl UserAuth {
    /// Signs the identity of the user of this connection. `user_data` is JSON text with `id`, and optionally
    /// `user_info` and `watchlist`. Like [`ChannelAuth::sign`], it signs nothing for an invalid socket id.
    pub fn sign(app_key: &str, app_secret: &str, socket_id: &str, user_data: impl Into<String>) -> Self {
        let data = user_data.into();
        let signature = signed(app_key, socket_id, None, || user(app_key, app_secret, socket_id, &data));
        Self::new(signature, data)
    }
}

/// Signs only if the text cannot be mistaken for the text of another permission.
fn signed(app_key: &str, socket_id: &str, channel: Option<&str>, sign: impl FnOnce() -> String) -> String {
    let is_of_an_id = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_id = !socket_id.is_empty() && socket_id.bytes().all(is_of_an_id);
    let is_name = channel.is_none_or(|channel| channel_name::check(channel).is_ok());
    if is_id && is_name { sign() } else { format!("{app_key}:") }
}

/// The `auth` of a subscription on this socket. For a presence channel it also covers `channel_data`.
pub(crate) fn channel(key: &str, secret: &str, socket_id: &str, channel: &str, channel_data: Option<&str>) -> String {
    match channel_data {
        None => sign(key, secret, &[socket_id, ":", channel]),
        Some(data) => sign(key, secret, &[socket_id, ":", channel, ":", data]),
    }
}

/// The `auth` of a sign-in on this socket.
pub(crate) fn user(key: &str, secret: &str, socket_id: &str, user_data: &str) -> String {
    sign(key, secret, &[socket_id, "::user::", user_data])
}

fn sign(key: &str, secret: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    // The capacity suffices for the whole text. A growing string would leave a part of it behind in memory (X1).
    let mut signature = String::with_capacity(key.len() + 65);
    signature.push_str(key);
    signature.push(':');
    for byte in mac.finalize().into_bytes() {
        for digit in [byte >> 4, byte & 15] {
            signature.extend(char::from_digit(digit.into(), 16));
        }
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "278d425bdf160c739803";
    const SECRET: &str = "7ad3773142a6692b25b8";

    #[test]
    fn a2_local_signatures_agree_with_the_documented_vectors() {
        assert_eq!(
            channel(KEY, SECRET, "1234.1234", "private-foobar", None),
            format!("{KEY}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4")
        );
        assert_eq!(
            user(KEY, SECRET, "1234.1234", r#"{"id":"12345"}"#),
            format!("{KEY}:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba")
        );
    }

    #[test]
    fn a2_signed_permissions_carry_the_signed_data() {
        let private = ChannelAuth::sign(KEY, SECRET, "1234.1234", "private-foobar");
        assert_eq!(private.signature(), channel(KEY, SECRET, "1234.1234", "private-foobar", None));
        assert_eq!((private.member(), private.key()), (None, None));
        let data = r#"{"user_id":"7"}"#;
        let presence = ChannelAuth::sign_presence(KEY, SECRET, "1.2", "presence-a", data);
        assert_eq!(presence.signature(), channel(KEY, SECRET, "1.2", "presence-a", Some(data)));
        assert_eq!(presence.member(), Some(data));
        for socket_id in ["", "1.2:private-other", "1.2::user::{}", "1.2\n", "1 2", "\u{17c}"] {
            let unsigned = ChannelAuth::sign(KEY, SECRET, socket_id, "private-a");
            assert_eq!(unsigned.signature(), format!("{KEY}:"), "{socket_id:?}");
            assert_eq!(UserAuth::sign(KEY, SECRET, socket_id, data).signature(), format!("{KEY}:"), "{socket_id:?}");
        }
        for channel in ["", "private-a:{}", "private a", "private-a\n"] {
            let unsigned = ChannelAuth::sign_presence(KEY, SECRET, "1.2", channel, data);
            assert_eq!(unsigned.signature(), format!("{KEY}:"), "{channel:?}");
        }
        let permission = UserAuth::sign(KEY, SECRET, "1.2", data);
        assert_eq!((permission.signature(), permission.data()), (&*user(KEY, SECRET, "1.2", data), data));
    }

    /// The documentation prints the digest for another name. Both digests are correct for their texts.
    #[test]
    fn a2_a_presence_signature_covers_the_channel_data() {
        let cases = [
            ("Mr. Channels", "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"),
            ("Mr. Pusher", "afaed369"),
        ];
        for (name, digest) in cases {
            let data = format!(r#"{{"user_id":10,"user_info":{{"name":"{name}"}}}}"#);
            let signature = channel(KEY, SECRET, "1234.1234", "presence-foobar", Some(&data));
            assert!(signature.starts_with(&format!("{KEY}:{digest}")), "{signature}");
        }
    }
}
