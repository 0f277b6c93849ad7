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
//! # Protocol
//!
//! All kinds of channels, distinguished by the prefix of their names. By default it answers like soketi 1.6, with the
//! same message shapes and texts.
//!
//! * Private, presence and encrypted channels need a signature by the app's secret. A wrong or missing signature is
//!   refused as by soketi or, with [`TestServerBuilder::refusals`], as by Reverb or Sockudo.
//! * Presence channels have members: a user with several connections is one member. The other members are notified of
//!   the user's first and last connection.
//! * Cache channels keep their last event and send it to later subscribers. Without such an event they send
//!   `pusher:cache_miss`.
//! * Events that [`TestServer::trigger`] publishes on an encrypted channel are encrypted, if there is an
//!   [`encryption_master_key`](TestServerBuilder::encryption_master_key).
//! * Clients send events to each other on private and presence channels, by the rules of soketi or, with
//!   [`TestServerBuilder::client_event_rules`], by those of Reverb.
//! * `subscription_count` is off until [`TestServerBuilder::subscription_counts`] turns it on.
//! * Users sign in, receive events of their own, and are notified when the users on their watchlist come and go.
//! * An auth endpoint, at [`TestServer::auth_endpoint`] and [`TestServer::user_auth_endpoint`], signs the requests that
//!   [`TestServerBuilder::auth_user`] allows. An [`AuthFault`] makes it fail.
//! * The HTTP API publishes events and terminates the connections of a user. Encrypted data passes through unchanged.
//!
//! The server counts messages that it cannot use, and ignores them. A client that breaks the rules of WebSocket gets a
//! close frame with code 1002, text that is not UTF-8 gets 1007, and a message of more than
//! [`TestServerBuilder::max_message_size`] gets 1009.
//!
//! # Threads
//!
//! One thread accepts connections; each connection has a thread that reads and, once it is a WebSocket, a thread that
//! writes. Publishing puts one shared copy of the frame into the queue of each receiver and never waits for a client. A
//! client that reads too slowly is dropped, see [`TestServerBuilder::queue_limit`]. Dropping the server joins all its
//! threads.

mod auth;
mod builder;
mod connection;
mod http;
mod hub;
mod protocol;
mod publisher;
mod server;

pub use builder::TestServerBuilder;
#[cfg(any(fuzzing, test))]
pub(crate) use connection::in_memory;
pub use http::{
    auth_endpoint::{AuthUser, EndpointRequest},
    fault::{AuthFault, Fault},
};
pub use hub::{
    settings::OverLimit,
    snapshot::Snapshot,
    state::journal::{Received, UpgradeRequest},
};
pub use protocol::{client_event::ClientEventRules, refusal::Refusals, watchlist::WatchlistEvents};
pub use publisher::Publisher;
pub use server::TestServer;
