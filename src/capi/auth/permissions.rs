//! Permissions: signed by a backend in C, or given by the program for signing in.

use std::{ffi::c_char, sync::Arc};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::{
    AuthError, ChannelAuth, UserAuth,
    capi::{
        ffi::{
            arguments::{OptionalOut, OptionalText, Out, Text},
            text::Lent,
        },
        internals,
    },
};

/// The permission that the program's backend gave for its user, with the socket id of its connection.
#[derive(Default)]
pub(crate) struct GivenPermission {
    given: Mutex<Option<(String, UserAuth)>>,
}

impl GivenPermission {
    /// Lets the client sign in by a given permission, unless the config has another way.
    pub fn unless_configured(config: crate::Config) -> (crate::Config, Option<Arc<Self>>) {
        if internals::config::can_sign_in(&config) {
            return (config, None);
        }
        let permission = Arc::new(Self::default());
        let given = Arc::clone(&permission);
        (config.user_authenticator(move |socket_id| given.take(socket_id)), Some(permission))
    }

    pub fn give(&self, socket_id: String, auth: UserAuth) {
        *self.given.lock() = Some((socket_id, auth));
    }

    fn take(&self, socket_id: &str) -> Result<UserAuth, AuthError> {
        let fits = |given: &mut (String, UserAuth)| given.0 == socket_id;
        let given = self.given.lock().take_if(fits);
        let none = || {
            AuthError::new("there is no permission for this connection: call pusher_sign_in_with_auth with a new one")
        };
        given.map(|(_, auth)| auth).ok_or_else(none)
    }
}

/// A permission as C passes it: the signature, and the parts that some kinds of channels need.
pub(crate) fn permission(auth: &str, channel_data: Option<&str>, shared_secret: Option<&str>) -> ChannelAuth {
    let auth = ChannelAuth::new(auth);
    let auth = channel_data.into_iter().fold(auth, ChannelAuth::channel_data);
    shared_secret.into_iter().fold(auth, ChannelAuth::shared_secret)
}

exports! {
    fn pusher_sign_channel(
        key: Text<'_>,
        secret: Text<'_>,
        socket_id: Text<'_>,
        channel: Text<'_>,
        channel_data: OptionalText<'_>,
        shared_secret: OptionalText<'_>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        let auth = match channel_data {
            Some(data) => ChannelAuth::sign_presence(key, secret, socket_id, channel, data),
            None => ChannelAuth::sign(key, secret, socket_id, channel),
        };
        let auth = shared_secret.into_iter().fold(auth, ChannelAuth::shared_secret);
        Lent::SignedChannel.lend(&Zeroizing::new(auth.to_json()), (text, length))
    }

    fn pusher_sign_user(
        key: Text<'_>,
        secret: Text<'_>,
        socket_id: Text<'_>,
        user_data: Text<'_>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        let auth = UserAuth::sign(key, secret, socket_id, user_data);
        Lent::SignedUser.lend(&Zeroizing::new(auth.to_json()), (text, length))
    }
}
