//! An embedded Pusher server, for tests, examples and benchmarks.
//!
//! [`TestServer`] listens on a free port of 127.0.0.1 and speaks protocol 7 over real sockets, together with the HTTP
//! API that the official server libraries publish through. It needs no network and no account, and a test can make it
//! misbehave: refuse, stall, fall silent, cut connections, send broken frames.
//!
//! ```
//! use std::time::Duration;
//! use pusher_channels::testing::TestServer;
//! use tungstenite::Message;
//!
//! let server = TestServer::start()?;
//! let stream = std::net::TcpStream::connect(server.addr())?;
//! let (mut client, _) = tungstenite::client(server.url(), stream)?;
//!
//! client.send(Message::text(r#"{"event":"pusher:subscribe","data":{"channel":"room"}}"#))?;
//! assert!(server.wait_for_subscribers("room", 1, Duration::from_secs(5)));
//!
//! assert_eq!(server.trigger("room", "greeting", "hello"), 1);
//! # client.read()?;
//! # client.read()?;
//! # assert_eq!(
//! #     client.read()?.to_text()?,
//! #     r#"{"event":"greeting","channel":"room","data":"hello"}"#
//! # );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it speaks
//!
//! All kinds of channels, told by their prefix. By default it answers like soketi 1.6, in its very shapes and texts.
//!
//! * Private, presence and encrypted channels need a signature by the app's secret. A wrong or missing one is refused as
//!   soketi does or, by [`TestServerBuilder::refusals`], as Reverb and Sockudo do.
//! * Presence channels have members: a user with several connections is one, and the others are told of his first and
//!   his last.
//! * Cache channels keep their last event, and send it to who subscribes later, else `pusher:cache_miss`.
//! * What [`TestServer::trigger`] publishes on an encrypted channel is encrypted, if there is an
//!   [`encryption_master_key`](TestServerBuilder::encryption_master_key).
//! * Clients send events to each other on private and presence channels, within limits, as with soketi or, by
//!   [`TestServerBuilder::client_event_rules`], as with Reverb.
//! * `subscription_count` is off until [`TestServerBuilder::subscription_counts`] turns it on.
//! * Users sign in, get events of their own, and are told of those whom they watch.
//! * An auth endpoint, at [`TestServer::auth_endpoint`] and [`TestServer::user_auth_endpoint`], signs for clients what
//!   [`TestServerBuilder::auth_user`] allows, and can be made to fail by an [`AuthFault`].
//! * The HTTP API publishes events and terminates the connections of a user. Encrypted data passes through unchanged.
//!
//! Messages that it cannot use are counted and ignored. A client that breaks the rules of WebSocket gets a close frame with
//! code 1002, text that is not UTF-8 gets 1007, and a message of more than
//! [`TestServerBuilder::max_message_size`] gets 1009.
//!
//! # Threads
//!
//! One thread accepts connections; each connection has one that reads and, once it is a WebSocket, one that writes.
//! Publishing puts one shared copy of the frame into the queue of each receiver and never waits for a client; one that
//! does not take what is queued for it is dropped, see [`TestServerBuilder::queue_limit`]. Dropping the server joins
//! all its threads.

mod api;
mod app;
mod auth;
mod authority;
mod builder;
mod cache;
mod client_event;
mod connection;
mod encryption;
mod fault;
mod http;
mod hub;
#[cfg(any(fuzzing, test))]
pub(crate) mod in_memory;
mod journal;
mod kind;
mod listener;
mod message;
mod message_limit;
mod outbox;
mod presence;
mod publisher;
mod rate;
mod refusal;
mod serve;
mod settings;
mod signature;
mod subscription;
mod upgrade;
mod users;
mod watchlist;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use auth::{AuthUser, EndpointRequest};
pub use builder::TestServerBuilder;
pub use client_event::ClientEventRules;
pub use fault::{AuthFault, Fault};
pub use hub::Snapshot;
pub use journal::{Received, UpgradeRequest};
pub use message_limit::OverLimit;
pub use publisher::Publisher;
pub use refusal::Refusals;
pub use watchlist::WatchlistEvents;

use hub::Hub;
use listener::Listener;

/// A Pusher server inside this process, see the [module](self).
///
/// All methods take `&self` and may be called from several threads. None waits for a client, except those whose name
/// begins with `wait_for`. Dropping it cuts all connections and joins its threads.
pub struct TestServer {
    hub: Arc<Hub>,
    listener: Listener,
}

/// Starting, and where it is.
impl TestServer {
    /// Starts a server on a free port of 127.0.0.1, with the app `app-id`, the key `app-key`, the secret `app-secret`
    /// and an activity timeout of 120 s.
    ///
    /// # Errors
    ///
    /// When there is no free port, or no thread can be started.
    pub fn start() -> io::Result<TestServer> {
        TestServer::builder().start()
    }

    /// Options to start a server with.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
    }

    /// The port that it listens on. It stays the same over [`stop_listening`](Self::stop_listening).
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Where clients connect: `ws://127.0.0.1:PORT/app/KEY`, without a query.
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

/// Publishing and sending. What is sent to one client arrives in the order of the calls.
impl TestServer {
    /// Publishes an event to the subscribers of a channel, and returns to how many connections it went.
    ///
    /// A string is published as that text, anything else as its JSON text; clients get either as a JSON string, like
    /// from Pusher. With a [master key](TestServerBuilder::encryption_master_key), encrypted channels get the JSON text
    /// encrypted, that of a string, too, as the official library does it. Neither name is checked. Returns 0 while the server is [silent](Self::set_silent).
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

    /// Sends exactly this text, as one text message, to every open connection, and returns how many there are.
    ///
    /// This and the other `send_` methods work on a [silent](Self::set_silent) server, too.
    pub fn send_raw(&self, text: &str) -> usize {
        self.hub.send_to_all(&wire::text(text))
    }

    /// Sends exactly these bytes, for example half a frame, over the TCP connection of every open WebSocket, and
    /// returns how many there are.
    pub fn send_raw_bytes(&self, bytes: &[u8]) -> usize {
        self.hub.send_to_all(&bytes.to_vec().into())
    }

    /// Sends a binary message to every open connection, and returns how many there are.
    pub fn send_binary(&self, payload: &[u8]) -> usize {
        self.hub.send_to_all(&wire::binary(payload))
    }

    /// Sends a WebSocket ping frame to every open connection, and returns how many there are.
    ///
    /// RFC 6455 allows 125 bytes of payload; more are sent all the same, as a test of the client.
    pub fn send_ws_ping(&self, payload: &[u8]) -> usize {
        self.hub.send_to_all(&wire::ping(payload))
    }
}

/// Misbehaving.
impl TestServer {
    /// Sends a WebSocket close frame to every open connection, and returns how many were not closing yet.
    ///
    /// A connection ends when the client has answered the close frame, or after 1 s. Any code is sent as it is; the
    /// reason is cut to 123 bytes.
    pub fn close_all(&self, code: u16, reason: &str) -> usize {
        self.hub.close_all(code, reason)
    }

    /// Cuts every TCP connection of a client at once, without a close frame, and returns how many were open WebSockets.
    ///
    /// Connections that are still being opened are cut as well; those to the HTTP API and the auth endpoint are not.
    pub fn drop_all(&self) -> usize {
        self.hub.drop_clients()
    }

    /// While silent, the server keeps its connections and reads what comes, but answers and delivers nothing: no events,
    /// no pongs of either kind, no answer to a close frame.
    ///
    /// New connections are upgraded, and get no `pusher:connection_established`. What the server would have sent is not
    /// made up for later, and subscriptions that were asked for meanwhile do not exist. The HTTP API and the auth endpoint
    /// keep answering.
    pub fn set_silent(&self, silent: bool) {
        self.hub.set_silent(silent);
    }

    /// While stalled, the server does not read from its WebSockets, so that what clients write piles up.
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

    /// Sets the fault that every upgrade request meets that finds none in the queue; `None` ends it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.hub.set_fault(fault);
    }

    /// Closes the port, so that new connections are refused. Those that exist stay. Does nothing if it is closed.
    pub fn stop_listening(&self) {
        self.listener.close();
    }

    /// Opens the port again, under the same number. Does nothing if it is open.
    ///
    /// # Errors
    ///
    /// When another program has taken the port meanwhile, which unix systems do not let happen.
    pub fn resume_listening(&self) -> io::Result<()> {
        self.listener.reopen(&self.hub)
    }
}

/// What happened so far.
impl TestServer {
    /// Number of open WebSocket connections, whether the client got `pusher:connection_established` or not.
    pub fn connections(&self) -> usize {
        self.hub.snapshot(|state| state.connections())
    }

    /// Number of upgrades to WebSocket so far, including those that a [`Fault`] spoiled afterwards.
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

    /// The text messages from clients in the order in which they came: the last 100 000, and at most 64 MiB.
    pub fn received(&self) -> Vec<Received> {
        self.hub.snapshot(|state| state.received().cloned().collect())
    }
}

/// Waiting, without sleeping: each returns as soon as what it waits for is true, and false if it is not within the
/// timeout.
impl TestServer {
    /// Waits until `predicate` holds. It is asked at once, and again whenever something changes.
    ///
    /// The server is locked meanwhile: `predicate` must be quick, and must not call the server.
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

    /// Waits until a message for which `predicate` holds has come; one that came before the call will do.
    ///
    /// The server is locked meanwhile: `predicate` must be quick, and must not call the server.
    pub fn wait_for_received(&self, predicate: impl FnMut(&Received) -> bool, timeout: Duration) -> bool {
        self.hub.wait_for_received(timeout, predicate)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.listener.close();
        self.hub.cut_all();
        self.listener.join();
    }
}

/// Says nothing of the secret.
impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("addr", &self.addr())
            .field("app", &self.hub.settings.app)
            .finish_non_exhaustive()
    }
}
