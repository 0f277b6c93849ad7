//! The channels of the service, and their members.
//!
//! | channel | members | events |
//! |---|---|---|
//! | `private-user-bob` | Bob | notifications of the application for Bob |
//! | `private-user-bob-from-ann` | Bob and Ann | notifications of Ann for Bob |
//!
//! A private channel does not name the sender of a client event, and all its members receive everything. So each
//! direction of each pair has a channel: its name is the sender, because the backend admits only these two users.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a user: lower-case letters and digits. It becomes a part of channel names and file names. Other characters
/// could turn it into the name of another user, or into a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct User(String);

impl User {
    const MAX: usize = 32;

    pub(crate) fn parse(id: &str) -> Result<Self, String> {
        let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if (1..=Self::MAX).contains(&id.len()) && id.chars().all(is_valid) {
            Ok(Self(id.to_owned()))
        } else {
            Err(format!("a user's id has 1 to {} lower-case letters or digits", Self::MAX))
        }
    }
}

impl TryFrom<String> for User {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        Self::parse(&id)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The channel on which the application notifies a user.
pub(crate) fn own(user: &User) -> String {
    format!("private-user-{user}")
}

/// The channel on which one user notifies another.
pub(crate) fn push(from: &User, to: &User) -> String {
    format!("private-user-{to}-from-{from}")
}

/// Whether a user may subscribe to a channel. The backend decides that, because a client could lie.
pub(crate) fn may_enter(user: &User, channel: &str) -> bool {
    let Some(rest) = channel.strip_prefix("private-user-") else { return false };
    match rest.split_once("-from-") {
        None => User::parse(rest).as_ref() == Ok(user),
        Some((to, from)) => match (User::parse(to), User::parse(from)) {
            (Ok(to), Ok(from)) => *user == to || *user == from,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> User {
        User::parse(id).expect("a valid id")
    }

    #[test]
    fn ids_have_only_lower_case_letters_and_digits() {
        for bad in ["", "Ann", "a b", "../ann", "ann-from-bob", "ż", "a\n", &"a".repeat(33)] {
            assert!(User::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(user("ann7").to_string(), "ann7");
    }

    #[test]
    fn a_user_may_enter_the_own_channel_and_those_of_the_own_pairs() {
        let (ann, bob, cid) = (user("ann"), user("bob"), user("cid"));
        assert!(may_enter(&bob, &own(&bob)));
        assert!(!may_enter(&ann, &own(&bob)));
        let from_ann = push(&ann, &bob);
        assert!(may_enter(&ann, &from_ann) && may_enter(&bob, &from_ann));
        assert!(!may_enter(&cid, &from_ann));
    }

    #[test]
    fn channels_of_another_form_are_refused() {
        let ann = user("ann");
        let others =
            ["", "ann", "private-ann", "private-user-", "presence-user-ann", "private-user-ann ", "private-user-Ann"];
        let pairs = ["private-user-ann-from-", "private-user-ann-from-bob-from-cid", "private-encrypted-user-ann"];
        for channel in others.into_iter().chain(pairs) {
            assert!(!may_enter(&ann, channel), "{channel:?}");
        }
    }
}
