//! Servers that break the protocol or flood the client. A [`Scenario`] is one row of a table: the bytes of the server,
//! the
//! phase at which it sends them, and the expected reaction of the client.
//!
//! The first connection to a [`Server`] gets the scenario's script; every later one gets a correct server. So the test
//! sees
//! whether the same client recovers on the same port.

mod frames;
mod handshake;
mod json;
mod memory;
mod protocol;
pub(crate) mod raw_frames;
mod server;

use std::time::Duration;

use pusher_channels::Config;

pub(crate) use server::Server;

/// The channel that is always subscribed. An event on it shows whether the connection still works.
pub(crate) const ROOM: &str = "room";

pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    pub(crate) script: Vec<Step>,
    pub(crate) shows: Shows,
    /// Channels besides [`ROOM`].
    pub(crate) channels: Vec<String>,
    pub(crate) options: fn(Config) -> Config,
    pub(crate) signs_in: bool,
}

/// The moment at which the script begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Instead of an answer to the upgrade request.
    Upgrade,
    /// Instead of the first message.
    First,
    /// When all subscriptions are requested, and the one to [`ROOM`] is confirmed.
    Requested,
    /// When all subscriptions are confirmed.
    Subscribed,
}

/// The next step of the server. Large messages are built before the memory is measured, or in small pieces while they
/// are
/// sent.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// The same bytes this many times.
    Repeat(Vec<u8>, u64),
    /// A text message for each number below this one, with the number between the two texts.
    Count(String, u32, String),
    /// Byte after byte, with this pause.
    Drip(Vec<u8>, Duration),
    /// A correct answer to the upgrade request, with more headers.
    Upgrade(&'static str),
    /// The accept key alone, which depends on the client's request.
    Accept,
    /// Ends the stream.
    Close,
}

/// The expected reaction of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The attempt or the connection ends with an error whose `Debug` starts with this text, and the next connection
    /// works.
    Ends(&'static str),
    /// An error whose `Debug` starts with this text is reported, and the connection stays.
    Reports(&'static str),
    /// The subscription of the first of the channels ends with such an error, and the connection stays.
    Refuses(&'static str),
    /// The message is counted as ignored. It has no other effect.
    Ignores,
    /// The client accepts it without an error.
    Tolerates,
}

impl Scenario {
    pub(crate) fn new(name: impl Into<String>, phase: Phase, script: Vec<Step>, shows: Shows) -> Self {
        Self {
            name: name.into(),
            phase,
            script,
            shows,
            channels: Vec::new(),
            options: |config| config,
            signs_in: false,
        }
    }

    /// With this many channels, whose names end in their numbers.
    fn with_numbered(mut self, prefix: &str, count: u32) -> Self {
        self.channels = (0..count).map(|number| format!("{prefix}{number}")).collect();
        self
    }

    /// With these channels besides [`ROOM`].
    fn with(mut self, channels: &[&str]) -> Self {
        self.channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        self
    }

    fn configured(mut self, options: fn(Config) -> Config) -> Self {
        self.options = options;
        self
    }

    /// With a short deadline, so that the test is quick.
    fn with_short_deadline(self) -> Self {
        self.configured(|config| config.connect_timeout(Duration::from_millis(300)))
    }

    fn signed_in(mut self) -> Self {
        self.signs_in = true;
        self
    }
}

/// All scenarios.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let tables =
        [handshake::scenarios(), frames::scenarios(), json::scenarios(), protocol::scenarios(), memory::scenarios()];
    tables.into_iter().flatten().collect()
}
