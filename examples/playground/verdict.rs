//! What the server has seen of a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use pusher_channels::testing::{Received, TestServer};
use serde_json::Value;

use crate::{
    ann::HELLO,
    life::{CHANNELS, KITCHEN},
};

/// The operating system closes the connections of a process that is gone; the server hears of it a little later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that a program is to do.
pub(crate) struct Finding {
    what: &'static str,
    pub(crate) is_seen: bool,
}

/// Everything that a program is to do, when it has ended and nobody else is connected.
pub(crate) fn verdict(server: &TestServer) -> [Finding; 4] {
    let messages: Vec<_> = server.received().iter().filter_map(Message::read).collect();
    let subscribed = subscribed_connections(&messages);
    let is_hello = |message: &Message| message.event == HELLO && message.channel == KITCHEN;
    [
        Finding { what: "subscribed to all three channels", is_seen: subscribed > 0 },
        Finding { what: "said client-hello on presence-kitchen", is_seen: messages.iter().any(is_hello) },
        Finding { what: "subscribed to all of them again, on another connection", is_seen: subscribed > 1 },
        Finding { what: "left no connection open", is_seen: server.wait_for_connections(0, PATIENCE) },
    ]
}

/// On how many connections all channels were subscribed. Ann subscribes to one alone.
fn subscribed_connections(messages: &[Message]) -> usize {
    let mut channels: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.event == "pusher:subscribe") {
        channels.entry(message.connection).or_default().insert(&message.channel);
    }
    channels.values().filter(|subscribed| CHANNELS.iter().all(|channel| subscribed.contains(channel))).count()
}

/// What a client has sent.
struct Message {
    connection: u64,
    event: String,
    /// Of a subscription, the channel that is subscribed to.
    channel: String,
}

impl Message {
    /// `None` for a message without a channel, such as a ping.
    fn read(received: &Received) -> Option<Self> {
        let message: Value = serde_json::from_str(&received.text).ok()?;
        let channel = message["channel"].as_str().or(message["data"]["channel"].as_str())?.to_owned();
        Some(Self { connection: received.connection, event: message["event"].as_str()?.to_owned(), channel })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.is_seen { "ok" } else { "MISSING" }, self.what)
    }
}
