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

mod auth;
mod builder;
mod connection;
mod fault;
mod http;
mod hub;
mod protocol;
mod publisher;
mod server;

pub use builder::TestServerBuilder;
#[cfg(any(fuzzing, test))]
pub(crate) use connection::in_memory;
pub use fault::{AuthFault, Fault};
pub use http::auth_endpoint::{AuthUser, EndpointRequest};
pub use hub::{
    settings::OverLimit,
    snapshot::Snapshot,
    state::journal::{Received, UpgradeRequest},
};
pub use protocol::{client_event::ClientEventRules, refusal::Refusals, watchlist::WatchlistEvents};
pub use publisher::Publisher;
pub use server::TestServer;
