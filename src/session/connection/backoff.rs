//! How long to wait before the next attempt, and when to stop trying (R1, R2).

use std::time::{Duration, Instant};

use crate::{protocol::close_code::Advice, session::ReconnectPolicy};

/// The first delay is drawn from nothing to this; each further one from twice as much.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What 4100-4199 ask for.
const AT_LEAST: Duration = Duration::from_secs(1);

/// A second "reconnect at once" within this time is not followed at once.
const AT_ONCE_AGAIN_AFTER: Duration = Duration::from_secs(10);

pub(crate) struct Backoff {
    policy: ReconnectPolicy,
    /// Failed attempts in a row. A connection that was not stable counts as one.
    failures: u32,
    /// Delays in a row.
    delays: u32,
    at_once: Option<Instant>,
    random: SplitMix64,
}

/// What follows a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    After(Duration),
    /// The policy allows no reconnecting at all.
    Never,
    /// The policy's attempts are used up.
    UsedUp,
}

impl Backoff {
    pub fn new(policy: ReconnectPolicy, seed: u64) -> Self {
        Self { policy, failures: 0, delays: 0, at_once: None, random: SplitMix64(seed) }
    }

    /// A connection was stable, or the user begins anew: what comes is the first attempt.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.delays = 0;
    }

    /// The number of the attempt that is being made or comes next.
    pub fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// An attempt failed, or a connection ended before it was stable.
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
        if advice == Advice::AtOnce && self.may_follow_at_once(now) {
            return Next::After(Duration::ZERO);
        }
        let delay = self.draw();
        Next::After(if advice == Advice::WaitLonger { delay.max(AT_LEAST) } else { delay })
    }

    fn may_follow_at_once(&mut self, now: Instant) -> bool {
        let recently = self.at_once.is_some_and(|last| now < last + AT_ONCE_AGAIN_AFTER);
        self.at_once = Some(now);
        !recently
    }

    /// Delay n is drawn evenly from `min_delay` to min(`max_delay`, 1 s x 2^(n-1)).
    fn draw(&mut self) -> Duration {
        let ReconnectPolicy { min_delay: min, max_delay: max, .. } = self.policy;
        let doubled = FIRST_DELAY.saturating_mul(1u32.checked_shl(self.delays).unwrap_or(u32::MAX));
        self.delays = self.delays.saturating_add(1);
        let span = doubled.min(max).saturating_sub(min);
        min + span.mul_f64(self.random.fraction())
    }
}

/// Steele, Lea and Flood's SplitMix64. Delays need to differ between clients, not to be unpredictable.
struct SplitMix64(u64);

impl SplitMix64 {
    /// Evenly from 0 (included) to 1 (excluded).
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
    fn r1_never_and_max_attempts_end_it() {
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
