//! For backends in C: signed permissions, as the JSON that auth endpoints return.

use std::ffi::c_char;

use zeroize::Zeroizing;

use super::{
    arguments::{OptionalOut, OptionalText, Out, Text},
    text::Lent,
};
use crate::{ChannelAuth, UserAuth};

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
