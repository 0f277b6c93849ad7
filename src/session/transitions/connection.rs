//! The connection: from a call to connect, over attempts to connect and losses, to the idle state.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ConnectPhase, ConnectionState, Error, Notification, TlsProblem,
    delivery::{ConnectId, LastClose},
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

/// Added to the error of a connection that the server accepted and did not confirm.
const UNCONFIRMED: &str = "the connection was never confirmed; check the app key";

impl Session {
    /// The caller waits for the result of this attempt to connect, or of the one that is in progress.
    pub fn connect_once(&mut self, intent: Stamp, call: ConnectId, now: Instant) {
        self.update.accepted_connect = Some(call);
        self.waiting.push(call);
        match self.phase {
            Phase::Idle => self.begin(intent, Persistence::Once, now),
            // The caller should get a result soon, so the attempt does not wait for the back-off.
            Phase::Waiting { .. } => self.dial_again(now),
            Phase::Connecting(_) => {}
            Phase::Connected(_) => self.report_outcome(&Ok(())),
        }
    }

    pub fn connect_for_good(&mut self, intent: Stamp, call: ConnectId, now: Instant) {
        self.update.accepted_connect = Some(call);
        self.persistence = Persistence::ForGood;
        if self.is_idle() {
            self.begin(intent, Persistence::ForGood, now);
        }
    }

    fn begin(&mut self, intent: Stamp, persistence: Persistence, now: Instant) {
        self.persistence = persistence;
        self.connection = Some(intent);
        debug_assert_eq!(self.batch.len(), 0, "each turn ends with taking the batch");
        self.batch = Batch::for_connection(self.connection.clone());
        self.backoff.reset();
        self.insists_on_tls = false;
        self.outage = Some(Outage::begin(now, self.settings.unavailable_timeout));
        self.forget_failed_sign_in();
        self.dial(now);
    }

    /// Reports the result of the attempt to connect to the waiting calls.
    pub fn report_outcome(&mut self, outcome: &Result<(), Arc<Error>>) {
        let outcomes = self.waiting.drain(..).map(|call| (call, outcome.clone()));
        self.update.outcomes.extend(outcomes);
    }

    pub fn disconnect(&mut self, now: Instant) {
        if self.is_idle() {
            return;
        }
        self.change_state(ConnectionState::Disconnecting, None, None);
        self.close_socket(Some(1000));
        self.report_held_errors(now);
        self.end_connection(now);
        self.become_idle(ConnectionState::Disconnected, None);
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
                self.fail_connection(Error::ConnectTimeout { phase, after }, now);
            }
            Phase::Waiting { until } if *until <= now => self.dial_again(now),
            Phase::Connected(online) => match online.liveness.expire(now) {
                Some(Expiry::Silent { silence }) => self.fail_connection(Error::PongTimeout { silence }, now),
                Some(Expiry::Stuck { after }) => self.fail_connection(Error::WriteTimeout { after }, now),
                None if online.liveness.is_paused() => {}
                None => self.expire_answers(now),
            },
            Phase::Idle | Phase::Connecting(_) | Phase::Waiting { .. } => {}
        }
        self.report_unavailable(now);
    }

    /// Reports an outage once it is long enough. From then on `back_off` reports it after each attempt to
    /// connect.
    fn report_unavailable(&mut self, now: Instant) {
        let Some(outage) = self.outage.as_mut().filter(|outage| outage.is_due(now)) else { return };
        outage.is_reported = true;
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
        self.generation = self.generation.next();
        self.is_over_tls = self.insists_on_tls;
        let deadline = now + self.settings.connect_timeout;
        self.phase = Phase::Connecting(Attempt { generation: self.generation, deadline, phase: ConnectPhase::Dns });
        self.to_dial = true;
        self.counters.attempts += 1;
        self.change_state(ConnectionState::Connecting, None, None);
    }

    /// Closes the socket of the current attempt to connect, if there is one.
    fn close_socket(&mut self, code: Option<u16>) {
        self.to_dial = false;
        if let Some(generation) = self.phase.generation() {
            self.to_close.push((generation, code));
        }
        if matches!(self.phase, Phase::Connected(_)) {
            self.update.socket_id = Some(None);
        }
    }

    /// Ends everything that belongs to the socket.
    fn end_connection(&mut self, now: Instant) {
        self.subscriptions.end_connection(&mut self.batch, now);
        self.client_events.end_connection(&mut self.batch);
        self.to_authorize_user = None;
        self.end_sign_in();
    }

    /// Reports errors that are still held. The last error may explain the end of the connection.
    fn report_held_errors(&mut self, now: Instant) {
        self.unanswered.end_connection();
        self.apply_attributions(now);
    }

    /// The attempt to connect failed, or the connection ended.
    pub fn fail_connection(&mut self, error: Error, now: Instant) {
        self.report_large_client_event(&error, now);
        self.report_held_errors(now);
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
        self.record_last_close(&error);
        if may_be_a_limit(&error) && self.is_connected() {
            self.subscriptions.cut(now);
        }
        let error = self.explain_unconfirmed(error);
        let close_code = matches!(error, Error::MessageTooLarge { .. }).then_some(1009);
        self.close_socket(close_code);
        self.end_connection(now);
        let cause = Arc::new(error);
        let outage = Outage::begin(now, self.settings.unavailable_timeout);
        self.outage.get_or_insert(outage).cause = Some(Arc::clone(&cause));
        self.continue_after(cause, now);
    }

    /// T2: a server may close the connection because a client event is too large.
    fn report_large_client_event(&mut self, error: &Error, now: Instant) {
        if close_code(error) != Some(1009) {
            return;
        }
        if let Some(size) = self.unanswered.largest_client_event(now) {
            self.report(Error::ClientEventTooLarge { size, limit: 0 });
        }
    }

    /// R5: some servers close a connection with an unknown key without a message.
    fn explain_unconfirmed(&self, mut error: Error) -> Error {
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

    /// Records the end of a connection for the snapshot. An attempt to connect that failed without
    /// a code was never a connection.
    fn record_last_close(&mut self, error: &Error) {
        if self.is_connected() || matches!(error, Error::ConnectionClosed { .. }) {
            self.update.last_close = Some(LastClose::by(error));
        }
    }

    /// Decides on the next step after the end of a connection, by its reason (R2) and the policy (R1).
    fn continue_after(&mut self, cause: Arc<Error>, now: Instant) {
        let advice = Advice::for_code(close_code(&cause));
        if advice == Advice::UseTls && !self.is_over_tls {
            self.insists_on_tls = true;
            self.change_state(ConnectionState::Reconnecting, Some(cause), Some(Duration::ZERO));
            return self.dial_again(now);
        }
        self.report_outcome(&Err(Arc::clone(&cause)));
        // R2: TLS is tried once. If the peer does not speak TLS, another attempt to connect would fail as well.
        let no_tls = self.insists_on_tls && matches!(*cause, Error::Tls { problem: TlsProblem::NotTls, .. });
        if matches!(advice, Advice::GiveUp | Advice::UseTls) || no_tls || matches!(*cause, Error::Config { .. }) {
            return self.become_idle(ConnectionState::Failed, Some(cause));
        }
        if self.persistence == Persistence::Once {
            return self.become_idle(ConnectionState::Disconnected, Some(cause));
        }
        match self.backoff.next(advice, now) {
            Next::Never => self.become_idle(ConnectionState::Disconnected, Some(cause)),
            Next::UsedUp => self.become_idle(ConnectionState::Failed, Some(cause)),
            Next::After(delay) => self.back_off(delay, cause, now),
        }
    }

    fn back_off(&mut self, delay: Duration, cause: Arc<Error>, now: Instant) {
        self.phase = Phase::Waiting { until: now + delay };
        // If this attempt has reported `Unavailable` already, the delay and the cause need another change of state.
        let reported_in_this_attempt = self.state == ConnectionState::Unavailable;
        let state = match &mut self.outage {
            Some(outage) if outage.due_at() <= now && !reported_in_this_attempt => {
                outage.is_reported = true;
                ConnectionState::Unavailable
            }
            _ => ConnectionState::Reconnecting,
        };
        self.change_state(state, Some(cause), Some(delay));
        if delay.is_zero() {
            self.dial_again(now);
        }
    }

    /// Stops connecting until the next call to connect.
    fn become_idle(&mut self, state: ConnectionState, cause: Option<Arc<Error>>) {
        self.report_outcome(&Err(cause.clone().unwrap_or_else(|| Arc::new(Error::Disconnected))));
        if let (ConnectionState::Failed, Some(cause)) = (state, &cause) {
            // H11: the error handlers must learn that the client has stopped for good.
            self.batch.push_notice(Notification::Error(Arc::clone(cause)));
        }
        self.phase = Phase::Idle;
        self.outage = None;
        // Later events belong to no intent to be connected.
        self.connection = None;
        self.change_state(state, cause, None);
    }
}

/// Whether the server may have closed the connection because of too many messages (S10). Close codes of Pusher have
/// other reasons. So have 1001 and 1012 (the server goes away or restarts) and 1009 (a message is too large).
fn may_be_a_limit(error: &Error) -> bool {
    match error {
        Error::ConnectionLost { .. } => true,
        Error::ConnectionClosed { code, .. } => *code < 4000 && !matches!(code, 1001 | 1009 | 1012),
        _ => false,
    }
}

/// The close code, by which R2 decides.
fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::ConnectionClosed { code, .. } => Some(*code),
        _ => None,
    }
}
