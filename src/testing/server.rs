//! The server: its methods.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    auth::{
        app::{channel_text, user_text},
        encryption::MasterKey,
    },
    connection::listener::Listener,
    http::{
        auth_endpoint::{self, EndpointRequest},
        fault::{AuthFault, Fault},
    },
    hub::{
        core::Hub,
        snapshot::Snapshot,
        state::journal::{Received, UpgradeRequest},
    },
    protocol::{channel_kind, frames},
    publisher::{self, Publisher},
};

/// A Pusher server inside this process, see the [module](super).
///
/// All methods take `&self` and may be called from several threads. Only the methods whose name begins with `wait_for`
/// wait. Dropping it cuts all connections and joins its threads.
pub struct TestServer {
    hub: Arc<Hub>,
    listener: Listener,
}

/// Its address and its app.
impl TestServer {
    pub(crate) fn new(hub: Arc<Hub>, listener: Listener) -> Self {
        Self { hub, listener }
    }

    /// The port that it listens on. It stays the same after [`stop_listening`](Self::stop_listening).
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The URL for clients: `ws://127.0.0.1:PORT/app/KEY`, without a query.
    pub fn url(&self) -> String {
        format!("ws://{}/app/{}", self.addr(), self.key())
    }

    /// A configuration for a client of this server, without TLS.
    pub fn config(&self) -> crate::Config {
        crate::Config::host(self.key(), "127.0.0.1").port(self.port()).tls(false)
    }

    /// The base of the HTTP API: `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The id of the app, which is part of the paths of the HTTP API.
    pub fn app_id(&self) -> &str {
        &self.hub.settings.app.id
    }

    /// The key of the app, with which clients connect.
    pub fn key(&self) -> &str {
        &self.hub.settings.app.key
    }

    /// The secret of the app, with which requests to the HTTP API are signed.
    pub fn secret(&self) -> &str {
        &self.hub.settings.app.secret
    }
}

/// Publishing and sending. The messages to one client arrive in the order of the calls.
impl TestServer {
    /// Publishes an event to the subscribers of a channel, and returns the number of connections that receive it.
    ///
    /// A string is published as its text, any other value as its JSON text. Clients receive both as a JSON string, as
    /// from Pusher. With a [master key](crate::testing::TestServerBuilder::encryption_master_key), the server encrypts
    /// the JSON text for encrypted channels, also the JSON text of a string, as the official library does. The two
    /// names are not checked. Returns 0 while the server is [silent](Self::set_silent).
    ///
    /// # Panics
    ///
    /// When `data` has no JSON text, for example a map whose keys are not strings.
    pub fn trigger(&self, channel: &str, event: &str, data: &(impl Serialize + ?Sized)) -> usize {
        publisher::trigger(&self.hub, channel, event, data)
    }

    /// A handle to publish with from another thread.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.hub.clone())
    }

    /// Sends exactly this text, as one text message, to every open connection, and returns the number of connections.
    ///
    /// This and the other `send_` methods work on a [silent](Self::set_silent) server, too.
    pub fn send_raw(&self, text: &str) -> usize {
        self.hub.send_to_all(&frames::text(text))
    }

    /// Sends exactly these bytes, for example half a frame, over the TCP connection of every open WebSocket, and
    /// returns the number of connections.
    pub fn send_raw_bytes(&self, bytes: &[u8]) -> usize {
        self.hub.send_to_all(&bytes.to_vec().into())
    }

    /// Sends a binary message to every open connection, and returns the number of connections.
    pub fn send_binary(&self, payload: &[u8]) -> usize {
        self.hub.send_to_all(&frames::binary(payload))
    }

    /// Sends a WebSocket ping frame to every open connection, and returns the number of connections.
    ///
    /// The payload may be longer than the 125 bytes that RFC 6455 allows, as a test of the client.
    pub fn send_ws_ping(&self, payload: &[u8]) -> usize {
        self.hub.send_to_all(&frames::ping(payload))
    }
}

/// Misbehaving.
impl TestServer {
    /// Sends a WebSocket close frame to every open connection, and returns the number of connections that were not
    /// closing yet.
    ///
    /// A connection ends when the client has answered the close frame, or after 1 s. Any code is sent as it is; the
    /// reason is cut to 123 bytes.
    pub fn close_all(&self, code: u16, reason: &str) -> usize {
        self.hub.close_all(code, reason)
    }

    /// Cuts every TCP connection of a client at once, without a close frame, and returns the number of open WebSockets
    /// among them.
    ///
    /// Connections that are still being opened are cut as well. Connections to the HTTP API and the auth endpoint stay.
    pub fn drop_all(&self) -> usize {
        self.hub.drop_clients()
    }

    /// While silent, the server keeps its connections and reads from them, but sends nothing: no events, no pongs of
    /// either kind, no answer to a close frame.
    ///
    /// New connections are upgraded, and get no `pusher:connection_established`. Messages of this time are not sent
    /// later, and requests to subscribe are lost. The HTTP API and the auth endpoint keep answering.
    pub fn set_silent(&self, silent: bool) {
        self.hub.set_silent(silent);
    }

    /// While stalled, the server does not read from its WebSockets, so the messages of clients pile up.
    ///
    /// It still delivers events. A client's writes block when the buffers of the operating system are full, which may
    /// take several megabytes.
    pub fn set_stalled(&self, stalled: bool) {
        self.hub.set_stalled(stalled);
    }

    /// Queues a fault: each upgrade request takes the next one.
    pub fn push_fault(&self, fault: Fault) {
        self.hub.push_fault(fault);
    }

    /// Sets the fault for every upgrade request that finds no fault in the queue. `None` removes it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.hub.set_fault(fault);
    }

    /// Closes the port, so that new connections are refused. Existing connections stay. Does nothing if the port is
    /// closed.
    pub fn stop_listening(&self) {
        self.listener.close();
    }

    /// Opens the port again, under the same number. Does nothing if the port is open.
    ///
    /// # Errors
    ///
    /// When another program has taken the port meanwhile. On Unix the port stays reserved.
    pub fn resume_listening(&self) -> io::Result<()> {
        self.listener.reopen(&self.hub)
    }
}

/// Counters and records.
impl TestServer {
    /// Number of open WebSocket connections, whether the client got `pusher:connection_established` or not.
    pub fn connections(&self) -> usize {
        self.hub.snapshot(|state| state.connections())
    }

    /// Number of upgrades to WebSocket so far, including those that a [`Fault`] ended afterwards.
    pub fn accepted(&self) -> u64 {
        self.hub.snapshot(|state| state.accepted())
    }

    /// Number of TCP connections so far, including those to the HTTP API.
    pub fn attempts(&self) -> u64 {
        self.hub.snapshot(|state| state.attempts())
    }

    /// Number of messages from clients so far that the server could not use.
    pub fn ignored(&self) -> u64 {
        self.hub.snapshot(|state| state.ignored())
    }

    /// Number of connections that are subscribed to a channel.
    pub fn subscribers(&self, channel: &str) -> usize {
        self.hub.snapshot(|state| state.subscribers(channel))
    }

    /// Number of members of a presence channel: users, each with one or more connections.
    pub fn members(&self, channel: &str) -> usize {
        self.hub.snapshot(|state| state.members(channel))
    }

    /// The last 1024 upgrade requests, oldest first.
    pub fn requests(&self) -> Vec<UpgradeRequest> {
        self.hub.snapshot(|state| state.requests().cloned().collect())
    }

    /// The text messages from clients in the order of their arrival: the last 100 000, and at most 64 MiB.
    pub fn received(&self) -> Vec<Received> {
        self.hub.snapshot(|state| state.received().cloned().collect())
    }
}

/// Waiting for conditions. Each method returns true as soon as its condition holds, and false if the condition does not
/// hold within the timeout.
impl TestServer {
    /// Waits until `predicate` holds. The predicate is called at once, and after every change of the server's state.
    ///
    /// The server is locked during the call: `predicate` must be quick, and must not call the server.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let server = pusher_channels::testing::TestServer::start()?;
    /// # let client = std::net::TcpStream::connect(server.addr())?;
    /// assert!(server.wait_for(Duration::from_secs(5), |state| state.attempts() == 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_for(&self, timeout: Duration, predicate: impl FnMut(&Snapshot<'_>) -> bool) -> bool {
        self.hub.wait_for(timeout, predicate)
    }

    /// Waits until exactly `count` WebSocket connections are open.
    pub fn wait_for_connections(&self, count: usize, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.connections() == count)
    }

    /// Waits until exactly `count` connections are subscribed to `channel`, as the server sees it. The client may not
    /// have the confirmation yet: a test that cuts the connection next waits for it first, by
    /// [`Channel::wait_subscribed`](crate::Channel::wait_subscribed).
    pub fn wait_for_subscribers(&self, channel: &str, count: usize, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.subscribers(channel) == count)
    }

    /// Waits until `predicate` holds for a message of a client. Messages that arrived before the call count.
    ///
    /// The server is locked during the call: `predicate` must be quick, and must not call the server.
    pub fn wait_for_received(&self, predicate: impl FnMut(&Received) -> bool, timeout: Duration) -> bool {
        self.hub.wait_for_received(timeout, predicate)
    }
}

/// Users.
impl TestServer {
    /// Publishes an event to all connections on which a user is signed in, and returns the number of these connections.
    ///
    /// As with soketi, they receive it on the channel `#server-to-user-<id>`, with or without a subscription to it.
    /// `data` is as for [`trigger`](Self::trigger).
    ///
    /// # Panics
    ///
    /// When `data` has no JSON text, for example a map whose keys are not strings.
    pub fn send_to_user(&self, user_id: &str, event: &str, data: &(impl Serialize + ?Sized)) -> usize {
        publisher::trigger(&self.hub, &channel_kind::channel_of(user_id), event, data)
    }

    /// Closes all connections on which a user is signed in, with code 4009, and returns the number of connections that
    /// were not closing yet.
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
    /// Nothing is checked, so a test can sign invalid requests as well.
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

    /// Replaces the master key, see [`encryption_master_key`](crate::testing::TestServerBuilder::encryption_master_key).
    ///
    /// Events that are published from now on need the new keys of the channels. Clients get these keys from the auth
    /// endpoint.
    pub fn rotate_master_key(&self, key: [u8; 32]) {
        self.hub.encryption.set_master_key(MasterKey(key));
    }
}

/// The auth endpoint.
impl TestServer {
    /// The URL that authorises channels: `http://127.0.0.1:PORT/pusher/auth`.
    pub fn auth_endpoint(&self) -> String {
        format!("{}{}", self.http_url(), auth_endpoint::CHANNEL_PATH)
    }

    /// The URL that authenticates users for a sign-in: `http://127.0.0.1:PORT/pusher/user-auth`.
    pub fn user_auth_endpoint(&self) -> String {
        format!("{}{}", self.http_url(), auth_endpoint::USER_PATH)
    }

    /// The last 1024 requests to the auth endpoint, oldest first, including those that took a [fault](AuthFault).
    pub fn auth_requests(&self) -> Vec<EndpointRequest> {
        self.hub.snapshot(|state| state.auth_requests().cloned().collect())
    }

    /// Queues a fault: each request to the auth endpoint takes the next one.
    pub fn push_auth_fault(&self, fault: AuthFault) {
        self.hub.push_auth_fault(fault);
    }

    /// Sets the fault for every request to the auth endpoint that finds no fault in the queue. `None` removes it.
    pub fn set_auth_fault(&self, fault: Option<AuthFault>) {
        self.hub.set_auth_fault(fault);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.listener.close();
        self.hub.cut_all();
        self.listener.join();
    }
}

/// Leaves out the secret.
impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("addr", &self.addr())
            .field("app", &self.hub.settings.app)
            .finish_non_exhaustive()
    }
}
