//! Checks what a program has sent to the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use pusher_channels::testing::{Received, TestServer};
use serde_json::Value;

use crate::{
    ann::HELLO,
    script::{CHANNELS, KITCHEN},
};

/// The operating system closes the connections of an ended process, and the server notices that a little later.
const PATIENCE: Duration = Duration::from_secs(5);

/// A step that a program should have done.
pub(crate) struct Finding {
    what: &'static str,
    pub(crate) is_seen: bool,
}

/// All steps that a program should have done, checked after its end. No other client may be connected.
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

/// The number of connections on which all channels were subscribed. Ann subscribes to only one channel.
fn subscribed_connections(messages: &[Message]) -> usize {
    let mut channels: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.event == "pusher:subscribe") {
        channels.entry(message.connection).or_default().insert(&message.channel);
    }
    channels.values().filter(|subscribed| CHANNELS.iter().all(|channel| subscribed.contains(channel))).count()
}

/// A message of a client.
struct Message {
    connection: u64,
    event: String,
    /// The channel of the event, or the one that is subscribed.
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
