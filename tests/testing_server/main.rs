//! The embedded server, seen through a bare WebSocket client and a hand-written HTTP client.
#![cfg(feature = "test-server")]

mod channels;
mod connecting;
mod faults;
mod http;
mod messages;
mod misbehaving;
mod sending;
mod support;
