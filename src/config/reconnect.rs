//! The policy of reconnecting.

use std::time::Duration;

/// When and how often a lost connection is made anew.
///
/// The *n*-th delay in a row is drawn evenly from [`min_delay`](Self::min_delay) to the smaller of
/// [`max_delay`](Self::max_delay) and 1 s x 2^(n-1). The draw keeps thousands of clients from coming back in the same
/// instant after an outage. The count starts again once a connection has been stable for 10 s.
///
/// The server has its say too: close codes 4001-4099 are final, 4100-4199 wait at least a second, 4200-4299 ask for a
/// reconnect at once.
///
/// Defaults to trying for ever, with delays from 0 to 30 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    never: bool,
    max_attempts: Option<u32>,
    min_delay: Duration,
    max_delay: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { never: false, max_attempts: None, min_delay: Duration::ZERO, max_delay: Duration::from_secs(30) }
    }
}

impl Reconnect {
    /// No reconnecting at all: after a loss the client is [`Disconnected`](crate::ConnectionState::Disconnected).
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// After so many failed attempts in a row the client is [`Failed`](crate::ConnectionState::Failed), with the last cause,
    /// which tells it from a refusal by the server: the cause of that is [`Error::ConnectionClosed`](crate::Error::ConnectionClosed)
    /// with 4000-4099. Defaults to no limit. A connection that ends within 10 s counts as a failed attempt.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The shortest delay before an attempt, at most a year; it wins over a smaller upper bound. Defaults to 0.
    pub fn min_delay(mut self, delay: Duration) -> Self {
        self.min_delay = delay;
        self
    }

    /// The longest delay before an attempt, at most a year. Defaults to 30 s.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    pub(crate) fn is_never(&self) -> bool {
        self.never
    }

    pub(crate) fn attempts(&self) -> Option<u32> {
        self.max_attempts
    }

    /// The shortest and the longest delay.
    pub(crate) fn delays(&self) -> (Duration, Duration) {
        (self.min_delay, self.max_delay)
    }
}
