//! The signed-in user.

use std::ffi::c_char;

use crate::{
    UserAuth,
    capi::{
        client::Client,
        ffi::{
            arguments::{Data, OptionalOut, Out, Text, within},
            handles::Handle,
            results::Failure,
            text::Lent,
        },
        internals,
    },
};

fn sign_in_with(client: &Client, auth: UserAuth) -> Result<(), Failure> {
    let pusher = client.pusher()?;
    let other = || Failure::value("the config has another way of signing in, which pusher_sign_in takes");
    let permission = client.given_permission().ok_or_else(other)?;
    let none = || internals::texts::not_connected(pusher.state());
    permission.give(pusher.socket_id().ok_or_else(none)?, auth);
    Ok(pusher.sign_in()?)
}

exports! {
    fn pusher_sign_in(client: Handle<Client>) {
        let pusher = client.pusher()?;
        if client.given_permission().is_some() {
            return Err(internals::texts::no_way_to_sign_in().into());
        }
        Ok(pusher.sign_in()?)
    }

    fn pusher_sign_in_with_auth(client: Handle<Client>, auth: Text<'_>, user_data: Text<'_>) {
        sign_in_with(&client, UserAuth::new(auth, user_data))
    }

    fn pusher_sign_in_with_auth_json(client: Handle<Client>, json: Data<'_>, length: usize) {
        sign_in_with(&client, UserAuth::from_json(json.text(length)?)?)
    }

    fn pusher_wait_signed_in(client: Handle<Client>, timeout_ms: i32) {
        Ok(client.pusher()?.user().wait_signed_in(within(timeout_ms))?)
    }

    fn pusher_user_id(client: Handle<Client>, text: Out<'_, *const c_char>, length: OptionalOut<'_, usize>) {
        Lent::UserId.lend(&client.pusher()?.user().id().ok_or(Failure::Nothing)?, (text, length))
    }
}
