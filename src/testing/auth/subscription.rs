//! Checks whether a connection may subscribe to a channel.

use super::app::{App, channel_text};
use crate::testing::protocol::{
    channel_kind::{self, Access, ChannelKind},
    client_message::{SubscribeRequest, UserData},
    presence::{Member, UserId},
    refusal::Refusal,
};

/// soketi's default for `user_info`, in bytes.
const MAX_MEMBER: usize = 2 * 1024;
/// The hosted service's limit, in characters.
const MAX_USER_ID: usize = 128;

/// The connection that sent the request.
pub(crate) struct Requester<'a> {
    pub socket_id: &'a str,
    /// The signed-in user of the connection.
    pub user: Option<&'a UserData>,
}

/// Checks a request. Returns the member for a presence channel.
pub(crate) fn check(
    app: &App,
    requester: &Requester<'_>,
    request: &SubscribeRequest,
) -> Result<Option<Member>, Refusal> {
    let access = ChannelKind::of(&request.channel).access;
    if access == Access::User {
        let owner = requester.user.map(|user| user.id.as_str());
        let is_owner = owner.is_some() && channel_kind::user_of(&request.channel) == owner;
        return if is_owner { Ok(None) } else { Err(Refusal::UNAUTHORIZED) };
    }
    check_name(&request.channel)?;
    // Only presence channels sign and use channel data.
    let channel_data = request.channel_data.as_deref().filter(|_| access == Access::Presence);
    if access != Access::Public {
        let text = channel_text(requester.socket_id, &request.channel, channel_data);
        if !request.auth.as_ref().is_some_and(|auth| app.is_authorized(&text, auth)) {
            return Err(Refusal::UNAUTHORIZED);
        }
    }
    if access != Access::Presence {
        return Ok(None);
    }
    match (channel_data, requester.user) {
        (Some(channel_data), _) => member(channel_data).map(Some),
        // As in the hosted service, a signed-in connection needs no channel data.
        (None, Some(user)) => Ok(Some(signed_in_member(user))),
        (None, None) => Err(Refusal::UNAUTHORIZED),
    }
}

fn check_name(channel: &str) -> Result<(), Refusal> {
    if channel.chars().count() > channel_kind::MAX_NAME {
        Err(Refusal::LONG_NAME)
    } else if !channel_kind::is_valid_name(channel) {
        Err(Refusal::INVALID_NAME)
    } else {
        Ok(())
    }
}

fn member(channel_data: &str) -> Result<Member, Refusal> {
    let member = Member::parse(channel_data).ok_or(Refusal::INVALID_MEMBER)?;
    let has_long_id = matches!(&member.user_id, UserId::Text(id) if id.chars().count() > MAX_USER_ID);
    let has_large_info = member.user_info.as_ref().is_some_and(|info| info.get().len() > MAX_MEMBER);
    if has_long_id || has_large_info { Err(Refusal::LARGE_MEMBER) } else { Ok(member) }
}

fn signed_in_member(user: &UserData) -> Member {
    Member { user_id: UserId::Text(user.id.clone()), user_info: user.user_info.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET_ID: &str = "1.2";

    fn signed(channel: &str, channel_data: Option<&str>) -> SubscribeRequest {
        let text = channel_text(SOCKET_ID, channel, channel_data);
        SubscribeRequest {
            channel: channel.into(),
            auth: Some(App::default().authorize(&text)),
            channel_data: channel_data.map(str::to_owned),
        }
    }

    fn unsigned(channel: &str) -> SubscribeRequest {
        SubscribeRequest { channel: channel.into(), auth: None, channel_data: None }
    }

    fn answer(request: &SubscribeRequest, user: Option<&UserData>) -> Result<Option<Member>, Refusal> {
        check(&App::default(), &Requester { socket_id: SOCKET_ID, user }, request)
    }

    fn refusal(request: &SubscribeRequest) -> Option<Refusal> {
        answer(request, None).err()
    }

    #[test]
    fn public_names_need_no_signature() {
        for name in ["room", "cache-room", "a_-=@,.;9", "my-private-room"] {
            assert_eq!(refusal(&unsigned(name)), None, "{name}");
        }
    }

    #[test]
    fn other_names_need_a_signature_for_name_and_socket() {
        for name in ["private-x", "private-cache-x", "private-encrypted-x", "private-encrypted-cache-x"] {
            assert_eq!(refusal(&unsigned(name)), Some(Refusal::UNAUTHORIZED), "{name}");
            assert_eq!(refusal(&signed(name, None)), None, "{name}");
            let moved = SubscribeRequest { channel: format!("{name}y"), ..signed(name, None) };
            assert_eq!(refusal(&moved), Some(Refusal::UNAUTHORIZED), "{name}");
        }
    }

    #[test]
    fn presence_channels_need_a_member() {
        let data = r#"{"user_id":"u"}"#;
        let member = answer(&signed("presence-x", Some(data)), None).unwrap().unwrap();
        assert_eq!(member.user_id, UserId::Text("u".into()));
        let other =
            SubscribeRequest { channel_data: Some(r#"{"user_id":"v"}"#.into()), ..signed("presence-x", Some(data)) };
        assert_eq!(refusal(&other), Some(Refusal::UNAUTHORIZED));
        assert_eq!(refusal(&signed("presence-x", None)), Some(Refusal::UNAUTHORIZED));
        assert_eq!(refusal(&signed("presence-x", Some("{}"))), Some(Refusal::INVALID_MEMBER));
        for large in [
            format!(r#"{{"user_id":"{}"}}"#, "x".repeat(129)),
            format!(r#"{{"user_id":"u","user_info":"{}"}}"#, "x".repeat(2047)),
        ] {
            assert_eq!(refusal(&signed("presence-x", Some(&large))), Some(Refusal::LARGE_MEMBER));
        }
    }

    #[test]
    fn a_signed_in_user_is_the_member_without_channel_data() {
        let user = UserData::parse(r#"{"id":"ann","user_info":{"a":1}}"#).unwrap();
        let member = answer(&signed("presence-x", None), Some(&user)).unwrap().unwrap();
        assert_eq!(serde_json::to_string(&member).unwrap(), r#"{"user_id":"ann","user_info":{"a":1}}"#);
    }

    #[test]
    fn a_users_channel_is_only_for_that_user() {
        let user = UserData::parse(r#"{"id":"ann"}"#).unwrap();
        assert!(answer(&unsigned("#server-to-user-ann"), Some(&user)).is_ok());
        assert!(answer(&unsigned("#server-to-user-bob"), Some(&user)).is_err());
        assert_eq!(refusal(&unsigned("#server-to-user-ann")), Some(Refusal::UNAUTHORIZED));
        assert_eq!(refusal(&unsigned("#server-to-user-")), Some(Refusal::UNAUTHORIZED));
    }

    #[test]
    fn names_with_other_characters_or_lengths_are_refused() {
        for name in ["", "a b", "żółw", "#x"] {
            assert_eq!(refusal(&unsigned(name)), Some(Refusal::INVALID_NAME), "{name}");
        }
        assert_eq!(refusal(&unsigned(&"x".repeat(201))), Some(Refusal::LONG_NAME));
    }
}
