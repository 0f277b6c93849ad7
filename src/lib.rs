//! A blocking client for [Pusher Channels](https://pusher.com/channels/) and every server that speaks its protocol:
//! Laravel Reverb, soketi, Sockudo.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod channel;
mod client;
mod config;
mod error;
mod event;
mod io;
mod protocol;
mod receiver;
mod session;
#[cfg(feature = "test-server")]
pub mod testing;

pub use channel::Channel;
pub use client::{Binding, Pusher, Stats};
pub use config::{Config, Overflow};
pub use error::{ConnectPhase, Error, Source};
pub use event::{
    ConnectionState, ConnectionStateChange, Event, Name, Notification, SubscriptionError, SubscriptionSucceeded,
};
pub use receiver::{Closed, Receiver, RecvTimeoutError, TryRecvError};
pub use session::Reconnect;
