//! The channels of the service, and who may enter them.
//!
//! | channel | who is in it | what comes there |
//! |---|---|---|
//! | `private-user-bob` | Bob | what the application tells him |
//! | `private-user-bob-from-ann` | Bob and Ann | what Ann pushes to Bob |
//!
//! A private channel does not tell who sent a client event, and whoever is in it reads everything. So there is one for each
//! direction of each pair: its name tells the sender, because the backend lets nobody else in, and no third reads along.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a user: lower-case letters and digits. It goes into names of channels and files, where anything else could
/// make one user's name another's, or a path.
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

/// Whether a user may subscribe to a channel. The backend asks this; a client's own opinion would count for nothing.
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
    fn ids_can_be_neither_paths_nor_parts_of_other_names() {
        for bad in ["", "Ann", "a b", "../ann", "ann-from-bob", "ż", "a\n", &"a".repeat(33)] {
            assert!(User::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(user("ann7").to_string(), "ann7");
    }

    #[test]
    fn a_user_enters_his_own_channel_and_those_that_he_is_an_end_of() {
        let (ann, bob, cid) = (user("ann"), user("bob"), user("cid"));
        assert!(may_enter(&bob, &own(&bob)));
        assert!(!may_enter(&ann, &own(&bob)));
        let from_ann = push(&ann, &bob);
        assert!(may_enter(&ann, &from_ann) && may_enter(&bob, &from_ann));
        assert!(!may_enter(&cid, &from_ann));
    }

    #[test]
    fn nobody_enters_a_channel_of_another_form() {
        let ann = user("ann");
        let others =
            ["", "ann", "private-ann", "private-user-", "presence-user-ann", "private-user-ann ", "private-user-Ann"];
        let pairs = ["private-user-ann-from-", "private-user-ann-from-bob-from-cid", "private-encrypted-user-ann"];
        for channel in others.into_iter().chain(pairs) {
            assert!(!may_enter(&ann, channel), "{channel:?}");
        }
    }
}
