//! The signed-in user.

use std::{ffi::c_char, sync::Arc};

use parking_lot::Mutex;

use super::{
    arguments::{Data, OptionalOut, Out, Text},
    boundary::Failure,
    client::{Client, within},
    handles::Handle,
    text::Lent,
};
use crate::{AuthError, Error, Pusher, UserAuth};

/// What the program's backend has said of its user, for one connection.
#[derive(Default)]
pub(super) struct Proof {
    given: Mutex<Option<(String, UserAuth)>>,
}

impl Proof {
    /// Signs in by what is given, where the config has no way of its own.
    pub(super) fn for_want_of_others(config: crate::Config) -> (crate::Config, Option<Arc<Self>>) {
        if config.can_authenticate() {
            return (config, None);
        }
        let proof = Arc::new(Self::default());
        let given = Arc::clone(&proof);
        (config.user_authenticator(move |socket_id| given.take(socket_id)), Some(proof))
    }

    fn give(&self, socket_id: String, auth: UserAuth) {
        *self.given.lock() = Some((socket_id, auth));
    }

    fn take(&self, socket_id: &str) -> Result<UserAuth, AuthError> {
        let fits = |given: &mut (String, UserAuth)| given.0 == socket_id;
        let given = self.given.lock().take_if(fits);
        let none = || AuthError::new("there is no proof for this connection yet: call pusher_sign_in_with_auth again");
        given.map(|(_, auth)| auth).ok_or_else(none)
    }
}

fn sign_in_with(client: &Client, auth: UserAuth) -> Result<(), Failure> {
    let pusher = client.pusher()?;
    let other = || Failure::value("the config has another way of signing in, which pusher_sign_in takes");
    let proof = client.proof().ok_or_else(other)?;
    let none = || Error::without_connection(pusher.state());
    proof.give(pusher.socket_id().ok_or_else(none)?, auth);
    Ok(pusher.sign_in()?)
}

exports! {
    fn pusher_sign_in(client: Handle<Client>) {
        let pusher = client.pusher()?;
        if client.proof().is_some() {
            return Err(Pusher::nobody_signs_in().into());
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
