//! The settings of a running server.

use std::time::Duration;

use crate::testing::{
    auth::app::App,
    http::auth_endpoint::UserSource,
    protocol::{client_event::ClientEventLimits, refusal::Refusals, watchlist::WatchlistEvents},
};

/// Hosted Pusher's own value.
const DEFAULT_ACTIVITY_TIMEOUT: &str = "120";
/// Enough for 100 000 events of a few hundred bytes that a benchmark publishes in one go.
const DEFAULT_QUEUE_LIMIT: usize = 64 << 20;
/// Ten times what self-hosted servers accept from a client by default.
const DEFAULT_MAX_MESSAGE_SIZE: usize = 1 << 20;

/// The options of the builder. They do not change while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub app: App,
    /// JSON text of the activity timeout.
    pub activity_timeout: String,
    /// The number of bytes that may wait for one client.
    pub queue_limit: usize,
    pub refusals: Refusals,
    pub client_events: ClientEventLimits,
    pub message_limit: Option<MessageLimit>,
    /// In bytes.
    pub max_message_size: usize,
    pub subscription_counts: bool,
    pub watchlist_events: WatchlistEvents,
    pub users: UserSource,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            app: App::default(),
            activity_timeout: DEFAULT_ACTIVITY_TIMEOUT.into(),
            queue_limit: DEFAULT_QUEUE_LIMIT,
            refusals: Refusals::default(),
            client_events: ClientEventLimits::default(),
            message_limit: None,
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            subscription_counts: false,
            watchlist_events: WatchlistEvents::default(),
            users: UserSource::default(),
        }
    }
}

/// The consequence of a message over the limit, see
/// [`TestServerBuilder::message_limit`](crate::testing::TestServerBuilder::message_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The server answers with a `pusher:error` 4301 that names no channel, and ignores the message.
    Refuse,
    /// The server ends the TCP connection without a frame, as with Reverb's `terminate_on_limit`.
    Terminate,
}

/// The limit for the messages of one connection.
#[derive(Clone, Debug)]
pub(crate) struct MessageLimit {
    pub messages: u32,
    pub window: Duration,
    pub over_limit: OverLimit,
}
