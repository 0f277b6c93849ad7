//! The kinds of channels, by the prefixes of their names.
//!
//! The client has its own table. With one table for both, a mistake in it would go unnoticed.

/// The properties of a channel that its name determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelKind {
    pub access: Access,
    /// Whether the channel keeps its last event for later subscribers.
    pub cached: bool,
}

/// The condition for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// None.
    Public,
    /// A signature.
    Private,
    /// A signature. The events of the channel are encrypted.
    Encrypted,
    /// A signature that covers the data of the member.
    Presence,
    /// The user whose channel it is must be signed in.
    User,
}

/// A longer prefix comes before a shorter one that it begins with. Prefixes are case-sensitive.
const PREFIXES: [(&str, Access, bool); 8] = [
    ("private-encrypted-cache-", Access::Encrypted, true),
    ("private-encrypted-", Access::Encrypted, false),
    ("private-cache-", Access::Private, true),
    ("private-", Access::Private, false),
    ("presence-cache-", Access::Presence, true),
    ("presence-", Access::Presence, false),
    ("cache-", Access::Public, true),
    (SERVER_TO_USER, Access::User, false),
];

const SERVER_TO_USER: &str = "#server-to-user-";
/// The limit of soketi, Reverb and the server libraries, in characters. The hosted service documents 164.
pub(crate) const MAX_NAME: usize = 200;

impl ChannelKind {
    pub fn of(channel: &str) -> Self {
        let found = PREFIXES.iter().find(|(prefix, ..)| channel.starts_with(prefix));
        found.map_or(Self { access: Access::Public, cached: false }, |&(_, access, cached)| Self { access, cached })
    }
}

/// The id in the name of a user's channel.
pub(crate) fn user_of(channel: &str) -> Option<&str> {
    channel.strip_prefix(SERVER_TO_USER).filter(|user| !user.is_empty())
}

/// The name of a user's channel.
pub(crate) fn channel_of(user: &str) -> String {
    format!("{SERVER_TO_USER}{user}")
}

/// Whether a name consists of 1 to 200 letters, digits and `_ - = @ , . ;`.
pub(crate) fn is_valid_name(channel: &str) -> bool {
    !channel.is_empty()
        && channel.len() <= MAX_NAME
        && channel.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        for (name, access, cached) in [
            ("room", Access::Public, false),
            ("cache-room", Access::Public, true),
            ("private-x", Access::Private, false),
            ("private-cache-x", Access::Private, true),
            ("private-encrypted-x", Access::Encrypted, false),
            ("private-encrypted-cache-x", Access::Encrypted, true),
            ("presence-x", Access::Presence, false),
            ("presence-cache-x", Access::Presence, true),
            ("#server-to-user-7", Access::User, false),
        ] {
            assert_eq!(ChannelKind::of(name), ChannelKind { access, cached }, "{name}");
        }
    }

    #[test]
    fn a_prefix_is_at_the_beginning_in_lower_case() {
        for name in ["my-private-room", "Private-x", "PRESENCE-x", "private", "presence_x", "encrypted-x"] {
            assert_eq!(ChannelKind::of(name), ChannelKind { access: Access::Public, cached: false }, "{name}");
        }
        assert_eq!(ChannelKind::of("private-Encrypted-x").access, Access::Private);
        assert_eq!(ChannelKind::of("presence-encrypted-x").access, Access::Presence);
    }

    #[test]
    fn names_with_other_characters_or_lengths_are_invalid() {
        assert!(is_valid_name("a_-=@,.;9"));
        assert!(is_valid_name(&"x".repeat(200)));
        let long = "x".repeat(201);
        for name in ["", "a b", "żółw", "#x", long.as_str()] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn a_user_has_a_channel() {
        assert_eq!(channel_of("7"), "#server-to-user-7");
        assert_eq!(user_of("#server-to-user-7"), Some("7"));
        assert_eq!(user_of("#server-to-user-"), None);
        assert_eq!(user_of("room"), None);
    }
}
