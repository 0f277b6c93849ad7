//! Detects a dead peer (R6).
//!
//! Any inbound byte is a sign of life. The client sends a `pusher:ping` if no byte came in, or no message went out, for
//! the activity timeout: some servers only count the messages that they send, others only those that they receive. If
//! no byte comes in for the pong timeout after that, the session gives up the socket.

use std::time::{Duration, Instant};

use crate::{
    protocol::frame::Outgoing,
    session::{FromSocket, interface::earliest},
};

pub(crate) struct Liveness {
    activity_timeout: Duration,
    pong_timeout: Duration,
    last_in: Instant,
    last_out: Instant,
    /// The time since which a sign of life is awaited, after a ping.
    awaiting: Option<Instant>,
    /// The time since which the peer has taken no byte of the data to write.
    stuck: Option<Instant>,
    /// The time since which the reader does not read, because a queue is full. The silence means nothing then (H4).
    paused: Option<Instant>,
    ping_due: bool,
    pong_due: bool,
    /// The time of the oldest ping without an answer.
    pinged: Option<Instant>,
}

/// The reason to give up a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Silent { silence: Duration },
    Stuck { after: Duration },
}

impl Liveness {
    pub fn new(activity_timeout: Duration, pong_timeout: Duration, now: Instant) -> Self {
        Self {
            activity_timeout,
            pong_timeout,
            last_in: now,
            last_out: now,
            awaiting: None,
            stuck: None,
            paused: None,
            ping_due: false,
            pong_due: false,
            pinged: None,
        }
    }

    /// Observes an event of the socket.
    pub fn observe(&mut self, event: &FromSocket<'_>, now: Instant) {
        match event {
            FromSocket::Bytes => self.received(now),
            FromSocket::Paused => {
                self.paused.get_or_insert(now);
                // An answer that is read after the pause would measure the pause.
                self.pinged = None;
            }
            FromSocket::WriteBlocked { progress: true } => self.stuck = Some(now),
            FromSocket::WriteBlocked { progress: false } => drop(self.stuck.get_or_insert(now)),
            FromSocket::Written => self.stuck = None,
            _ => {}
        }
    }

    /// The reader reads again. Returns the length of the pause.
    pub fn resume(&mut self, now: Instant) -> Duration {
        self.received(now);
        self.paused.take().map(|since| now.saturating_duration_since(since)).unwrap_or_default()
    }

    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub fn is_write_blocked(&self) -> bool {
        self.stuck.is_some()
    }

    fn received(&mut self, now: Instant) {
        self.last_in = now;
        self.awaiting = None;
    }

    pub fn sent(&mut self, now: Instant) {
        self.last_out = now;
    }

    /// The peer sent a ping. Several pings that could not be answered yet get one answer.
    pub fn answer_ping(&mut self) {
        self.pong_due = true;
    }

    /// Sends a ping, and awaits a sign of life.
    pub fn probe(&mut self, now: Instant) {
        self.ping_due = true;
        if self.awaiting.is_none() {
            // Other data than the answer was the sign of life after an older ping. That answer may never come, and the
            // next answer must not be taken for it.
            self.pinged = None;
            self.awaiting = Some(now);
        }
    }

    pub fn next_message(&mut self, now: Instant) -> Option<Outgoing<'static>> {
        if std::mem::take(&mut self.pong_due) {
            return Some(Outgoing::Pong);
        }
        let ping = std::mem::take(&mut self.ping_due).then_some(Outgoing::Ping)?;
        self.pinged.get_or_insert(now);
        Some(ping)
    }

    /// The time from a ping to its answer. Answers have no number but come in order, so the first answer belongs to the
    /// oldest ping since the last sign of life. Pings between the two are not measured.
    pub fn round_trip(&mut self, now: Instant) -> Option<Duration> {
        self.pinged.take().map(|at| now.saturating_duration_since(at))
    }

    pub fn deadline(&self) -> Option<Instant> {
        earliest([Some(self.ping_at()), self.silent_at(), self.stuck_at()])
    }

    /// Sends a ping if it is due. Returns the reason if the socket is to be given up.
    pub fn expire(&mut self, now: Instant) -> Option<Expiry> {
        if self.silent_at().is_some_and(|at| at <= now) {
            return Some(Expiry::Silent { silence: now.saturating_duration_since(self.last_in) });
        }
        if self.stuck_at().is_some_and(|at| at <= now) {
            return Some(Expiry::Stuck { after: self.pong_timeout });
        }
        if self.ping_at() <= now {
            self.probe(now);
            // The time of the decision counts, so that a ping that cannot be written yet is not decided again and
            // again.
            self.last_out = now;
        }
        None
    }

    fn ping_at(&self) -> Instant {
        let after_out = self.last_out + self.activity_timeout;
        if self.awaiting.is_some() || self.is_paused() {
            return after_out;
        }
        after_out.min(self.last_in + self.activity_timeout)
    }

    fn silent_at(&self) -> Option<Instant> {
        let awaiting = self.awaiting.filter(|_| !self.is_paused())?;
        Some(awaiting + self.pong_timeout)
    }

    fn stuck_at(&self) -> Option<Instant> {
        Some(self.stuck? + self.pong_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVITY: Duration = Duration::from_secs(30);
    const PONG: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn liveness() -> (Liveness, Instant) {
        let start = Instant::now();
        (Liveness::new(ACTIVITY, PONG, start), start)
    }

    #[test]
    fn r6_silence_causes_a_ping_and_then_the_end() {
        let (mut liveness, start) = liveness();
        assert_eq!(liveness.deadline(), Some(start + ACTIVITY));
        assert_eq!(liveness.expire(start + ACTIVITY), None);
        assert_eq!(liveness.next_message(start), Some(Outgoing::Ping));
        assert_eq!(liveness.next_message(start), None);
        assert_eq!(liveness.deadline(), Some(start + ACTIVITY + PONG));
        assert_eq!(liveness.expire(start + ACTIVITY + PONG), Some(Expiry::Silent { silence: ACTIVITY + PONG }));
    }

    #[test]
    fn r6_any_byte_is_a_sign_of_life() {
        let (mut liveness, start) = liveness();
        liveness.expire(start + ACTIVITY);
        liveness.observe(&FromSocket::Bytes, start + ACTIVITY + SECOND);
        assert_eq!(liveness.expire(start + ACTIVITY + PONG), None);
    }

    #[test]
    fn r6_pings_also_while_only_receiving() {
        let (mut liveness, start) = liveness();
        for second in 1..30 {
            liveness.observe(&FromSocket::Bytes, start + second * SECOND);
        }
        assert_eq!(liveness.expire(start + ACTIVITY), None);
        assert_eq!(liveness.next_message(start), Some(Outgoing::Ping));
    }

    #[test]
    fn h4_silence_while_paused_does_not_end_the_connection() {
        let (mut liveness, start) = liveness();
        liveness.observe(&FromSocket::Paused, start);
        for step in 1..100 {
            assert_eq!(liveness.expire(start + step * ACTIVITY), None);
            assert_eq!(liveness.next_message(start), Some(Outgoing::Ping), "pings are still sent");
        }
        assert_eq!(liveness.resume(start + 100 * ACTIVITY), 100 * ACTIVITY);
        assert_eq!(liveness.expire(start + 100 * ACTIVITY + PONG), None);
    }

    #[test]
    fn writes_without_progress_end_at_the_pong_deadline() {
        let (mut liveness, start) = liveness();
        liveness.observe(&FromSocket::WriteBlocked { progress: false }, start);
        liveness.observe(&FromSocket::WriteBlocked { progress: false }, start + SECOND);
        assert_eq!(liveness.expire(start + PONG), Some(Expiry::Stuck { after: PONG }));
        liveness.observe(&FromSocket::WriteBlocked { progress: true }, start + PONG);
        assert_eq!(liveness.expire(start + PONG), None);
        liveness.observe(&FromSocket::Written, start + PONG + SECOND);
        assert_eq!(liveness.expire(start + PONG + PONG), None);
    }

    #[test]
    fn pings_that_could_not_be_answered_yet_get_one_answer() {
        let (mut liveness, start) = liveness();
        liveness.answer_ping();
        liveness.answer_ping();
        assert_eq!(liveness.next_message(start), Some(Outgoing::Pong));
        assert_eq!(liveness.next_message(start), None);
    }

    #[test]
    fn the_answer_to_a_ping_is_measured_once() {
        let (mut liveness, start) = liveness();
        assert_eq!(liveness.round_trip(start), None, "there was no ping");
        liveness.probe(start);
        assert_eq!(liveness.round_trip(start), None, "not sent yet");
        assert_eq!(liveness.next_message(start), Some(Outgoing::Ping));
        liveness.probe(start + SECOND);
        assert_eq!(liveness.next_message(start + SECOND), Some(Outgoing::Ping));
        assert_eq!(liveness.round_trip(start + 3 * SECOND), Some(3 * SECOND), "the first answer is to the first ping");
        assert_eq!(liveness.round_trip(start + 4 * SECOND), None);
    }

    #[test]
    fn an_answer_that_never_came_is_not_measured_with_the_next_ping() {
        let (mut liveness, start) = liveness();
        liveness.probe(start);
        liveness.next_message(start);
        liveness.observe(&FromSocket::Bytes, start + SECOND);
        assert_eq!(liveness.expire(start + SECOND + ACTIVITY), None);
        assert_eq!(liveness.next_message(start + SECOND + ACTIVITY), Some(Outgoing::Ping));
        assert_eq!(liveness.round_trip(start + 2 * SECOND + ACTIVITY), Some(SECOND));
    }

    #[test]
    fn an_answer_that_waited_for_room_in_a_queue_is_not_measured() {
        let (mut liveness, start) = liveness();
        liveness.probe(start);
        liveness.next_message(start);
        liveness.observe(&FromSocket::Paused, start);
        liveness.resume(start + ACTIVITY);
        assert_eq!(liveness.round_trip(start + ACTIVITY), None);
    }
}
