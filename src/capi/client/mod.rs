//! The client: making it, connecting, and ending it. The files of this folder have the functions that take a client.

mod channels;
mod handlers;
mod receiver;
pub(crate) mod stats;
mod users;

use std::{ffi::c_char, sync::Arc};

use parking_lot::RwLock;

use crate::{
    Pusher,
    capi::{
        auth::{credentials::Shared, pending_requests::PendingRequests, permissions::GivenPermission},
        config::{Config, Parts},
        events::{numbers, queue::Queue},
        ffi::{
            arguments::{OptionalOut, Out, Text, within},
            handles::{Freed, Handle, OptionalHandle},
            results::{self, Failure},
            text::Lent,
        },
        internals,
    },
};

/// A client, until it is freed.
pub(crate) struct Client {
    pusher: RwLock<Option<Pusher>>,
    /// The queue of `pusher_next`.
    queue: Option<Queue>,
    credentials: Arc<Shared>,
    /// The auth requests without a response.
    pending: Arc<PendingRequests>,
    /// The way to sign in if no other one is configured.
    given_permission: Option<Arc<GivenPermission>>,
    is_dispatched_by_hand: bool,
}

impl Client {
    fn new(config: &Config) -> Result<Self, Failure> {
        let Parts { draft, credentials, callbacks } = config.parts()?;
        let config = draft.config.reconnect(draft.reconnect.finish());
        let credentials = Shared::new(credentials);
        let pending = PendingRequests::new();
        let (headers, params) = (callbacks.auth_headers(&pending), callbacks.auth_params(&pending));
        let config = credentials.apply(config, headers, params);
        let config = callbacks.apply(config, &pending);
        let (config, given_permission) = GivenPermission::unless_configured(config);
        let pusher = Pusher::new(config);
        internals::client::check(&pusher)?;
        let queue = draft.pull.then(|| Queue::new(pusher.receiver()));
        let is_dispatched_by_hand = draft.manual_dispatch;
        Ok(Self {
            pusher: RwLock::new(Some(pusher)),
            queue,
            credentials,
            pending,
            given_permission,
            is_dispatched_by_hand,
        })
    }

    /// The client that the functions work with. An error once another thread has freed it.
    pub fn pusher(&self) -> Result<Pusher, Failure> {
        let freed = || Failure::Misuse(results::PUSHER_ERR_HANDLE, "the client was freed".into());
        self.pusher.read().clone().ok_or_else(freed)
    }

    pub fn given_permission(&self) -> Option<&GivenPermission> {
        self.given_permission.as_deref()
    }

    /// Whether the client was freed. It waits for no lock: the thread that holds it frees the client, or does not exist
    /// in a forked child.
    pub fn is_ended(&self) -> bool {
        self.pusher.try_read().is_none_or(|pusher| pusher.is_none())
    }

    pub fn queue(&self) -> Result<&Queue, Failure> {
        let none = || Failure::Misuse(results::PUSHER_ERR_NO_QUEUE, "the option pull is off".into());
        self.queue.as_ref().ok_or_else(none)
    }

    /// Ends the client, also while other threads wait in its functions, which then return.
    fn end(&self) {
        let Some(pusher) = self.pusher.write().take() else { return };
        internals::client::end(&pusher, || self.pending.close());
    }
}

impl Freed for Client {
    fn freed(&self) {
        self.end();
    }
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

#[cfg(test)]
mod tests {
    use crate::{Config, Error, Pusher};

    #[test]
    fn a_call_that_was_under_way_connects_no_client_that_was_freed() {
        let pusher = Pusher::new(Config::host("key", "127.0.0.1"));
        let under_way = pusher.clone();
        pusher.end(|| ());
        assert!(matches!(under_way.connect(), Err(Error::Disconnected)));
        assert!(matches!(under_way.connect_background(), Err(Error::Disconnected)));
    }

    #[test]
    fn a_queue_that_is_made_of_a_client_that_was_freed_is_closed() {
        let pusher = Pusher::new(Config::host("key", "127.0.0.1"));
        let (under_way, before) = (pusher.clone(), pusher.receiver());
        pusher.end(|| ());
        assert!(before.is_closed() && under_way.receiver().is_closed());
    }
}
