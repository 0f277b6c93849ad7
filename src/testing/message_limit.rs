//! How many messages, of every kind, a connection may send.

use std::time::Duration;

/// Code of the error for a message over the limit.
pub(super) const REFUSED: u16 = 4301;

/// Reverb's text.
pub(super) const TOO_MANY: &str = "Rate limit exceeded";

/// What happens to a message over the limit, see
/// [`TestServerBuilder::message_limit`](super::TestServerBuilder::message_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// It is answered with `pusher:error` 4301 without a channel, and otherwise ignored.
    Refuse,
    /// The TCP connection ends without a frame, as with Reverb's `terminate_on_limit`.
    Terminate,
}

/// The limit of each connection.
#[derive(Clone, Debug)]
pub(super) struct MessageLimit {
    pub(super) messages: u32,
    pub(super) window: Duration,
    pub(super) over_limit: OverLimit,
}
