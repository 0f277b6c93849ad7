//! The members of one presence channel.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

/// The `channel_data` of a subscription, and the `data` of `pusher_internal:member_added`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Member {
    pub user_id: UserId,
    /// The JSON text as the client sent it, so that its fields keep their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_info: Option<Box<RawValue>>,
}

/// soketi passes numbers through as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum UserId {
    Text(String),
    Number(serde_json::Number),
}

/// The members in the order of their arrival.
#[derive(Default)]
pub(crate) struct Presence(Vec<Present>);

struct Present {
    member: Member,
    /// A user may have several connections.
    connections: BTreeSet<u64>,
}

impl Member {
    /// Reads `channel_data`. `None` if it is not an object with a user id.
    pub fn parse(channel_data: &str) -> Option<Self> {
        let member: Self = serde_json::from_str(channel_data).ok()?;
        (member.user_id != UserId::Text(String::new())).then_some(member)
    }
}

impl Presence {
    /// Adds a connection to its user. Returns whether it is the user's first connection.
    pub fn join(&mut self, connection: u64, member: &Member) -> bool {
        match self.0.iter_mut().find(|present| present.member.user_id == member.user_id) {
            Some(present) => {
                present.connections.insert(connection);
                false
            }
            None => {
                self.0.push(Present { member: member.clone(), connections: BTreeSet::from([connection]) });
                true
            }
        }
    }

    /// Removes a connection from its user. Returns the user if it was the last connection.
    pub fn leave(&mut self, connection: u64) -> Option<UserId> {
        let index = self.index_of(connection)?;
        let connections = &mut self.0[index].connections;
        connections.remove(&connection);
        connections.is_empty().then(|| self.0.remove(index).member.user_id)
    }

    /// The user of a connection.
    pub fn user_of(&self, connection: u64) -> Option<&UserId> {
        self.index_of(connection).map(|index| &self.0[index].member.user_id)
    }

    pub fn contains(&self, user: &UserId) -> bool {
        self.0.iter().any(|present| present.member.user_id == *user)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn index_of(&self, connection: u64) -> Option<usize> {
        self.0.iter().position(|present| present.connections.contains(&connection))
    }
}

/// The `data` of `pusher_internal:subscription_succeeded`. Like that of soketi, `hash` has no entries for members
/// without information.
impl Serialize for Presence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'a> {
            ids: Vec<&'a UserId>,
            hash: Hash<'a>,
            count: usize,
        }
        let ids = self.0.iter().map(|present| &present.member.user_id).collect();
        let mut data = serializer.serialize_map(Some(1))?;
        data.serialize_entry("presence", &Members { ids, hash: Hash(&self.0), count: self.len() })?;
        data.end()
    }
}

struct Hash<'a>(&'a [Present]);

impl Serialize for Hash<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.0.iter().map(|present| &present.member);
        serializer.collect_map(members.filter_map(|member| Some((&member.user_id, member.user_info.as_ref()?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(channel_data: &str) -> Member {
        Member::parse(channel_data).unwrap()
    }

    #[test]
    fn several_connections_of_a_user_are_one_member() {
        let mut presence = Presence::default();
        assert!(presence.join(1, &member(r#"{"user_id":"u"}"#)));
        assert!(!presence.join(2, &member(r#"{"user_id":"u"}"#)));
        assert_eq!(presence.len(), 1);
        assert_eq!(presence.leave(1), None);
        assert_eq!(presence.leave(1), None);
        assert_eq!(presence.leave(2), Some(UserId::Text("u".into())));
        assert_eq!(presence.len(), 0);
    }

    #[test]
    fn a_number_is_another_user_than_its_text() {
        let mut presence = Presence::default();
        assert!(presence.join(1, &member(r#"{"user_id":7}"#)));
        assert!(presence.join(2, &member(r#"{"user_id":"7"}"#)));
    }

    #[test]
    fn members_are_listed_like_soketi() {
        let mut presence = Presence::default();
        presence.join(1, &member(r#"{"user_id":"u1","user_info":{"name":"Ann","age":3}}"#));
        presence.join(2, &member(r#"{"user_id":7}"#));
        presence.join(3, &member(r#"{"user_id":8,"user_info":null}"#));
        presence.join(4, &member(r#"{"user_id":9,"user_info":[]}"#));
        assert_eq!(
            serde_json::to_string(&presence).unwrap(),
            r#"{"presence":{"ids":["u1",7,8,9],"hash":{"u1":{"name":"Ann","age":3},"9":[]},"count":4}}"#
        );
    }

    #[test]
    fn a_member_needs_an_id() {
        for data in ["", "{}", "[]", "null", r#"{"user_id":null}"#, r#"{"user_id":""}"#, r#"{"user_id":{}}"#] {
            assert!(Member::parse(data).is_none(), "{data}");
        }
    }
}
