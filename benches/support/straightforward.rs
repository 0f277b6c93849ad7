//! A client without optimisations: owned values, one channel send per event, a map of closures.

use std::{
    collections::HashMap,
    net::{Shutdown, TcpStream},
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{bare, source::Result};

/// The default of this crate, so that both clients block at the same length.
const QUEUE_CAPACITY: usize = 16_384;

/// A client that disconnects when it is dropped.
pub(crate) struct Connection {
    stream: TcpStream,
}

/// The closures of one client, by channel and event.
#[derive(Default)]
pub(crate) struct Handlers {
    by_channel: HashMap<String, HashMap<String, Handler>>,
}

type Handler = Box<dyn FnMut(&Event) + Send>;

/// A received message.
#[derive(Deserialize)]
pub(crate) struct Event {
    event: String,
    channel: Option<String>,
    #[serde(default)]
    data: Value,
}

impl Connection {
    /// Connects, and subscribes to all channels that have handlers.
    pub(crate) fn open(port: u16, handlers: Handlers) -> Result<Self> {
        let web = bare::connect(port)?;
        let stream = web.get_ref().try_clone()?;
        let channels = handlers.by_channel.keys().cloned().collect();
        let (sender, receiver) = bounded(QUEUE_CAPACITY);
        thread::spawn(move || {
            if let Err(error) = read(web, channels, &sender) {
                eprintln!("the straightforward client: {error}");
            }
        });
        thread::spawn(move || dispatch(&receiver, handlers));
        Ok(Self { stream })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Handlers {
    pub(crate) fn bind(&mut self, channel: &str, event: &str, handler: impl FnMut(&Event) + Send + 'static) {
        let of_channel = self.by_channel.entry(channel.to_owned()).or_default();
        of_channel.insert(event.to_owned(), Box::new(handler));
    }

    fn call(&mut self, event: &Event) {
        let Some(channel) = &event.channel else { return };
        if let Some(handler) = self.by_channel.get_mut(channel).and_then(|of_channel| of_channel.get_mut(&event.event))
        {
            handler(event);
        }
    }
}

impl Event {
    pub(crate) fn data(&self) -> &str {
        self.data.as_str().unwrap_or_default()
    }
}

/// The reader's thread.
fn read(mut web: WebSocket<TcpStream>, channels: Vec<String>, events: &Sender<Event>) -> Result<()> {
    loop {
        let text = match web.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => continue,
            // The connection was dropped, or the source has ended.
            Err(_) => return Ok(()),
        };
        let event: Event = serde_json::from_str(&text)?;
        match event.event.as_str() {
            "pusher:connection_established" => {
                for channel in &channels {
                    web.send(bare::subscribe_request(channel))?;
                }
            }
            "pusher:ping" => web.send(Message::text(json!({ "event": "pusher:pong", "data": {} }).to_string()))?,
            _ => events.send(event)?,
        }
    }
}

/// The handlers' thread.
fn dispatch(events: &Receiver<Event>, mut handlers: Handlers) {
    for event in events {
        handlers.call(&event);
    }
}
