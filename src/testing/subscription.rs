//! Which channels may be subscribed to, and how a refusal reads.

use serde::Serialize;

/// soketi, Reverb and the server libraries allow 200 characters; the hosted service documents 164.
const MAX_NAME: usize = 200;

/// Why a subscription was refused: the `data` of `pusher:subscription_error`, with soketi's fields.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) error: &'static str,
    pub(super) status: u16,
}

impl Refusal {
    /// Sent when the connection has as many subscriptions as it may have.
    pub(super) const LIMIT_REACHED: Refusal =
        Refusal { kind: "LimitReached", error: "The connection has too many subscriptions.", status: 429 };

    const UNAUTHORIZED: Refusal = Refusal { kind: "AuthError", error: "The connection is unauthorized.", status: 401 };

    const INVALID_NAME: Refusal =
        Refusal { kind: "InvalidChannel", error: "The channel name is not valid.", status: 400 };
}

/// Decides whether a connection may subscribe to `channel`.
pub(super) fn check(channel: &str) -> Result<(), Refusal> {
    if !is_valid_name(channel) {
        return Err(Refusal::INVALID_NAME);
    }
    if requires_authorization(channel) {
        return Err(Refusal::UNAUTHORIZED);
    }
    Ok(())
}

/// Letters, digits and `_ - = @ , . ;`, at most 200 of them.
pub(super) fn is_valid_name(channel: &str) -> bool {
    !channel.is_empty()
        && channel.len() <= MAX_NAME
        && channel.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte))
}

fn requires_authorization(channel: &str) -> bool {
    channel.starts_with("private-") || channel.starts_with("presence-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_need_no_authorization() {
        for name in ["room", "cache-room", "a_-=@,.;9", "my-private-room"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn private_presence_and_encrypted_names_do() {
        for name in ["private-x", "presence-x", "private-encrypted-x"] {
            assert_eq!(check(name), Err(Refusal::UNAUTHORIZED), "{name}");
        }
    }

    #[test]
    fn other_characters_and_lengths_are_refused() {
        let long = "x".repeat(201);
        for name in ["", "a b", "żółw", "#x", long.as_str()] {
            assert_eq!(check(name), Err(Refusal::INVALID_NAME), "{name}");
        }
    }
}
