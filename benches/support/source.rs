//! The event source: a server for one client that sends frames encoded in advance.

use std::{
    error::Error,
    io::{self, Read, Write},
    iter,
    net::{TcpListener, TcpStream},
};

use serde_json::json;
use tungstenite::{Message, accept_with_config};

use super::bare::websocket_config;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The channel of all events.
pub(crate) const CHANNEL: &str = "bench";

/// The events that are counted.
pub(crate) const EVENT: &str = "update";

/// The event after the last one that is counted.
pub(crate) const LAST_EVENT: &str = "done";

/// The smallest `seq`. All numbers have the same length, so that all frames have.
const FIRST_SEQ: usize = 100_000;

/// The socket of a subscribed client.
pub(crate) struct Subscriber {
    stream: TcpStream,
}

impl Subscriber {
    /// Waits for a client, and answers it until it has subscribed.
    pub(crate) fn accept(listener: &TcpListener) -> Result<Self> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let stream_of_web = stream.try_clone()?;
        let mut web = accept_with_config(stream_of_web, Some(websocket_config())).map_err(|error| error.to_string())?;
        let data = json!({ "socket_id": "1.1", "activity_timeout": 120 }).to_string();
        web.send(message("pusher:connection_established", None, &data))?;
        let request = web.read()?;
        if !request.to_text()?.contains("pusher:subscribe") {
            return Err(format!("the source expects a subscribe, not {request}").into());
        }
        web.send(message("pusher_internal:subscription_succeeded", Some(CHANNEL), "{}"))?;
        Ok(Self { stream })
    }

    /// Writes encoded frames. Blocks while TCP accepts no more.
    pub(crate) fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.stream.write_all(frames)
    }

    /// Sends the last event, and keeps the connection open until the client closes it, because the client's threads
    /// must be alive when it reads their clocks.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.write(&frame(LAST_EVENT, "{}"))?;
        let mut ignored = [0; 1024];
        loop {
            match self.stream.read(&mut ignored) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }
}

/// `count` frames of the counted event. All frames have the same length.
pub(crate) fn frames(count: usize, data_len: usize) -> Vec<u8> {
    frames_of(iter::repeat_n(EVENT, count), data_len)
}

/// One frame for each of these events. All frames have the same length if the names have.
pub(crate) fn frames_of<'a>(events: impl Iterator<Item = &'a str>, data_len: usize) -> Vec<u8> {
    (FIRST_SEQ..).zip(events).flat_map(|(seq, event)| frame(event, &data(seq, data_len))).collect()
}

/// JSON text of exactly this length.
fn data(seq: usize, len: usize) -> String {
    let bare = json!({ "seq": seq, "pad": "" }).to_string();
    let pad = "x".repeat(len.saturating_sub(bare.len()));
    json!({ "seq": seq, "pad": pad }).to_string()
}

/// RFC 6455, section 5.2: one text frame. A server does not mask its frames.
fn frame(event: &str, data: &str) -> Vec<u8> {
    let text = envelope(event, Some(CHANNEL), data);
    let mut frame = vec![0x81];
    match u16::try_from(text.len()).expect("the messages of the bench are short") {
        len @ 0..126 => frame.push(len as u8),
        len => {
            frame.push(126);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

fn message(event: &str, channel: Option<&str>, data: &str) -> Message {
    Message::text(envelope(event, channel, data))
}

/// The keys have the order of real servers, and `data` is text that contains JSON.
fn envelope(event: &str, channel: Option<&str>, data: &str) -> String {
    let channel = channel.map_or_else(String::new, |channel| format!(r#""channel":{},"#, json!(channel)));
    format!(r#"{{"event":{},{channel}"data":{}}}"#, json!(event), json!(data))
}
