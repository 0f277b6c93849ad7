//! The embedded server, tested with a bare WebSocket client and a hand-written HTTP client.
#![cfg(feature = "test-server")]

mod auth;
mod cache;
mod channels;
mod client_events;
mod connecting;
mod counts;
mod encrypted;
mod faults;
mod frames;
mod http;
mod message_limits;
mod messages;
mod misbehaving;
mod presence;
mod sending;
mod signatures;
mod support;
mod users;
