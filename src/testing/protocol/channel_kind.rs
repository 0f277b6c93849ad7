//! The kinds of channels, which their names begin with.
//!
//! The client has a table of its own: with one for both, the server would be wrong in the same way as the client.

/// What a name says about its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelKind {
    pub access: Access,
    /// Whether the last event is kept for those who subscribe later.
    pub cached: bool,
}

/// Who may subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Public,
    /// Who has a signature for it.
    Private,
    /// Who has a signature for it; what is published there is encrypted.
    Encrypted,
    /// Who has a signature for it and for his member's data.
    Presence,
    /// The signed-in user whom it belongs to.
    User,
}

/// A longer prefix comes before the shorter one that it begins with. The case matters.
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
/// soketi, Reverb and the server libraries allow 200 characters; the hosted service documents 164.
pub(crate) const MAX_NAME: usize = 200;

impl ChannelKind {
    pub fn of(channel: &str) -> Self {
        let found = PREFIXES.iter().find(|(prefix, ..)| channel.starts_with(prefix));
        found.map_or(Self { access: Access::Public, cached: false }, |&(_, access, cached)| Self { access, cached })
    }
}

/// The user whom a channel belongs to.
pub(crate) fn user_of(channel: &str) -> Option<&str> {
    channel.strip_prefix(SERVER_TO_USER).filter(|user| !user.is_empty())
}

/// The channel that belongs to a user.
pub(crate) fn channel_of(user: &str) -> String {
    format!("{SERVER_TO_USER}{user}")
}

/// Letters, digits and `_ - = @ , . ;`, at most 200 of them.
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
    fn a_prefix_stands_at_the_beginning_in_lower_case() {
        for name in ["my-private-room", "Private-x", "PRESENCE-x", "private", "presence_x", "encrypted-x"] {
            assert_eq!(ChannelKind::of(name), ChannelKind { access: Access::Public, cached: false }, "{name}");
        }
        assert_eq!(ChannelKind::of("private-Encrypted-x").access, Access::Private);
        assert_eq!(ChannelKind::of("presence-encrypted-x").access, Access::Presence);
    }

    #[test]
    fn other_characters_and_lengths_are_not_names() {
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
