//! The signed-in user.

use std::ffi::c_char;

use super::{
    arguments::{OptionalOut, Out},
    boundary::Failure,
    client::{Client, within},
    handles::Handle,
    text::Lent,
};

exports! {
    fn pusher_sign_in(client: Handle<Client>) {
        Ok(client.pusher()?.sign_in()?)
    }

    fn pusher_wait_signed_in(client: Handle<Client>, timeout_ms: i32) {
        Ok(client.pusher()?.user().wait_signed_in(within(timeout_ms))?)
    }

    fn pusher_user_id(client: Handle<Client>, text: Out<'_, *const c_char>, length: OptionalOut<'_, usize>) {
        Lent::UserId.lend(&client.pusher()?.user().id().ok_or(Failure::Nothing)?, (text, length))
    }
}
