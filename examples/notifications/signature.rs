//! The signature by which the Pusher server believes that the backend has authorised a subscription.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What the backend answers in `auth` for a private channel: the app's key, a colon, and the HMAC-SHA256 of
/// `socket_id:channel_name`, made with the app's secret, in lower-case hexadecimal digits.
///
/// Presence channels sign `socket_id:channel_name:channel_data`. The documentation:
/// <https://pusher.com/docs/channels/library_auth_reference/auth-signatures/>
pub(crate) fn sign(key: &str, secret: &str, socket_id: &str, channel: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{socket_id}:{channel}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{key}:{digits}")
}

/// Whether a text has the form of a socket id: two numbers with a dot between them. Without this check, a client could
/// put a colon in and have the backend sign something that is not a subscription to the channel that it has looked at.
pub(crate) fn is_socket_id(text: &str) -> bool {
    let is_number = |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(before, after)| is_number(before) && is_number(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_documented_example() {
        assert_eq!(
            sign("278d425bdf160c739803", "7ad3773142a6692b25b8", "1234.1234", "private-foobar"),
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
    }

    #[test]
    fn a_socket_id_is_two_numbers() {
        assert!(is_socket_id("1234.5678"));
        for bad in ["", ".", "1", "1.", ".1", "1.2.3", "1.2:private-user-bob", "1.a", "-1.2", "1.2\n", "1.²"] {
            assert!(!is_socket_id(bad), "{bad:?}");
        }
    }
}
