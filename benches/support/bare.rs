//! The bare client: tungstenite alone.

use std::net::TcpStream;

use serde_json::json;
use tungstenite::{Message, WebSocket, client::client_with_config, protocol::WebSocketConfig};

use super::source::{CHANNEL, LAST_EVENT, Result};

/// A WebSocket that is subscribed. Its next message is the first event.
pub(crate) fn subscribe(port: u16) -> Result<WebSocket<TcpStream>> {
    let mut web = connect(port)?;
    web.read()?;
    web.send(subscribe_request(CHANNEL))?;
    web.read()?;
    Ok(web)
}

/// An open WebSocket on which nothing was sent yet.
pub(crate) fn connect(port: u16) -> Result<WebSocket<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let (web, _) =
        client_with_config(url(port), stream, Some(websocket_config())).map_err(|error| error.to_string())?;
    Ok(web)
}

pub(crate) fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/app/bench")
}

pub(crate) fn subscribe_request(channel: &str) -> Message {
    Message::text(json!({ "event": "pusher:subscribe", "data": { "channel": channel } }).to_string())
}

/// The settings of this crate (`src/io/transport/websocket/codec.rs`), for all clients alike.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

/// Checks that the messages before this one were exactly the events.
pub(crate) fn expect_last(message: &Message) -> Result<()> {
    if message.to_text()?.contains(LAST_EVENT) {
        return Ok(());
    }
    Err("the bare loop: the number of messages is not that of the events".into())
}
