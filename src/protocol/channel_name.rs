//! Channel names: their check, and the kind of channel that a name determines.

use crate::Error;

/// The servers' limit. The hosted service documents 164 characters, its server libraries check 200.
const MAX_CHARACTERS: usize = 200;

/// The prefix of the channel of a signed-in user. The client itself subscribes to it.
pub(crate) const SERVER_TO_USER: &str = "#server-to-user-";

/// Checks a channel name before it is used.
///
/// # Errors
///
/// [`Error::ChannelName`] when it is empty, longer than 200 characters, or has a character other than
/// `A-Z a-z 0-9 _ - = @ , . ;`; `#` is allowed as the beginning of a server-to-user channel.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-=@,.;".contains(c);
    let body = name.strip_prefix(SERVER_TO_USER).unwrap_or(name);
    let reason = if body.is_empty() {
        "it is empty"
    } else if name.chars().count() > MAX_CHARACTERS {
        "it is longer than 200 characters"
    } else if !body.chars().all(allowed) {
        "only A-Z a-z 0-9 _ - = @ , . ; are allowed"
    } else {
        return Ok(());
    };
    // The name is cut, because it may come from outside of the program, and errors are logged.
    Err(Error::ChannelName { name: name.chars().take(MAX_CHARACTERS).collect(), reason })
}

/// The prefix of a kind that the name has in another case of letters. `None` if the case is right, or there is no
/// prefix.
pub(crate) fn prefix_of_another_case(name: &str) -> Option<&'static str> {
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let (prefix, _) = ChannelKind::PREFIXES.iter().find(|(prefix, _)| begins(prefix))?;
    (!name.starts_with(prefix)).then_some(*prefix)
}

/// The kinds of channels, by the prefixes of their names, which are case-sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    Public,
    Cache,
    Private,
    PrivateCache,
    Encrypted,
    EncryptedCache,
    Presence,
    PresenceCache,
    ServerToUser,
}

impl ChannelKind {
    /// Longer prefixes come before shorter ones that they begin with.
    const PREFIXES: [(&'static str, Self); 8] = [
        ("private-encrypted-cache-", Self::EncryptedCache),
        ("private-encrypted-", Self::Encrypted),
        ("private-cache-", Self::PrivateCache),
        ("presence-cache-", Self::PresenceCache),
        (SERVER_TO_USER, Self::ServerToUser),
        ("presence-", Self::Presence),
        ("private-", Self::Private),
        ("cache-", Self::Cache),
    ];

    pub fn of(name: &str) -> Self {
        let found = Self::PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
        found.map_or(Self::Public, |(_, kind)| *kind)
    }

    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Encrypted | Self::EncryptedCache)
    }

    pub fn is_presence(self) -> bool {
        matches!(self, Self::Presence | Self::PresenceCache)
    }

    /// Whether clients may send events on it.
    pub fn carries_client_events(self) -> bool {
        self.needs_auth() && !self.is_encrypted()
    }

    /// Whether a subscription must carry a signature.
    pub fn needs_auth(self) -> bool {
        !matches!(self, Self::Public | Self::Cache | Self::ServerToUser)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_a_prefix_in_another_case_is_detected() {
        for (name, prefix) in [
            ("Private-orders", Some("private-")),
            ("PRESENCE-x", Some("presence-")),
            ("private-Encrypted-x", Some("private-encrypted-")),
            ("Cache-x", Some("cache-")),
            ("private-x", None),
            ("private-encrypted-cache-x", None),
            ("Privateer", None),
            ("room", None),
            ("", None),
        ] {
            assert_eq!(prefix_of_another_case(name), prefix, "{name}");
        }
    }

    #[test]
    fn s7_the_longest_prefix_names_the_kind() {
        let kinds = [
            ("private-encrypted-cache-x", ChannelKind::EncryptedCache),
            ("private-encrypted-x", ChannelKind::Encrypted),
            ("private-cache-x", ChannelKind::PrivateCache),
            ("presence-cache-x", ChannelKind::PresenceCache),
            ("private-x", ChannelKind::Private),
            ("private-encrypted", ChannelKind::Private),
            ("presence-x", ChannelKind::Presence),
            ("cache-x", ChannelKind::Cache),
            ("#server-to-user-x", ChannelKind::ServerToUser),
            ("Private-x", ChannelKind::Public),
            ("private", ChannelKind::Public),
            ("x", ChannelKind::Public),
        ];
        for (name, kind) in kinds {
            assert_eq!(ChannelKind::of(name), kind, "{name}");
        }
        assert!(!ChannelKind::Cache.needs_auth() && ChannelKind::PrivateCache.needs_auth());
    }

    #[test]
    fn s7_names_are_checked() {
        let long = "x".repeat(200);
        for good in ["a", "A-z_0=@,.;", "presence-room", "#server-to-user-7", &long] {
            assert!(check(good).is_ok(), "{good}");
        }
        let too_long = "x".repeat(201);
        for bad in ["", "a b", "a/b", "a#b", "#room", "#server-to-user-", "ż", "a\r\nb", "a:b", &too_long] {
            assert!(matches!(check(bad), Err(Error::ChannelName { .. })), "{bad}");
        }
    }
}
