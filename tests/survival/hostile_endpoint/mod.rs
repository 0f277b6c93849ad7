//! Auth endpoints that answer what no endpoint should. A [`Scenario`] is one row: the answer, and what becomes of the channel.

mod answers;
mod bodies;
mod endpoint;

use std::time::Duration;

use pusher_channels::Config;

pub(crate) use endpoint::{Elsewhere, Endpoint};

/// The answer that would be right.
pub(crate) const GOOD: &str = r#"{"auth":"k:s"}"#;

pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The channel that is answered so. All others are answered well.
    pub(crate) channel: &'static str,
    pub(crate) script: Vec<Step>,
    pub(crate) shows: Shows,
    pub(crate) options: fn(Config) -> Config,
}

/// What the endpoint does next with a request. Afterwards it ends the connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// The same bytes until the client goes.
    Endless(Vec<u8>),
    /// Byte after byte, with this pause.
    Drip(Vec<u8>, Duration),
    /// Nothing until the client goes.
    Hold,
    /// A redirect with this status, to where every byte is recorded.
    Redirect(u16),
    /// Resets the connection.
    Reset,
    /// Answers without having read the request.
    Unread,
    /// Keeps the connection for the next request.
    Keep,
}

/// What becomes of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    Subscribed,
    /// An error whose `Debug` begins so, after one request.
    Final(&'static str),
    /// An error whose `Debug` begins so, after the three retries of A4.
    Retried(&'static str),
    /// The same. But the end of a kept connection before any byte is not told from one that came before the request, which
    /// then goes out again on a new connection.
    RetriedUnheard(&'static str),
    /// Either, because no rule says which.
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

    /// So that the deadline is met soon.
    fn hasty(mut self) -> Self {
        self.options = |config| config.auth_timeout(Duration::from_millis(300));
        self
    }
}

/// All of them.
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
