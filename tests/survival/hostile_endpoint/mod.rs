//! Auth endpoints with wrong, hostile or missing answers. A [`Scenario`] is one row: the answer, and the result for the
//! channel.

mod answers;
mod bodies;
mod endpoint;

use std::time::Duration;

use pusher_channels::Config;

pub(crate) use endpoint::{Endpoint, OtherHost};

/// A correct answer.
pub(crate) const GOOD: &str = r#"{"auth":"k:s"}"#;

pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The channel whose requests get the script. Requests for all other channels are answered well.
    pub(crate) channel: &'static str,
    pub(crate) script: Vec<Step>,
    pub(crate) shows: Shows,
    pub(crate) options: fn(Config) -> Config,
}

/// The next step of the endpoint in its answer to a request. After the last step it ends the connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// The same bytes until the client closes the connection.
    Endless(Vec<u8>),
    /// Byte after byte, with this pause.
    Drip(Vec<u8>, Duration),
    /// Nothing until the client closes the connection.
    Hold,
    /// A redirect with this status to another host, where every byte is recorded.
    Redirect(u16),
    /// Resets the connection.
    Reset,
    /// Answers without reading the request.
    Unread,
    /// Keeps the connection for the next request.
    Keep,
}

/// The result for the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    Subscribed,
    /// An error whose `Debug` starts with this text, after one request.
    Final(&'static str),
    /// An error whose `Debug` starts with this text, after the three retries of A4.
    Retried(&'static str),
    /// The same. But when a kept connection ends before any byte of the answer, the client cannot know whether the
    /// endpoint
    /// got the request, so it sends it again on a new connection.
    RetriedAndResent(&'static str),
    /// Either, because no rule decides it.
    Any(&'static str),
}

impl Scenario {
    fn new(name: impl Into<String>, script: Vec<Step>, shows: Shows) -> Self {
        Self { name: name.into(), channel: "private-target", script, shows, options: |config| config }
    }

    fn on(mut self, channel: &'static str) -> Self {
        self.channel = channel;
        self
    }

    /// With a short deadline, so that the test is quick.
    fn with_short_deadline(mut self) -> Self {
        self.options = |config| config.auth_timeout(Duration::from_millis(300));
        self
    }
}

/// All scenarios.
pub(crate) fn scenarios() -> Vec<Scenario> {
    [answers::scenarios(), bodies::scenarios()].into_iter().flatten().collect()
}

/// A whole answer with this body.
fn ok(body: &str) -> Vec<Step> {
    answer("200 OK", "", body)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::Bytes(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())]
}
