//! The delay before the next attempt to connect, and the limit of these attempts (R1, R2).

use std::time::{Duration, Instant};

use crate::{protocol::close_code::Advice, session::ReconnectPolicy};

/// The first delay is random, up to this time. The bound doubles with each further delay.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The minimum delay after a close code of 4100 to 4199.
const AT_LEAST: Duration = Duration::from_secs(1);

/// A second "reconnect at once" within this time is delayed like any other.
const AT_ONCE_AGAIN_AFTER: Duration = Duration::from_secs(10);

pub(crate) struct Backoff {
    policy: ReconnectPolicy,
    /// Failed attempts to connect in a row. A connection that was not stable counts as one.
    failures: u32,
    /// Delays in a row.
    delays: u32,
    last_immediate: Option<Instant>,
    random: SplitMix64,
}

/// The next step after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    After(Duration),
    /// The policy allows no reconnect.
    Never,
    /// All attempts to connect that the policy allows have failed.
    UsedUp,
}

impl Backoff {
    pub fn new(policy: ReconnectPolicy, seed: u64) -> Self {
        Self { policy, failures: 0, delays: 0, last_immediate: None, random: SplitMix64(seed) }
    }

    /// A connection was stable, or the program connects again: the next attempt to connect counts as the first.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.delays = 0;
    }

    /// The number of the current attempt to connect, or of the next one.
    pub fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// An attempt to connect failed, or a connection ended before it was stable.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    pub fn next(&mut self, advice: Advice, now: Instant) -> Next {
        if self.policy.never {
            return Next::Never;
        }
        if self.policy.max_attempts.is_some_and(|max| self.failures >= max) {
            return Next::UsedUp;
        }
        if advice == Advice::AtOnce && self.may_reconnect_immediately(now) {
            return Next::After(Duration::ZERO);
        }
        let delay = self.random_delay();
        Next::After(if advice == Advice::WaitLonger { delay.max(AT_LEAST) } else { delay })
    }

    fn may_reconnect_immediately(&mut self, now: Instant) -> bool {
        let recently = self.last_immediate.is_some_and(|last| now < last + AT_ONCE_AGAIN_AFTER);
        self.last_immediate = Some(now);
        !recently
    }

    /// A random delay. The n-th is from `min_delay` to min(`max_delay`, 1 s x 2^(n-1)).
    fn random_delay(&mut self) -> Duration {
        let ReconnectPolicy { min_delay: min, max_delay: max, .. } = self.policy;
        let doubled = FIRST_DELAY.saturating_mul(1u32.checked_shl(self.delays).unwrap_or(u32::MAX));
        self.delays = self.delays.saturating_add(1);
        let span = doubled.min(max).saturating_sub(min);
        min + span.mul_f64(self.random.fraction())
    }
}

/// SplitMix64, by Steele, Lea and Flood. Delays must differ between clients, but need not be unpredictable.
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number from 0 (included) to 1 (excluded), evenly distributed.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The upper 53 bits fill the mantissa of an f64 exactly.
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reconnect;

    fn delays(policy: Reconnect, advice: Advice, n: usize, seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy.policy(), seed);
        let mut now = Instant::now();
        (0..n)
            .map(|_| {
                now += Duration::from_secs(60);
                match backoff.next(advice, now) {
                    Next::After(delay) => delay,
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn r1_delay_n_stays_below_its_bound_and_uses_the_whole_range() {
        let bounds = [1, 2, 4, 8, 16, 30, 30, 30];
        let mut largest = [Duration::ZERO; 8];
        let mut smallest = [Duration::MAX; 8];
        for seed in 0..2000 {
            for (n, delay) in delays(Reconnect::default(), Advice::BackOff, 8, seed).into_iter().enumerate() {
                assert!(delay < Duration::from_secs(bounds[n]), "delay {n} of seed {seed} is {delay:?}");
                largest[n] = largest[n].max(delay);
                smallest[n] = smallest[n].min(delay);
            }
        }
        for (n, bound) in bounds.into_iter().enumerate() {
            let bound = Duration::from_secs(bound);
            assert!(largest[n] > bound.mul_f64(0.99) && smallest[n] < bound.mul_f64(0.01), "delay {n}");
        }
    }

    #[test]
    fn r1_min_delay_and_max_delay_hold() {
        let (min, max) = (Duration::from_secs(3), Duration::from_secs(5));
        let policy = Reconnect::default().min_delay(min).max_delay(max);
        let drawn = delays(policy, Advice::BackOff, 40, 7);
        assert_eq!(drawn[..2], [min, min], "the first bounds, 1 s and 2 s, are smaller than min_delay");
        assert!(drawn.iter().all(|delay| (min..=max).contains(delay)));
        assert!(drawn.iter().any(|delay| *delay > min));
    }

    #[test]
    fn r1_never_and_max_attempts_end_the_attempts() {
        let now = Instant::now();
        assert_eq!(Backoff::new(Reconnect::never().policy(), 1).next(Advice::AtOnce, now), Next::Never);
        let mut backoff = Backoff::new(Reconnect::default().max_attempts(2).policy(), 1);
        backoff.failed();
        assert!(matches!(backoff.next(Advice::BackOff, now), Next::After(_)));
        backoff.failed();
        assert_eq!(backoff.next(Advice::BackOff, now), Next::UsedUp);
    }

    #[test]
    fn r2_over_capacity_waits_at_least_a_second() {
        let policy = Reconnect::default().max_delay(Duration::from_millis(10));
        assert!(delays(policy, Advice::WaitLonger, 20, 3).iter().all(|delay| *delay >= Duration::from_secs(1)));
    }

    #[test]
    fn r2_a_second_reconnect_at_once_within_ten_seconds_backs_off() {
        let mut backoff = Backoff::new(Reconnect::default().min_delay(Duration::from_millis(1)).policy(), 3);
        let start = Instant::now();
        assert_eq!(backoff.next(Advice::AtOnce, start), Next::After(Duration::ZERO));
        assert_ne!(backoff.next(Advice::AtOnce, start + Duration::from_secs(9)), Next::After(Duration::ZERO));
        assert_eq!(backoff.next(Advice::AtOnce, start + Duration::from_secs(20)), Next::After(Duration::ZERO));
    }

    #[test]
    fn r1_many_failures_do_not_overflow() {
        let drawn = delays(Reconnect::default(), Advice::BackOff, 200, 9);
        assert!(drawn.iter().all(|delay| *delay < Duration::from_secs(30)));
    }
}
