//! The output of the main loop, in one of two forms: [`Text`](crate::text::Text) or [`Json`](crate::json::Json).

use std::{
    io,
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionStateChange, Error, Event, SubscriptionError, SubscriptionSucceeded};

/// Events go to standard output, everything else to standard error.
pub(crate) trait Output {
    /// Writes one line and flushes it. This is the only method that can fail: without a reader of events the program is
    /// useless, without a reader of the rest it is not.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Shows the state of the connection.
    fn state(&mut self, change: &ConnectionStateChange);

    /// Shows a notice.
    fn notice(&mut self, notice: &Notice<'_>);

    /// Called before each wait. Returns the time after which the next call is due.
    fn refresh(&mut self, now: Instant) -> Option<Duration>;
}

/// A line besides events and the state of the connection.
pub(crate) enum Notice<'a> {
    Subscribed(&'a SubscriptionSucceeded),
    SubscriptionError(&'a SubscriptionError),
    Error(&'a Error),
    /// This number of events was dropped, because the program was too slow.
    Lagged(u64),
    /// The time of `--timeout` is over.
    Timeout(&'a str),
}
