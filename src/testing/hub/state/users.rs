//! The signed-in users and their watchlists.

use std::collections::{BTreeMap, BTreeSet};

use crate::testing::protocol::{client_message::UserData, watchlist::Statuses};

/// The signed-in users and their connections.
#[derive(Default)]
pub(crate) struct Users {
    signed_in: BTreeMap<u64, UserData>,
    /// Only users with connections.
    connections: BTreeMap<String, BTreeSet<u64>>,
}

impl Users {
    /// Adds a connection. Returns whether it is the user's first. The connection must not be signed in as another user.
    pub fn sign_in(&mut self, connection: u64, user: UserData) -> bool {
        let connections = self.connections.entry(user.id.clone()).or_default();
        let is_first = connections.is_empty();
        connections.insert(connection);
        self.signed_in.insert(connection, user);
        is_first
    }

    /// Removes a connection. Returns its user if it was the user's last connection.
    pub fn sign_out(&mut self, connection: u64) -> Option<String> {
        let user = self.signed_in.remove(&connection)?;
        let connections = self.connections.get_mut(&user.id)?;
        connections.remove(&connection);
        if !connections.is_empty() {
            return None;
        }
        self.connections.remove(&user.id);
        Some(user.id)
    }

    pub fn of(&self, connection: u64) -> Option<&UserData> {
        self.signed_in.get(&connection)
    }

    /// The connections on which a user is signed in.
    pub fn connections(&self, user: &str) -> impl Iterator<Item = u64> {
        self.connections.get(user).into_iter().flatten().copied()
    }

    /// The connections with this user on their watchlist.
    pub fn watchers(&self, user: &str) -> Vec<u64> {
        let watches = |watcher: &UserData| watcher.watchlist.iter().any(|id| id == user);
        self.signed_in.iter().filter(|(_, watcher)| watches(watcher)).map(|(&id, _)| id).collect()
    }

    pub fn statuses(&self, watchlist: &[String]) -> Statuses {
        let (online, offline) = watchlist.iter().cloned().partition(|user| self.connections.contains_key(user));
        Statuses { online, offline }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user_data: &str) -> UserData {
        UserData::parse(user_data).unwrap()
    }

    #[test]
    fn a_user_is_signed_in_from_the_first_to_the_last_connection() {
        let mut users = Users::default();
        assert!(users.sign_in(1, user(r#"{"id":"ann"}"#)));
        assert!(!users.sign_in(2, user(r#"{"id":"ann"}"#)));
        assert!(users.connections("ann").eq([1, 2]));
        assert_eq!(users.sign_out(1), None);
        assert_eq!(users.sign_out(1), None);
        assert_eq!(users.sign_out(2).as_deref(), Some("ann"));
        assert_eq!(users.connections("ann").count(), 0);
    }

    #[test]
    fn watchers_and_statuses_follow_the_watchlists() {
        let mut users = Users::default();
        users.sign_in(1, user(r#"{"id":"ann","watchlist":["bob","cid"]}"#));
        users.sign_in(2, user(r#"{"id":"bob"}"#));
        assert_eq!(users.watchers("bob"), [1]);
        assert!(users.watchers("ann").is_empty());
        let expected = Statuses { online: vec!["bob".into()], offline: vec!["cid".into()] };
        assert_eq!(users.statuses(&users.of(1).unwrap().watchlist), expected);
    }
}
