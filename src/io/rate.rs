//! How many client events a second may be sent.

use std::time::{Duration, Instant};

/// A bucket that fills evenly and holds as many events as are allowed in a second, so that short bursts pass.
#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: u32,
    /// When the bucket will be full again. It holds nothing when that is a second away.
    full_at: Instant,
}

impl TokenBucket {
    pub(super) fn new(limit: u32, now: Instant) -> Self {
        Self { limit, full_at: now }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + Duration::from_secs(1) / self.limit.max(1);
        let allowed = full_at <= now + Duration::from_secs(1);
        if allowed {
            self.full_at = full_at;
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
        let mut bucket = TokenBucket::new(10, start);
        let passed = |bucket: &mut TokenBucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(passed(&mut bucket, start), 10);
        assert_eq!(passed(&mut bucket, start + Duration::from_millis(99)), 0);
        assert_eq!(passed(&mut bucket, start + Duration::from_millis(100)), 1);
        assert_eq!(passed(&mut bucket, start + Duration::from_secs(60)), 10, "a pause is not saved up");
    }
}
