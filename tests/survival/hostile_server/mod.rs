//! Servers that do what no server should. A [`Scenario`] is one row of a table: what the server sends, at which stage, and
//! what the client must show.
//!
//! The first connection to a [`Server`] gets the scenario's script; every later one gets what a good server does. So the
//! same port, and the same client, show that nothing is broken for good.

mod frames;
mod handshake;
mod hoards;
mod json;
mod protocol;
mod server;
pub(crate) mod wire;

use std::time::Duration;

use pusher_channels::Config;

pub(crate) use server::Server;

/// The channel that is always subscribed, and on which it is seen whether the connection still works.
pub(crate) const ROOM: &str = "room";

pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) stage: Stage,
    pub(crate) script: Vec<Step>,
    pub(crate) shows: Shows,
    /// Channels beside [`ROOM`].
    pub(crate) channels: Vec<String>,
    pub(crate) options: fn(Config) -> Config,
    pub(crate) signs_in: bool,
}

/// When the script begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instead of an answer to the upgrade request.
    Upgrade,
    /// Instead of the first message.
    First,
    /// When all subscriptions are requested, and that of [`ROOM`] is confirmed.
    Requested,
    /// When all subscriptions are confirmed.
    Subscribed,
}

/// What the server does next. Large things are made before the memory is measured, or made of small ones while they are sent.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// The same bytes so often.
    Repeat(Vec<u8>, u64),
    /// A text message for each number below the last, which stands between the two parts.
    Count(String, u32, String),
    /// Byte after byte, with this pause.
    Drip(Vec<u8>, Duration),
    /// A correct answer to the upgrade request, with more headers.
    Upgrade(&'static str),
    /// The accept key alone, which is made of what the client sent.
    Accept,
    /// Ends the stream.
    Close,
}

/// What the client must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The attempt, or the connection, ends with such an error, and the next connection is good. Errors are told by how their
    /// `Debug` begins.
    Ends(&'static str),
    /// Such an error is reported, and the connection stays.
    Reports(&'static str),
    /// The subscription of the first of the channels ends with such an error, and the connection stays.
    Refuses(&'static str),
    /// It is counted and nothing else.
    Ignores,
    /// Nothing is wrong with it.
    Tolerates,
}

impl Scenario {
    pub(crate) fn new(name: impl Into<String>, stage: Stage, script: Vec<Step>, shows: Shows) -> Self {
        Self {
            name: name.into(),
            stage,
            script,
            shows,
            channels: Vec::new(),
            options: |config| config,
            signs_in: false,
        }
    }

    /// With so many channels, whose names end in their numbers.
    fn with_numbered(mut self, prefix: &str, count: u32) -> Self {
        self.channels = (0..count).map(|number| format!("{prefix}{number}")).collect();
        self
    }

    /// With these channels beside [`ROOM`].
    fn with(mut self, channels: &[&str]) -> Self {
        self.channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        self
    }

    fn configured(mut self, options: fn(Config) -> Config) -> Self {
        self.options = options;
        self
    }

    /// So that a deadline is met soon.
    fn hasty(self) -> Self {
        self.configured(|config| config.connect_timeout(Duration::from_millis(300)))
    }

    fn signed_in(mut self) -> Self {
        self.signs_in = true;
        self
    }
}

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let tables =
        [handshake::scenarios(), frames::scenarios(), json::scenarios(), protocol::scenarios(), hoards::scenarios()];
    tables.into_iter().flatten().collect()
}
