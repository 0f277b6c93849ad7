//! The pace of subscriptions on a server that limits messages (S10).
//!
//! Servers count every kind of message, many of them in windows of fixed length. Until there is a sign of a limit, all
//! requests are sent at once. Then subscriptions are sent in *rounds*: each round is answered before the next one,
//! which has twice as many requests. Once the limit is known, they are also sent in *periods*, up to an *allowance* in
//! each of them.
//!
//! * A server that refuses by 4301 reveals its allowance by the number of messages that it answered before. A quarter
//!   of that is left to client events and pings. After pauses of 1 s, 2 s, 3 s and so on, one request tests whether the
//!   window is over. The time until a request is answered is the length of a period. An allowance that was too small
//!   grows with each period.
//! * A server that ends the connection in the middle of a burst may have a limit, or may have another reason. The next
//!   connection sends in rounds, without pauses. If it ends after the same number of answers, that number is the limit,
//!   unless the server has earlier answered far more requests within one second. To test the length of the window would
//!   cost a connection, so periods begin long, and their length is halved after every four of them. When the server
//!   ends another connection, the period was too short; from then on it is twice that long.
//!
//! The limit outlives reconnects, and is forgotten ten minutes after the last refusal. A request without an answer
//! delays the next round for 2 s.

use std::time::{Duration, Instant};

/// The first pause after a refusal. Each further pause is longer by this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Windows of servers last up to a minute by default, so a pause of this length wastes little.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The length of a period while the window of the server is unknown.
const FIRST_PERIOD: Duration = Duration::from_secs(10);

/// If the window of the server is shorter, one period covers several of them. This costs only time.
const SHORTEST_PERIOD: Duration = Duration::from_millis(2500);
const LONGEST_PERIOD: Duration = Duration::from_secs(60);

/// A server that ends a connection because of a burst of subscriptions does so within this time. The client waits for
/// an answer up to this time.
const SOON: Duration = Duration::from_secs(2);

/// Limits depend on a server and its load, and both change.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The minimum size of a burst. Nearly all connections that end after fewer requests have another reason.
const BURST: u32 = 5;

/// The maximum number of requests in a round, which doubles with each round. It is enough to fill any connection.
const WIDEST: u32 = 1024;

/// Shorter periods are tried after this number of periods.
const PERIODS_OF_A_LENGTH: u32 = 4;

#[derive(Default)]
pub(crate) struct Pacing {
    limit: Option<Limit>,
    burst: Burst,
    throughput: Throughput,
}

/// The most requests that the server has answered within one second of a connection. Its limit is not far below.
#[derive(Default)]
struct Throughput {
    /// The current second.
    current: Option<AnsweredSecond>,
    /// The second with the most answers. It counts for some minutes after its last answer.
    best: Option<AnsweredSecond>,
}

/// One second of a connection.
#[derive(Clone, Copy)]
struct AnsweredSecond {
    began: Instant,
    last_answer: Instant,
    answers: u32,
}

/// The requests of this period, or of the last seconds if no limit is known.
#[derive(Default)]
struct Burst {
    /// The times of its first and its last request.
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    sent: u32,
    answered: u32,
}

/// The limit of a server, as far as it is known.
struct Limit {
    /// The number of requests in a period. `None` until the server has answered requests in a window whose beginning is
    /// known.
    allowance: Option<u32>,
    period: Period,
    turn: Turn,
    round: Round,
    /// The time of the last refusal.
    refused_at: Instant,
    /// The number of requests that the last refusal seemed to refuse, and of those that the server has answered after
    /// all.
    refused: u32,
    answered_anyway: u32,
    /// The number of further refusals to expect, for requests that are being sent again already.
    expected_refusals: u32,
    /// The number of periods that have begun on this connection.
    periods: u32,
}

/// Requests that are all answered before the next round begins.
struct Round {
    /// The number of requests in this round.
    size: u32,
    /// The number of those that are still to be sent.
    left: u32,
}

/// The length of a period.
#[derive(Clone, Copy)]
enum Period {
    /// The last connection ended in the middle of a burst, after this number of answers. This is the only sign of a
    /// limit.
    Endless { answered: u32 },
    /// The length is being tested, since the first request of a window that is used up.
    Unknown { since: Instant, refusals: u32 },
    /// The time from the first request of a window to the first answer in the next one.
    Known(Duration),
    /// The server ends connections. The next period begins after `length`; this one began after `before`. No period is
    /// shorter than `shortest`. `count` is the number of periods of this length.
    Tried { length: Duration, before: Duration, shortest: Duration, count: u32 },
}

enum Turn {
    Open,
    /// Requests wait until this time.
    ClosedUntil(Instant),
}

impl Pacing {
    /// Whether the next request waits for its turn.
    pub fn holds_back(&mut self, now: Instant) -> bool {
        self.advance(now);
        let Some(limit) = &self.limit else { return false };
        matches!(limit.turn, Turn::ClosedUntil(_)) || limit.round.left == 0
    }

    /// Whether there is a sign of a limit.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// A request is sent.
    pub fn sent(&mut self, now: Instant) {
        let is_old = self.burst.first_sent.is_some_and(|began| began + FIRST_PERIOD <= now);
        if is_old && self.limit.is_none() {
            self.burst = Burst::default();
        }
        self.burst.add(now);
        let Some(limit) = &mut self.limit else { return };
        limit.expected_refusals = 0;
        limit.round.left = limit.round.left.saturating_sub(1);
        if limit.allowance.is_some_and(|allowance| self.burst.sent >= allowance) {
            let began = self.burst.first_sent.unwrap_or(now);
            limit.turn = Turn::ClosedUntil(began + limit.period.length());
        }
    }

    /// The server has confirmed or refused a request, so the request was within the limit.
    pub fn answered(&mut self, now: Instant) {
        self.throughput.answered(now);
        let Some(limit) = &mut self.limit else {
            self.burst.answered = self.burst.answered.saturating_add(1);
            return;
        };
        if self.burst.unanswered() == 0 {
            // This answers a request that seemed to be refused.
            limit.expected_refusals = limit.expected_refusals.saturating_sub(1);
            limit.answered_anyway = limit.answered_anyway.saturating_add(1);
            if limit.answered_anyway >= limit.refused && limit.allowance.is_none() {
                // The refusal was about another message, and there is no other sign of a limit.
                self.limit = None;
            }
            return;
        }
        self.burst.answered += 1;
        if self.burst.unanswered() == 0 {
            limit.begin_round((limit.round.size * 2).min(WIDEST));
        }
        if let (Period::Unknown { since, .. }, Some(began)) = (limit.period, self.burst.first_sent) {
            let length = began.saturating_duration_since(since);
            limit.period = Period::Known(length.clamp(SHORTEST_PERIOD, LONGEST_PERIOD));
        }
    }

    /// The server takes no more messages for now; this number of requests will be sent again. The pauses grow only if
    /// `is_certain`: if these requests were refused for certain. Returns true if no limit was known.
    pub fn refused(&mut self, requests: u32, is_certain: bool, now: Instant) -> bool {
        let burst = std::mem::take(&mut self.burst);
        let began = burst.first_sent.unwrap_or(now);
        let is_first = self.limit.as_ref().is_none_or(|limit| matches!(limit.period, Period::Endless { .. }));
        let limit = self.limit.get_or_insert_with(|| Limit::new(Period::Unknown { since: began, refusals: 0 }, now));
        if burst.answered > 0 && is_certain {
            limit.allowance = Some(three_quarters(burst.answered));
        }
        let (since, refusals, known) = match limit.period {
            Period::Unknown { since, refusals } if burst.answered == 0 => {
                (since, refusals + u32::from(is_certain), None)
            }
            Period::Known(length) if burst.answered > 0 => (began, 1, Some(began + length)),
            // The window before this one is used up.
            Period::Known(length) => (began.checked_sub(length).unwrap_or(began), 1, None),
            _ => (began, 1, None),
        };
        limit.period = Period::Unknown { since, refusals };
        let pause = PAUSE.saturating_mul(refusals.max(1)).min(LONGEST_PAUSE);
        limit.turn = Turn::ClosedUntil(known.unwrap_or(now).max(now + pause));
        limit.begin_round(1);
        (limit.refused_at, limit.expected_refusals) = (now, requests.saturating_sub(1));
        (limit.refused, limit.answered_anyway) = (requests, 0);
        is_first
    }

    /// Whether this refusal belongs to a request that is being sent again already.
    pub fn expects_refusal(&mut self) -> bool {
        let Some(limit) = self.limit.as_mut().filter(|limit| limit.expected_refusals > 0) else { return false };
        limit.expected_refusals -= 1;
        true
    }

    /// The server ended the connection without a reason. In the middle of a burst of requests, this may be its limit.
    pub fn cut(&mut self, now: Instant) {
        let burst = std::mem::take(&mut self.burst);
        let is_soon = burst.last_sent.is_some_and(|last| now <= last + SOON);
        if !is_soon || burst.unanswered() == 0 {
            return;
        }
        match &mut self.limit {
            None if burst.sent < BURST => {}
            None => {
                self.limit = Some(Limit::new(Period::Endless { answered: burst.answered }, now));
            }
            Some(limit) => limit.cut(&burst, self.throughput.allows(burst.answered, now), now),
        }
    }

    /// A new connection has a window of its own.
    pub fn begin_connection(&mut self) {
        self.burst = Burst::default();
        self.throughput.current = None;
        let Some(limit) = &mut self.limit else { return };
        (limit.turn, limit.expected_refusals, limit.periods) = (Turn::Open, 0, 0);
        limit.begin_round(1);
        match limit.period {
            Period::Unknown { .. } => limit.period = Period::Known(FIRST_PERIOD),
            Period::Endless { .. } => limit.begin_round(BURST),
            Period::Known(_) | Period::Tried { .. } => {}
        }
    }

    /// The time at which to call [`advance`](Self::advance).
    pub fn deadline(&self) -> Option<Instant> {
        let limit = self.limit.as_ref()?;
        match limit.turn {
            Turn::ClosedUntil(until) => Some(until),
            Turn::Open if limit.round.left > 0 => None,
            Turn::Open => self.burst.last_sent.map(|last| last + SOON),
        }
    }

    /// Advances to the time `now`.
    pub fn advance(&mut self, now: Instant) {
        let Some(limit) = &mut self.limit else { return };
        if limit.refused_at + FORGOTTEN_AFTER <= now {
            self.limit = None;
            return;
        }
        match limit.turn {
            Turn::ClosedUntil(until) if until <= now => {
                limit.begin_period();
                self.burst = Burst::default();
            }
            Turn::Open if limit.round.left == 0 => {
                let is_late = self.burst.last_sent.is_none_or(|last| last + SOON <= now);
                if is_late {
                    limit.begin_round(1);
                }
            }
            _ => {}
        }
    }
}

impl Throughput {
    fn answered(&mut self, now: Instant) {
        let current = self.current.filter(|second| now < second.began + Duration::from_secs(1));
        let (began, answers) = current.map_or((now, 0), |second| (second.began, second.answers));
        let current = AnsweredSecond { began, last_answer: now, answers: answers + 1 };
        self.current = Some(current);
        if self.most(now) <= current.answers {
            self.best = Some(current);
        }
    }

    /// Whether the server may have this limit. Windows that end in the same second allow a little more.
    fn allows(&self, limit: u32, now: Instant) -> bool {
        self.most(now) <= limit.saturating_add(limit / 4)
    }

    fn most(&self, now: Instant) -> u32 {
        self.best.filter(|best| now < best.last_answer + FORGOTTEN_AFTER).map_or(0, |best| best.answers)
    }
}

impl Burst {
    fn add(&mut self, now: Instant) {
        self.first_sent.get_or_insert(now);
        self.last_sent = Some(now);
        self.sent = self.sent.saturating_add(1);
    }

    fn unanswered(&self) -> u32 {
        self.sent.saturating_sub(self.answered)
    }
}

impl Limit {
    fn new(period: Period, now: Instant) -> Self {
        Self {
            allowance: None,
            period,
            turn: Turn::Open,
            round: Round::of(1),
            refused_at: now,
            refused: 0,
            answered_anyway: 0,
            expected_refusals: 0,
            periods: 0,
        }
    }

    /// A period is over. If it was used up without a refusal, the next one may have more requests in the same time.
    fn begin_period(&mut self) {
        self.turn = Turn::Open;
        self.begin_round(1);
        self.periods = self.periods.saturating_add(1);
        match &mut self.period {
            Period::Endless { .. } | Period::Unknown { .. } => {}
            Period::Known(_) => self.allowance = self.allowance.map(|most| most.saturating_add(most / 4 + 1)),
            Period::Tried { length, before, shortest, count } => {
                *before = *length;
                *count += 1;
                if *count == PERIODS_OF_A_LENGTH {
                    (*length, *count) = ((*length / 2).max(*shortest), 0);
                }
            }
        }
    }

    fn begin_round(&mut self, requests: u32) {
        self.round = Round::of(requests);
    }

    /// The server ended a connection in spite of the pace. In the first period the allowance was too large; later the
    /// periods were too short.
    fn cut(&mut self, burst: &Burst, is_plausible: bool, now: Instant) {
        let allowance = three_quarters(burst.answered);
        match self.period {
            // This server refuses by errors, so the end has another reason.
            Period::Unknown { .. } | Period::Known(_) => return,
            Period::Endless { answered } if is_plausible && burst.answered > 0 && burst.answered == answered => {
                self.allowance = Some(allowance);
                self.period = Period::tried(FIRST_PERIOD, SHORTEST_PERIOD);
            }
            Period::Endless { .. } if burst.sent < BURST => return,
            Period::Endless { .. } => self.period = Period::Endless { answered: burst.answered },
            Period::Tried { length, .. } if self.periods == 0 => {
                let before = self.allowance.unwrap_or(burst.sent);
                self.allowance = Some(allowance.min(three_quarters(before)));
                self.period = Period::tried(length.max(FIRST_PERIOD), SHORTEST_PERIOD);
            }
            Period::Tried { before, .. } => {
                let length = (before * 2).min(LONGEST_PERIOD);
                self.period = Period::tried(length, length);
            }
        }
        self.refused_at = now;
    }
}

impl Round {
    fn of(size: u32) -> Self {
        Self { size, left: size }
    }
}

impl Period {
    fn tried(length: Duration, shortest: Duration) -> Self {
        Self::Tried { length, before: length, shortest, count: 0 }
    }

    fn length(self) -> Duration {
        match self {
            Self::Endless { .. } | Self::Unknown { .. } => FIRST_PERIOD,
            Self::Known(length) | Self::Tried { length, .. } => length,
        }
    }
}

/// Three quarters, and at least one.
fn three_quarters(count: u32) -> u32 {
    (count - count / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends as many requests as allowed, each answered at once. Returns their number.
    fn send_all(pacing: &mut Pacing, now: Instant) -> u32 {
        let mut count = 0;
        while count < 10_000 && !pacing.holds_back(now) {
            pacing.sent(now);
            pacing.answered(now);
            count += 1;
        }
        count
    }

    fn after_burst(sent: u32, answered: u32, now: Instant) -> Pacing {
        let mut pacing = Pacing::default();
        (0..sent).for_each(|_| pacing.sent(now));
        (0..answered).for_each(|_| pacing.answered(now));
        pacing
    }

    #[test]
    fn s10_nothing_is_held_back_before_a_refusal() {
        let mut pacing = Pacing::default();
        assert_eq!(send_all(&mut pacing, Instant::now()), 10_000);
        assert_eq!(pacing.deadline(), None);
    }

    #[test]
    fn s10_a_refusal_reveals_the_allowance_and_the_pauses_reveal_the_period() {
        let start = Instant::now();
        let mut pacing = after_burst(100, 60, start);
        assert!(pacing.refused(40, true, start));
        for at in [1, 3, 6] {
            assert_eq!(pacing.deadline(), Some(start + at * SECOND));
            assert!(!pacing.holds_back(start + at * SECOND));
            pacing.sent(start + at * SECOND);
            assert!(pacing.holds_back(start + at * SECOND), "one request alone");
            assert!(!pacing.refused(1, true, start + at * SECOND), "the limit was known");
        }
        let next = start + 10 * SECOND;
        assert_eq!(send_all(&mut pacing, next), 45);
        assert_eq!(pacing.deadline(), Some(next + 10 * SECOND));
        assert_eq!(send_all(&mut pacing, next + 10 * SECOND), 57, "a quarter more, and one");
    }

    #[test]
    fn s10_a_window_that_ends_a_little_later_does_not_make_the_period_short() {
        let start = Instant::now();
        let mut pacing = after_burst(100, 60, start);
        pacing.refused(40, true, start);
        let mut now = start + 10 * SECOND;
        send_all(&mut pacing, now);
        now += 10 * SECOND;
        assert!(!pacing.holds_back(now));
        pacing.sent(now);
        pacing.refused(1, true, now);
        now += SECOND;
        assert_eq!(send_all(&mut pacing, now), 57, "the allowance stays");
        assert_eq!(pacing.deadline(), Some(now + 11 * SECOND));
    }

    /// A connection that ends after this number of answers.
    fn cut_after(pacing: &mut Pacing, answered: u32, now: Instant) {
        pacing.begin_connection();
        for number in 0..=answered {
            assert!(!pacing.holds_back(now));
            pacing.sent(now);
            if number < answered {
                pacing.answered(now);
            }
        }
        pacing.cut(now);
    }

    #[test]
    fn s10_after_one_cut_requests_wait_for_answers_only() {
        let start = Instant::now();
        let mut pacing = after_burst(100, 60, start);
        pacing.cut(start + SECOND);
        pacing.begin_connection();
        for round in [5, 10, 20, 40] {
            (0..round).for_each(|_| pacing.sent(start));
            assert!(pacing.holds_back(start));
            (0..round).for_each(|_| pacing.answered(start));
            assert!(!pacing.holds_back(start));
        }
        cut_after(&mut pacing, 30, start);
        pacing.begin_connection();
        assert_eq!(send_all(&mut pacing, start), 10_000, "the numbers differ, so there is no limit");
    }

    #[test]
    fn s10_a_server_that_has_answered_far_more_before_has_no_such_limit() {
        let start = Instant::now();
        for (before, is_limit) in [(75, true), (76, false)] {
            let mut pacing = after_burst(before, before, start);
            pacing.begin_connection();
            let now = start + 60 * SECOND;
            (0..100).for_each(|_| pacing.sent(now));
            (0..60).for_each(|_| pacing.answered(now));
            pacing.cut(now);
            cut_after(&mut pacing, 60, now);
            pacing.begin_connection();
            assert_eq!(send_all(&mut pacing, now) == 45, is_limit, "{before}");
        }
    }

    #[test]
    fn s10_after_two_cuts_with_as_many_answers_the_limit_is_known() {
        let start = Instant::now();
        let mut pacing = after_burst(100, 60, start);
        pacing.cut(start);
        cut_after(&mut pacing, 60, start);
        pacing.begin_connection();
        let mut now = start + 2 * SECOND;
        for length in [10_000, 10_000, 10_000, 10_000, 5_000, 5_000, 5_000, 5_000, 2_500, 2_500, 2_500, 2_500, 2_500] {
            assert_eq!(send_all(&mut pacing, now), 45);
            now += Duration::from_millis(length);
            assert_eq!(pacing.deadline(), Some(now));
        }
        assert!(!pacing.holds_back(now));
        pacing.sent(now);
        pacing.cut(now);
        pacing.begin_connection();
        for _ in 0..10 {
            assert_eq!(send_all(&mut pacing, now), 45);
            now += 5 * SECOND;
            assert_eq!(pacing.deadline(), Some(now), "twice the length that was too short, and never shorter");
        }
    }

    #[test]
    fn s10_a_cut_in_the_first_period_makes_the_allowance_smaller() {
        let start = Instant::now();
        let mut pacing = after_burst(100, 60, start);
        pacing.cut(start);
        cut_after(&mut pacing, 60, start);
        cut_after(&mut pacing, 20, start);
        pacing.begin_connection();
        assert_eq!(send_all(&mut pacing, start), 15);
    }

    #[test]
    fn s10_a_few_requests_or_old_ones_explain_no_end() {
        let start = Instant::now();
        for (sent, answered, after) in [(4, 0, 0), (100, 100, 0), (100, 60, 3)] {
            let mut pacing = after_burst(sent, answered, start);
            pacing.cut(start + after * SECOND);
            assert!(!pacing.is_limited(), "{sent}, {answered}, {after}");
        }
    }

    #[test]
    fn s10_further_refusals_of_the_same_burst_are_expected() {
        let now = Instant::now();
        let mut pacing = after_burst(10, 5, now);
        pacing.refused(3, true, now);
        assert_eq!([0; 3].map(|_| pacing.expects_refusal()), [true, true, false]);
        pacing.refused(3, true, now);
        assert!(!pacing.holds_back(now + 2 * SECOND));
        pacing.sent(now + 2 * SECOND);
        assert!(!pacing.expects_refusal(), "it belongs to the new request");
    }

    #[test]
    fn s10_a_limit_is_forgotten() {
        let start = Instant::now();
        let mut pacing = after_burst(10, 5, start);
        pacing.refused(5, true, start);
        pacing.begin_connection();
        pacing.advance(start + FORGOTTEN_AFTER - SECOND);
        assert!(pacing.is_limited());
        pacing.advance(start + FORGOTTEN_AFTER);
        assert!(!pacing.is_limited());
    }

    #[test]
    fn s10_numbers_do_not_overflow() {
        let mut now = Instant::now();
        let mut pacing = Pacing::default();
        for _ in 0..1000 {
            pacing.sent(now);
            pacing.refused(u32::MAX, true, now);
            now += LONGEST_PERIOD;
            send_all(&mut pacing, now);
            pacing.sent(now);
            pacing.cut(now);
            pacing.begin_connection();
        }
    }
}
