//! What the main loop has to say, whatever the form: [`Text`](crate::text::Text) or [`Json`](crate::json::Json).

use std::{
    io,
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionStateChange, Error, Event, SubscriptionError, SubscriptionSucceeded};

/// Events go to standard output, everything else to standard error.
pub(crate) trait Output {
    /// Writes one line and flushes it. Only this can fail: without a reader of events there is no point in going on,
    /// without a reader of the rest there is.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Tells where the connection stands.
    fn state(&mut self, change: &ConnectionStateChange);

    /// Tells what else happened.
    fn notice(&mut self, notice: &Notice<'_>);

    /// Called before each wait. Returns after what time to call again even if nothing happens.
    fn refresh(&mut self, now: Instant) -> Option<Duration>;
}

/// What is worth a line, besides events and the state of the connection.
pub(crate) enum Notice<'a> {
    Subscribed(&'a SubscriptionSucceeded),
    SubscriptionError(&'a SubscriptionError),
    Error(&'a Error),
    /// So many events were dropped, because this program was too slow.
    Lagged(u64),
    /// The time of `--timeout` is over.
    Timeout(&'a str),
}
