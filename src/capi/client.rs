//! The client: making it, connecting, and ending it.

use std::{ffi::c_char, sync::Arc, time::Duration};

use parking_lot::RwLock;

use super::{
    arguments::{OptionalOut, Out, Text},
    boundary::Failure,
    config::{Config, Parts},
    credentials::Shared,
    handles::{Freed, Handle, OptionalHandle},
    numbers,
    questions::Questions,
    receiver::Queue,
    results,
    text::Lent,
    users::Proof,
};
use crate::Pusher;

/// A client, until it is freed.
pub(crate) struct Client {
    pusher: RwLock<Option<Pusher>>,
    /// What `pusher_next` takes from.
    queue: Option<Queue>,
    credentials: Arc<Shared>,
    /// The questions to authorizers that have no answer yet.
    questions: Arc<Questions>,
    /// How users are signed in where nothing else is configured.
    proof: Option<Arc<Proof>>,
}

impl Client {
    fn new(config: &Config) -> Result<Self, Failure> {
        let Parts { draft, credentials, callbacks } = config.parts()?;
        let config = draft.config.reconnect(draft.reconnect.finish());
        let credentials = Shared::new(credentials);
        let questions = Questions::new();
        let (headers, params) = (callbacks.auth_headers(&questions), callbacks.auth_params(&questions));
        let config = credentials.apply(config, headers, params);
        let config = callbacks.apply(config, &questions);
        let (config, proof) = Proof::for_want_of_others(config);
        config.plan()?;
        let pusher = Pusher::new(config);
        let queue = draft.pull.then(|| Queue::new(pusher.receiver()));
        Ok(Self { pusher: RwLock::new(Some(pusher)), queue, credentials, questions, proof })
    }

    /// What the functions work with. There is none once another thread has freed the client.
    pub(super) fn pusher(&self) -> Result<Pusher, Failure> {
        let freed = || Failure::Misuse(results::PUSHER_ERR_HANDLE, "the client was freed".into());
        self.pusher.read().clone().ok_or_else(freed)
    }

    pub(super) fn proof(&self) -> Option<&Proof> {
        self.proof.as_deref()
    }

    /// Whether it was freed. Waits for no lock: who holds it is freeing the client, or is not there in a forked child.
    pub(super) fn is_ended(&self) -> bool {
        self.pusher.try_read().is_none_or(|pusher| pusher.is_none())
    }

    pub(super) fn queue(&self) -> Result<&Queue, Failure> {
        let none = || Failure::Misuse(results::PUSHER_ERR_NO_QUEUE, "the option pull is off".into());
        self.queue.as_ref().ok_or_else(none)
    }

    /// Ends it, while other threads may be inside of functions: what they wait for will not come.
    fn end(&self) {
        let Some(pusher) = self.pusher.write().take() else { return };
        pusher.end(|| self.questions.close());
    }
}

impl Freed for Client {
    fn freed(&self) {
        self.end();
    }
}

/// A time that no clock can reach is for ever.
pub(super) fn within(timeout_ms: i32) -> Duration {
    u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis)
}

exports! {
    fn pusher_client_new(config: Handle<Config>, client: Out<'_, Handle<Client>>) {
        client.put(Handle::new(Client::new(&config)?)?);
        Ok(())
    }

    fn pusher_connect(client: Handle<Client>) {
        client.pusher()?.connect()?;
        Ok(())
    }

    fn pusher_connect_background(client: Handle<Client>) {
        client.pusher()?.connect_background()?;
        Ok(())
    }

    fn pusher_wait_connected(client: Handle<Client>, timeout_ms: i32) {
        Ok(client.pusher()?.wait_connected(within(timeout_ms))?)
    }

    fn pusher_disconnect(client: Handle<Client>) {
        client.pusher()?.disconnect();
        Ok(())
    }

    fn pusher_reconnect_now(client: Handle<Client>) {
        client.pusher()?.reconnect_now();
        Ok(())
    }

    fn pusher_state(client: Handle<Client>, state: Out<'_, i32>) {
        state.put(numbers::of_state(client.pusher()?.state()));
        Ok(())
    }

    fn pusher_socket_id(client: Handle<Client>, text: Out<'_, *const c_char>, length: OptionalOut<'_, usize>) {
        Lent::SocketId.lend(&client.pusher()?.socket_id().ok_or(Failure::Nothing)?, (text, length))
    }

    fn pusher_set_auth_header(client: Handle<Client>, name: Text<'_>, value: Text<'_>) {
        client.credentials.set_header(name, value)
    }

    fn pusher_set_auth_param(client: Handle<Client>, name: Text<'_>, value: Text<'_>) {
        client.credentials.set_param(name, value)
    }

    free fn pusher_client_free(client: OptionalHandle<Client>)
}
