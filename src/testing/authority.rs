//! The methods of the server for users, signatures and keys.

use serde::Serialize;

use super::encryption::MasterKey;
use super::signature::{channel_text, user_text};
use super::{AuthFault, EndpointRequest, TestServer, auth, kind, publisher};

/// Users.
impl TestServer {
    /// Publishes an event to all connections on which a user is signed in, and returns to how many it went.
    ///
    /// They get it on the channel `#server-to-user-<id>`, whether they have subscribed to that or not, as from soketi.
    /// `data` is as for [`trigger`](Self::trigger).
    ///
    /// # Panics
    ///
    /// When `data` has no JSON text, for example a map whose keys are not strings.
    pub fn send_to_user(&self, user_id: &str, event: &str, data: &(impl Serialize + ?Sized)) -> usize {
        publisher::trigger(&self.hub, &kind::channel_of(user_id), event, data)
    }

    /// Closes all connections on which a user is signed in with 4009, and returns how many were not closing yet.
    ///
    /// The HTTP API does the same for `POST /apps/{id}/users/{user_id}/terminate_connections`.
    pub fn terminate_user(&self, user_id: &str) -> usize {
        self.hub.terminate(user_id)
    }

    /// Number of connections on which a user is signed in.
    pub fn signed_in(&self, user_id: &str) -> usize {
        self.hub.snapshot(|state| state.signed_in(user_id))
    }
}

/// Signatures and keys.
impl TestServer {
    /// The `auth` for a subscription, `KEY:SIGNATURE`. A presence channel needs its `channel_data`.
    ///
    /// Nothing is checked, so that a test can sign what no server would.
    pub fn sign_channel(&self, socket_id: &str, channel: &str, channel_data: Option<&str>) -> String {
        self.hub.settings.app.authorize(&channel_text(socket_id, channel, channel_data))
    }

    /// The `auth` for a sign-in, `KEY:SIGNATURE`. `user_data` is JSON text with the `id` of the user.
    pub fn sign_user(&self, socket_id: &str, user_data: &str) -> String {
        self.hub.settings.app.authorize(&user_text(socket_id, user_data))
    }

    /// The key of an encrypted channel, in base64; `None` for other channels, and without a master key.
    pub fn shared_secret(&self, channel: &str) -> Option<String> {
        self.hub.encryption.shared_secret(channel)
    }

    /// Replaces the master key, see [`encryption_master_key`](super::TestServerBuilder::encryption_master_key).
    ///
    /// What is published from now on needs the new keys of the channels, which clients get from the auth endpoint.
    pub fn rotate_master_key(&self, key: [u8; 32]) {
        self.hub.encryption.set_master_key(MasterKey(key));
    }
}

/// The auth endpoint.
impl TestServer {
    /// Where channels are authorised: `http://127.0.0.1:PORT/pusher/auth`.
    pub fn auth_endpoint(&self) -> String {
        format!("{}{}", self.http_url(), auth::CHANNEL_PATH)
    }

    /// Where users are authenticated for a sign-in: `http://127.0.0.1:PORT/pusher/user-auth`.
    pub fn user_auth_endpoint(&self) -> String {
        format!("{}{}", self.http_url(), auth::USER_PATH)
    }

    /// The last 1024 requests to the auth endpoint, oldest first, with those that met a fault.
    pub fn auth_requests(&self) -> Vec<EndpointRequest> {
        self.hub.snapshot(|state| state.auth_requests().cloned().collect())
    }

    /// Queues a fault: each request to the auth endpoint takes the next one.
    pub fn push_auth_fault(&self, fault: AuthFault) {
        self.hub.push_auth_fault(fault);
    }

    /// Sets the fault that every request to the auth endpoint meets that finds none in the queue; `None` ends it.
    pub fn set_auth_fault(&self, fault: Option<AuthFault>) {
        self.hub.set_auth_fault(fault);
    }
}
