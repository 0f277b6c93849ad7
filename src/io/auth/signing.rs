//! Permissions that are signed here, with the app's secret (A2).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use crate::{
    AuthRequest, ChannelAuth, UserAuth,
    config::Config,
    protocol::{channel_name::ChannelKind, secretbox::SharedSecret, signature},
    surrogates,
};

/// Signs a user in.
pub(crate) fn user(config: &Config, secret: &str, socket_id: &str, user_data: &str) -> UserAuth {
    UserAuth::new(signature::user(&key(config), secret, socket_id, user_data), user_data)
}

/// Signs a channel.
pub(crate) fn channel(config: &Config, secret: &str, request: &AuthRequest) -> Result<ChannelAuth, Failure> {
    let (channel, auth) = (request.channel(), config.auth());
    let sign = |data| signature::channel(&key(config), secret, request.socket_id(), channel, data);
    match ChannelKind::of(channel) {
        kind if kind.is_presence() => {
            let user = auth.user_data.as_ref().and_then(|data| member_of(data.expose()));
            let member = user.ok_or_else(|| Failure::refused("a presence channel needs Config::user_data"))?;
            Ok(ChannelAuth::new(sign(Some(&member))).channel_data(member))
        }
        kind if kind.is_encrypted() => {
            let master = auth.master_key.as_ref().and_then(|key| SharedSecret::from_base64(key.expose()).ok());
            let master =
                master.ok_or_else(|| Failure::refused("an encrypted channel needs Config::encryption_master_key"))?;
            let shared = SharedSecret::derive(channel, &master);
            Ok(ChannelAuth::new(sign(None)).shared_secret(shared.to_base64()))
        }
        _ => Ok(ChannelAuth::new(sign(None))),
    }
}

/// The `channel_data` of a user on a presence channel.
fn member_of(user_data: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow)]
        user_info: Option<&'a RawValue>,
    }
    const ID: &str = r#"{"user_id":"#;
    const INFO: &str = r#","user_info":"#;
    let repaired = surrogates::repaired(user_data);
    let user: User<'_> = serde_json::from_str(repaired.as_deref().map_or(user_data, String::as_str)).ok()?;
    let info = user.user_info.map_or("", RawValue::get);
    // With its final capacity: a text that grows, or a tree of values, would leave parts behind in memory (X1).
    let mut member = String::with_capacity(ID.len() + user.id.get().len() + INFO.len() + info.len() + 1);
    member.push_str(ID);
    member.push_str(user.id.get());
    if !info.is_empty() {
        member.push_str(INFO);
        member.push_str(info);
    }
    member.push('}');
    Some(member)
}

/// The app's key. `connect` checks that there is one.
fn key(config: &Config) -> String {
    config.app_key().unwrap_or_default()
}
