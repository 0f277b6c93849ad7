//! The course of the connection: from the wish to be connected, over attempts and losses, to rest.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ConnectPhase, ConnectionState, Error, Notification, TlsProblem,
    delivery::{CallId, LastClose},
    event::{Batch, Stamp},
    protocol::close_code::Advice,
    session::{
        Session,
        connection::{
            backoff::Next,
            liveness::Expiry,
            phase::{Attempt, Outage, Persistence, Phase},
        },
    },
};

/// The remark about the end of a connection that the server accepted and did not confirm.
const UNCONFIRMED: &str = "the connection was never confirmed; check the app key";

impl Session {
    /// The caller waits for an outcome: of this attempt, or of the one that is being made already.
    pub fn connect_once(&mut self, wish: Stamp, call: CallId, now: Instant) {
        self.update.taken_up = Some(call);
        self.waiting.push(call);
        match self.phase {
            Phase::Idle => self.begin(wish, Persistence::Once, now),
            // Who waits wants an outcome soon, not after the back-off.
            Phase::Waiting { .. } => self.dial_again(now),
            Phase::Connecting(_) => {}
            Phase::Connected(_) => self.settle(&Ok(())),
        }
    }

    pub fn connect_for_good(&mut self, wish: Stamp, call: CallId, now: Instant) {
        self.update.taken_up = Some(call);
        self.persistence = Persistence::ForGood;
        if self.is_idle() {
            self.begin(wish, Persistence::ForGood, now);
        }
    }

    fn begin(&mut self, wish: Stamp, persistence: Persistence, now: Instant) {
        self.persistence = persistence;
        self.connection = Some(wish);
        debug_assert_eq!(self.batch.len(), 0, "each turn ends with taking the batch");
        self.batch = Batch::answering(self.connection.clone());
        self.backoff.reset();
        self.insists_on_tls = false;
        self.outage = Some(Outage::begin(now, self.settings.unavailable_timeout));
        self.forget_failed_sign_in();
        self.dial(now);
    }

    /// Tells those who wait how the attempt ended.
    pub fn settle(&mut self, outcome: &Result<(), Arc<Error>>) {
        let settled = self.waiting.drain(..).map(|call| (call, outcome.clone()));
        self.update.settled.extend(settled);
    }

    pub fn disconnect(&mut self, now: Instant) {
        if self.is_idle() {
            return;
        }
        self.change_state(ConnectionState::Disconnecting, None, None);
        self.close_socket(Some(1000));
        self.end_ledger(now);
        self.end_connection(now);
        self.rest(ConnectionState::Disconnected, None);
    }

    pub fn reconnect_now(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Waiting { .. } => self.dial_again(now),
            Phase::Connected(online) => online.liveness.probe(now),
            _ => {}
        }
    }

    pub fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Connecting(attempt) if attempt.deadline <= now => {
                let (phase, after) = (attempt.phase, self.settings.connect_timeout);
                self.lose(Error::ConnectTimeout { phase, after }, now);
            }
            Phase::Waiting { until } if *until <= now => self.dial_again(now),
            Phase::Connected(online) => match online.liveness.expire(now) {
                Some(Expiry::Silent { silence }) => self.lose(Error::PongTimeout { silence }, now),
                Some(Expiry::Stuck { after }) => self.lose(Error::WriteTimeout { after }, now),
                None if online.liveness.is_paused() => {}
                None => self.expire_answers(now),
            },
            Phase::Idle | Phase::Connecting(_) | Phase::Waiting { .. } => {}
        }
        self.tell_unavailable(now);
    }

    /// The first time that an outage is long enough it is told at once. From then on `wait` tells it after each attempt.
    fn tell_unavailable(&mut self, now: Instant) {
        let Some(outage) = self.outage.as_mut().filter(|outage| outage.is_to_be_told(now)) else { return };
        outage.told = true;
        let cause = outage.cause.clone();
        let retry_in = match self.phase {
            Phase::Waiting { until } => Some(until.saturating_duration_since(now)),
            _ => None,
        };
        self.change_state(ConnectionState::Unavailable, cause, retry_in);
    }

    fn dial_again(&mut self, now: Instant) {
        self.counters.reconnect_attempts += 1;
        self.dial(now);
    }

    fn dial(&mut self, now: Instant) {
        self.generation.0 += 1;
        self.is_over_tls = self.insists_on_tls;
        let deadline = now + self.settings.connect_timeout;
        self.phase = Phase::Connecting(Attempt { generation: self.generation, deadline, phase: ConnectPhase::Dns });
        self.to_dial = true;
        self.counters.attempts += 1;
        self.change_state(ConnectionState::Connecting, None, None);
    }

    /// Closes the socket of the current attempt, if there is one.
    fn close_socket(&mut self, code: Option<u16>) {
        self.to_dial = false;
        if let Some(generation) = self.phase.generation() {
            self.to_close.push((generation, code));
        }
        if matches!(self.phase, Phase::Connected(_)) {
            self.update.socket_id = Some(None);
        }
    }

    /// What was made for the socket goes with it.
    fn end_connection(&mut self, now: Instant) {
        self.subscriptions.end_connection(&mut self.batch, now);
        self.client_events.end_connection(&mut self.batch);
        self.to_authenticate = None;
        self.end_sign_in();
    }

    /// Errors that are still held are reported, before the end is judged by the last one.
    fn end_ledger(&mut self, now: Instant) {
        self.unanswered.end_connection();
        self.follow_verdicts(now);
    }

    /// The attempt failed, or the connection is over.
    pub fn lose(&mut self, error: Error, now: Instant) {
        self.blame_client_event(&error, now);
        self.end_ledger(now);
        let error = match &self.phase {
            Phase::Connected(online) => {
                if online.was_stable(now) {
                    self.backoff.reset();
                } else {
                    self.backoff.failed();
                }
                online.explain(error, now)
            }
            _ => {
                self.backoff.failed();
                error
            }
        };
        self.note_end(&error);
        if may_be_a_limit(&error) && self.is_connected() {
            self.subscriptions.cut(now);
        }
        let error = self.say_if_unconfirmed(error);
        let close_code = matches!(error, Error::MessageTooLarge { .. }).then_some(1009);
        self.close_socket(close_code);
        self.end_connection(now);
        let cause = Arc::new(error);
        let outage = Outage::begin(now, self.settings.unavailable_timeout);
        self.outage.get_or_insert(outage).cause = Some(Arc::clone(&cause));
        self.go_on_after(cause, now);
    }

    /// T2: a server that finds a client event too large may say so by the end of the connection only.
    fn blame_client_event(&mut self, error: &Error, now: Instant) {
        if close_code(error) != Some(1009) {
            return;
        }
        if let Some(size) = self.unanswered.largest_client_event(now) {
            self.report(Error::ClientEventTooLarge { size, limit: 0 });
        }
    }

    /// R5: some servers drop a connection with an unknown key, without a word.
    fn say_if_unconfirmed(&self, mut error: Error) -> Error {
        let is_open = matches!(&self.phase, Phase::Connecting(attempt) if attempt.phase == ConnectPhase::Established);
        match &mut error {
            Error::ConnectionLost { reason, .. } if is_open => *reason = format!("{reason}; {UNCONFIRMED}"),
            Error::ConnectionClosed { code, message } if is_open && *code < 4000 && message.is_empty() => {
                UNCONFIRMED.clone_into(message);
            }
            _ => {}
        }
        error
    }

    /// For the counters. An attempt that failed without a code was no connection that could have ended.
    fn note_end(&mut self, error: &Error) {
        if self.is_connected() || matches!(error, Error::ConnectionClosed { .. }) {
            self.update.last_close = Some(LastClose::by(error));
        }
    }

    /// Decides by the reason (R2) and by the policy (R1) what comes after a connection.
    fn go_on_after(&mut self, cause: Arc<Error>, now: Instant) {
        let advice = Advice::for_code(close_code(&cause));
        if advice == Advice::UseTls && !self.is_over_tls {
            self.insists_on_tls = true;
            self.change_state(ConnectionState::Reconnecting, Some(cause), Some(Duration::ZERO));
            return self.dial_again(now);
        }
        self.settle(&Err(Arc::clone(&cause)));
        // R2: over TLS it is tried once, and where nothing speaks it another try would be no other.
        let no_tls = self.insists_on_tls && matches!(*cause, Error::Tls { problem: TlsProblem::NotTls, .. });
        if matches!(advice, Advice::GiveUp | Advice::UseTls) || no_tls || matches!(*cause, Error::Config { .. }) {
            return self.rest(ConnectionState::Failed, Some(cause));
        }
        if self.persistence == Persistence::Once {
            return self.rest(ConnectionState::Disconnected, Some(cause));
        }
        match self.backoff.next(advice, now) {
            Next::Never => self.rest(ConnectionState::Disconnected, Some(cause)),
            Next::UsedUp => self.rest(ConnectionState::Failed, Some(cause)),
            Next::After(delay) => self.wait(delay, cause, now),
        }
    }

    fn wait(&mut self, delay: Duration, cause: Arc<Error>, now: Instant) {
        self.phase = Phase::Waiting { until: now + delay };
        // An attempt that outlived the ten seconds was told already; its cause and the delay need a change to be told with.
        let told_in_this_attempt = self.state == ConnectionState::Unavailable;
        let state = match &mut self.outage {
            Some(outage) if outage.told_at() <= now && !told_in_this_attempt => {
                outage.told = true;
                ConnectionState::Unavailable
            }
            _ => ConnectionState::Reconnecting,
        };
        self.change_state(state, Some(cause), Some(delay));
        if delay.is_zero() {
            self.dial_again(now);
        }
    }

    /// Ends all efforts until the next `connect`.
    fn rest(&mut self, state: ConnectionState, cause: Option<Arc<Error>>) {
        self.settle(&Err(cause.clone().unwrap_or_else(|| Arc::new(Error::Disconnected))));
        if let (ConnectionState::Failed, Some(cause)) = (state, &cause) {
            // H11: nothing comes back from here on, which handlers of errors must know.
            self.batch.push_notice(Notification::Error(Arc::clone(cause)));
        }
        self.phase = Phase::Idle;
        self.outage = None;
        // What is told from here on answers no wish to be connected.
        self.connection = None;
        self.change_state(state, cause, None);
    }
}

/// Whether the server may have ended the connection because of too many messages (S10). A code of Pusher's is a reason of its
/// own, and so are those of a server that goes away or restarts, and of a message that is too large.
fn may_be_a_limit(error: &Error) -> bool {
    match error {
        Error::ConnectionLost { .. } => true,
        Error::ConnectionClosed { code, .. } => *code < 4000 && !matches!(code, 1001 | 1009 | 1012),
        _ => false,
    }
}

/// The code that decides by R2 what to do next.
fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::ConnectionClosed { code, .. } => Some(*code),
        _ => None,
    }
}
