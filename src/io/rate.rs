//! How many client events a second may be sent.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

/// Allows so many events in *every* span of a second. A token bucket, which refills while its tokens are spent, would allow
/// nearly twice as many in the first one, and servers count by the second.
#[derive(Debug)]
pub(super) struct RateLimit {
    limit: u32,
    /// When those of the last second were sent.
    sent: VecDeque<Instant>,
}

impl RateLimit {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, sent: VecDeque::new() }
    }

    /// False when it is one too many. Otherwise it counts as sent.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        while self.sent.front().is_some_and(|sent| *sent + SECOND <= now) {
            self.sent.pop_front();
        }
        let allowed = self.sent.len() < self.limit as usize;
        if allowed {
            self.sent.push_back(now);
        }
        allowed
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_as_many_as_allowed_pass_in_every_second() {
        let start = Instant::now();
        let mut rate = RateLimit::new(10);
        let passed = |rate: &mut RateLimit, now| (0..100).filter(|_| rate.allows(now)).count();
        assert_eq!(passed(&mut rate, start), 10);
        assert_eq!(passed(&mut rate, start + Duration::from_millis(999)), 0);
        assert!(rate.allows(start + SECOND));
        assert_eq!(passed(&mut rate, start + SECOND + SECOND / 2), 9);
        assert_eq!(passed(&mut rate, start + 60 * SECOND), 10, "a pause is not saved up");
    }
}
