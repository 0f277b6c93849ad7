//! The policy of reconnecting.

use std::{fmt, time::Duration};

use super::plan::A_YEAR;
use crate::session::ReconnectPolicy;

/// The policy of reconnecting: when, and how often, the client replaces a lost connection.
///
/// Before the *n*-th attempt in a row, the client waits for a random time, from [`min_delay`](Self::min_delay) to the
/// smaller of [`max_delay`](Self::max_delay) and 1 s x 2^(n-1). Random delays keep thousands of clients from coming back
/// in the same instant after an outage. The count starts again after a connection has been stable for 10 s.
///
/// The close code of the server counts as well: after 4001-4099 the client gives up, after 4100-4199 it waits for at
/// least a second, and after 4200-4299 it reconnects at once.
///
/// Defaults to trying for ever, with delays from 0 to 30 s.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reconnect(pub(super) ReconnectPolicy);

/// Shows the options of the policy, without the type of the session that has them.
impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReconnectPolicy { never, max_attempts, min_delay, max_delay } = &self.0;
        f.debug_struct("Reconnect")
            .field("never", never)
            .field("max_attempts", max_attempts)
            .field("min_delay", min_delay)
            .field("max_delay", max_delay)
            .finish()
    }
}

impl Reconnect {
    /// Never reconnects: after a loss the client is [`Disconnected`](crate::ConnectionState::Disconnected).
    pub fn never() -> Self {
        Self(ReconnectPolicy { never: true, ..ReconnectPolicy::default() })
    }

    /// How many attempts in a row may fail before the client is [`Failed`](crate::ConnectionState::Failed). Defaults to no
    /// limit, and 0 counts as 1. A connection that ends within 10 s counts as a failed attempt.
    ///
    /// The cause of the state is the error of the last attempt. After a refusal by the server, the cause is an
    /// [`Error::ConnectionClosed`](crate::Error::ConnectionClosed) with a code of 4000-4099 instead.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.0.max_attempts = Some(attempts);
        self
    }

    /// The shortest delay before an attempt, up to a year. If it is longer than the upper bound of a random delay, the
    /// delay is exactly this long. Defaults to 0.
    pub fn min_delay(mut self, delay: Duration) -> Self {
        self.0.min_delay = delay;
        self
    }

    /// The longest delay before an attempt, up to a year. Defaults to 30 s.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.0.max_delay = delay;
        self
    }

    pub(crate) fn is_in_range(&self) -> bool {
        self.0.min_delay.max(self.0.max_delay) <= A_YEAR
    }

    /// The policy in the form that the session takes.
    pub(crate) fn policy(&self) -> ReconnectPolicy {
        self.0
    }
}
