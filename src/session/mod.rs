//! The brain: decides everything and touches nothing.
//!
//! A [`Session`] is fed with [`Input`]s (what the user wishes, what the socket brought, that time passed) and asked for
//! [`Output`]s (dial, send, close) until there is none. What users are told lies in a [`Batch`] that is taken after each
//! turn. Three invariants hold everywhere:
//!
//! * `now` is always passed in; nothing here reads a clock, sleeps, locks or spawns.
//! * Every input is followed by draining the outputs. Nobody waits while an output is pending.
//! * Each attempt to connect has a *generation*. What comes from the socket names its generation, and is dropped when
//!   that is not the current one: a late answer can never act on a newer connection (R8).

mod backoff;
mod liveness;
mod phase;
mod reconnect;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ConnectPhase, ConnectionState, ConnectionStateChange, Error, Notification,
    event::{Batch, Interest, Tally},
    protocol::{
        close::Advice,
        frame::Frame,
        message::{Established, Message, ServerError},
    },
};

pub use reconnect::Reconnect;

use backoff::{Backoff, Next};
use liveness::{Expiry, Liveness};
use phase::{Attempt, Online, Outage, Persistence, Phase, RememberedError};
use subscriptions::Subscriptions;

/// What the session is told by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) activity_timeout: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) subscription_timeout: Duration,
    pub(crate) reconnect: Reconnect,
    /// Whether the configured endpoint is TLS already.
    pub(crate) tls: bool,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Connect; if the first attempt fails, give up. The wish lets what is delivered be told from an older one's.
    ConnectOnce(Arc<Interest>),
    /// Connect, and keep trying by the policy.
    ConnectForGood(Arc<Interest>),
    Disconnect,
    ReconnectNow,
    /// The user began or ceased to want a channel. The interest itself says which.
    Wish(Arc<Interest>),
    /// Something about the socket of the given generation.
    Socket(Generation, FromSocket<'a>),
    /// The deadline has come.
    Tick,
}

/// What the socket of one attempt brings.
#[derive(Debug)]
pub(crate) enum FromSocket<'a> {
    /// Dialling has come to this phase. With `Established` the WebSocket is open, and the first message is awaited.
    Reached(ConnectPhase),
    /// Dialling failed before there was a WebSocket.
    DialFailed(Error),
    /// Some bytes arrived, whatever they mean.
    Bytes,
    Text(&'a str),
    Binary,
    /// The peer closed, the socket died, or its bytes broke the rules of WebSocket.
    Ended(Ending),
    /// The reader waits for room in a queue and does not read.
    Paused,
    /// The reader reads again.
    Resumed,
    /// What was to be sent could not all be written.
    WriteBlocked {
        progress: bool,
    },
    /// Everything was written.
    Written,
}

/// How a socket ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With a close frame.
    Closed { code: u16, reason: String },
    /// Without one.
    Lost(Error),
}

/// Numbers the attempts to connect, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation(u64);

/// What a session wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Open a WebSocket. `tls` insists on TLS where the configuration has it off.
    Dial { generation: Generation, tls: bool, deadline: Instant },
    /// Send this text on the current socket.
    Send(String),
    /// End this socket, or the dialling of it: with a close frame where there is a code, else at once.
    Close { generation: Generation, code: Option<u16> },
}

/// The state of one client. See the module's documentation.
pub(crate) struct Session {
    settings: Settings,
    phase: Phase,
    generation: Generation,
    state: ConnectionState,
    persistence: Persistence,
    backoff: Backoff,
    /// Whether, and since when, there is no connection although there should be one.
    outage: Option<Outage>,
    /// The server asked for TLS (4000).
    insists_on_tls: bool,
    subscriptions: Subscriptions,
    connection: Option<(Arc<Interest>, u64)>,
    batch: Batch,
    tally: Tally,
    to_close: Vec<(Generation, Option<u16>)>,
    to_dial: bool,
}

impl Session {
    /// `seed` feeds the draw of the back-off delays.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(settings.reconnect.clone(), seed),
            subscriptions: Subscriptions::new(settings.subscription_timeout),
            settings,
            phase: Phase::Idle,
            generation: Generation::default(),
            state: ConnectionState::Disconnected,
            persistence: Persistence::Once,
            outage: None,
            insists_on_tls: false,
            connection: None,
            batch: Batch::default(),
            tally: Tally::default(),
            to_close: Vec::new(),
            to_dial: false,
        }
    }

    /// Takes in what happened. Drain [`poll_output`](Self::poll_output) and [`take_batch`](Self::take_batch) afterwards.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::ConnectOnce(wish) => self.connect(wish, Persistence::Once, now),
            Input::ConnectForGood(wish) => self.connect(wish, Persistence::ForGood, now),
            Input::Disconnect => self.disconnect(now),
            Input::ReconnectNow => self.reconnect_now(now),
            Input::Wish(interest) => self.wish(&interest),
            Input::Socket(generation, event) if self.is_current(generation) => {
                self.socket(event, now);
            }
            Input::Socket(..) => {}
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to do, until there is none.
    pub(crate) fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.poll_supervision() {
            return Some(output);
        }
        let Phase::Connected(online) = &mut self.phase else { return None };
        let text = match online.liveness.next_message() {
            Some(message) => message.to_text(),
            None => self.subscriptions.next_message(now)?,
        };
        online.liveness.sent(now);
        Some(Output::Send(text))
    }

    /// Like [`poll_output`](Self::poll_output), but holds messages back while the socket takes none.
    pub(crate) fn poll_supervision(&mut self) -> Option<Output> {
        if let Some((generation, code)) = self.to_close.pop() {
            return Some(Output::Close { generation, code });
        }
        match &self.phase {
            Phase::Connecting(attempt) if std::mem::take(&mut self.to_dial) => {
                let (tls, deadline) = (self.settings.tls || self.insists_on_tls, attempt.deadline);
                Some(Output::Dial { generation: attempt.generation, tls, deadline })
            }
            _ => None,
        }
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`], if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Idle => None,
            Phase::Connecting(attempt) => Some(attempt.deadline),
            Phase::Connected(online) => earliest([online.liveness.deadline(), self.subscriptions.deadline()]),
            Phase::Waiting { until } => Some(*until),
        };
        let unavailable = self.outage.as_ref().filter(|outage| !outage.told).map(Outage::told_at);
        earliest([phase, unavailable])
    }

    /// What users are to be told of the turns since the last call; `None` when that is nothing at all.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        let told = self.batch.len() > 0 || self.batch.published.attempt_over.is_some();
        if !told && self.batch.published.tally == self.tally {
            return None;
        }
        self.batch.published.tally = self.tally;
        let mut next = Batch::answering(self.connection.clone());
        next.published.tally = self.tally;
        self.subscriptions.forget_slots();
        Some(std::mem::replace(&mut self.batch, next))
    }

    /// Whether this is the generation whose socket may speak.
    pub(crate) fn is_current(&self, generation: Generation) -> bool {
        self.phase.generation() == Some(generation)
    }

    /// Whether there is neither a connection nor the intention to make one.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    fn connect(&mut self, wish: Arc<Interest>, persistence: Persistence, now: Instant) {
        if persistence == Persistence::ForGood {
            self.persistence = persistence;
        }
        match self.phase {
            Phase::Idle => {
                self.persistence = persistence;
                self.connection = Some((Arc::clone(&wish), wish.epoch()));
                self.batch = self.batch_for_new_connection();
                self.backoff.reset();
                self.insists_on_tls = false;
                self.outage = Some(Outage::since(now));
                self.dial(now);
            }
            // A blocking connect wants an outcome soon, not after the back-off.
            Phase::Waiting { .. } if persistence == Persistence::Once => self.dial(now),
            _ => {}
        }
    }

    /// The batch must name the wish to be connected that its events answer. It is empty when nothing was told since the
    /// last turn, which holds because each turn ends with taking it.
    fn batch_for_new_connection(&mut self) -> Batch {
        debug_assert_eq!(self.batch.len(), 0, "each turn ends with taking the batch");
        let mut batch = Batch::answering(self.connection.clone());
        batch.published = std::mem::take(&mut self.batch.published);
        self.subscriptions.forget_slots();
        batch
    }

    fn disconnect(&mut self, now: Instant) {
        if self.is_idle() {
            return;
        }
        self.change_state(ConnectionState::Disconnecting, None, None);
        self.close_socket(Some(1000));
        self.subscriptions.end_connection(now);
        self.rest(ConnectionState::Disconnected, None);
    }

    fn reconnect_now(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Waiting { .. } => self.dial(now),
            Phase::Connected(online) => online.liveness.probe(now),
            _ => {}
        }
    }

    fn wish(&mut self, interest: &Arc<Interest>) {
        let refused = self.subscriptions.wish(interest);
        if let Some(error) = refused {
            let slot = self.batch.add_channel(interest, interest.epoch());
            self.batch.push_subscription_error(slot, "", error);
        }
    }

    fn socket(&mut self, event: FromSocket<'_>, now: Instant) {
        match event {
            FromSocket::Reached(phase) => self.phase.reached(phase),
            FromSocket::DialFailed(error) => self.lose(error, now),
            FromSocket::Text(text) => self.text(text, now),
            FromSocket::Binary => self.bad_message("it is binary".to_owned(), now),
            FromSocket::Ended(Ending::Closed { code, reason }) => {
                self.lose(Error::ConnectionClosed { code, message: reason }, now);
            }
            FromSocket::Ended(Ending::Lost(error)) => self.lose(error, now),
            other => {
                if let Phase::Connected(online) = &mut self.phase {
                    online.liveness.observe(&other, now);
                }
            }
        }
    }

    fn text(&mut self, text: &str, now: Instant) {
        self.tally.messages += 1;
        match Frame::parse(text) {
            Err(reason) => self.bad_message(reason, now),
            Ok(frame) => match self.phase {
                Phase::Connected(_) => self.message(Message::of(frame), now),
                _ => self.first_message(Message::of(frame), now),
            },
        }
    }

    /// R5: nothing but `pusher:connection_established` may come first. A `pusher:error` at least says why (R3).
    fn first_message(&mut self, message: Message<'_>, now: Instant) {
        match message {
            Message::ConnectionEstablished(established) => self.established(established, now),
            Message::Error(ServerError { code: Some(code), message, .. }) => {
                self.lose(Error::ConnectionClosed { code, message }, now);
            }
            Message::Error(error) => self.unexpected_first_message(format!("pusher:error {:?}", error.message), now),
            _ => self.unexpected_first_message("another event".to_owned(), now),
        }
    }

    fn unexpected_first_message(&mut self, reason: String, now: Instant) {
        self.lose(Error::UnexpectedFirstMessage { reason }, now);
    }

    fn established(&mut self, established: Established, now: Instant) {
        let Phase::Connecting(attempt) = &self.phase else { return };
        let activity = established.activity_timeout.unwrap_or(self.settings.activity_timeout);
        let activity = activity.min(self.settings.activity_timeout);
        self.phase = Phase::Connected(Online {
            generation: attempt.generation,
            since: now,
            liveness: Liveness::new(activity, self.settings.pong_timeout, now),
            last_error: None,
        });
        self.tally.connections += 1;
        self.outage = None;
        self.persistence = Persistence::ForGood;
        self.batch.published.socket_id = Some(Some(established.socket_id.into()));
        self.batch.published.attempt_over = Some(Ok(()));
        self.change_state(ConnectionState::Connected, None, None);
        self.subscriptions.begin_connection();
    }

    fn message(&mut self, message: Message<'_>, now: Instant) {
        match message {
            Message::Event(frame) => self.event(&frame),
            Message::Ping => self.answer_ping(),
            Message::Pong => {}
            Message::Error(error) => self.server_error(error, now),
            Message::SubscriptionSucceeded { channel, data } => {
                let data = data.text().unwrap_or_default();
                let known = self.subscriptions.succeeded(&channel, &data, &mut self.batch, now);
                self.tally.ignored += u64::from(!known);
            }
            Message::SubscriptionError { channel, data, refusal } => {
                let data = data.text().unwrap_or_default();
                let known = self.subscriptions.refused(&channel, &data, refusal, &mut self.batch);
                self.tally.ignored += u64::from(!known);
            }
            Message::ConnectionEstablished(_) | Message::UnknownPlatformEvent => self.tally.ignored += 1,
        }
    }

    fn event(&mut self, frame: &Frame<'_>) {
        let Some(channel) = frame.channel.as_deref() else {
            self.tally.ignored += 1;
            return;
        };
        match self.subscriptions.event(channel, frame, &mut self.batch) {
            Ok(true) => self.tally.events += 1,
            Ok(false) => self.tally.ignored += 1,
            Err(reason) => self.report_bad_message(reason),
        }
    }

    fn answer_ping(&mut self) {
        if let Phase::Connected(online) = &mut self.phase {
            online.liveness.answer_ping();
        }
    }

    /// R4: an error on an open socket is reported and changes nothing else. S6: it may be the answer to the one pending
    /// subscription.
    fn server_error(&mut self, error: ServerError, now: Instant) {
        if self.subscriptions.take_as_answer(&error, &mut self.batch) {
            return;
        }
        if let Phase::Connected(online) = &mut self.phase {
            online.last_error =
                error.code.map(|code| RememberedError { code, message: error.message.clone(), at: now });
        }
        self.report(Error::Server { code: error.code, message: error.message });
    }

    /// D2 on a connection; R5 before there is one.
    fn bad_message(&mut self, reason: String, now: Instant) {
        match self.phase {
            Phase::Connected(_) => self.report_bad_message(reason),
            _ => self.unexpected_first_message(reason, now),
        }
    }

    fn report_bad_message(&mut self, reason: String) {
        self.tally.bad_messages += 1;
        self.report(Error::BadMessage { reason });
    }

    fn report(&mut self, error: Error) {
        self.batch.push_notice(Notification::Error(Arc::new(error)));
    }

    fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Connecting(attempt) if attempt.deadline <= now => {
                let (phase, after) = (attempt.phase, self.settings.connect_timeout);
                self.lose(Error::ConnectTimeout { phase, after }, now);
            }
            Phase::Waiting { until } if *until <= now => self.dial(now),
            Phase::Connected(online) => match online.liveness.expire(now) {
                Some(Expiry::Silent { silence }) => self.lose(Error::PongTimeout { silence }, now),
                Some(Expiry::Stuck { after }) => self.lose(Error::WriteTimeout { after }, now),
                None => self.subscriptions.expire(&mut self.batch, now),
            },
            Phase::Idle | Phase::Connecting(_) | Phase::Waiting { .. } => {}
        }
        self.tell_unavailable(now);
    }

    /// The first time that an outage is long enough it is told at once. From then on `wait` tells it after each attempt.
    fn tell_unavailable(&mut self, now: Instant) {
        let Some(outage) = self.outage.as_mut().filter(|outage| outage.is_to_be_told(now)) else { return };
        outage.told = true;
        let retry_in = match self.phase {
            Phase::Waiting { until } => Some(until.saturating_duration_since(now)),
            _ => None,
        };
        self.change_state(ConnectionState::Unavailable, None, retry_in);
    }

    fn dial(&mut self, now: Instant) {
        self.generation.0 += 1;
        let deadline = now + self.settings.connect_timeout;
        self.phase = Phase::Connecting(Attempt { generation: self.generation, deadline, phase: ConnectPhase::Dns });
        self.to_dial = true;
        self.tally.attempts += 1;
        self.change_state(ConnectionState::Connecting, None, None);
    }

    /// Closes the socket of the current attempt, if there is one.
    fn close_socket(&mut self, code: Option<u16>) {
        self.to_dial = false;
        if let Some(generation) = self.phase.generation() {
            self.to_close.push((generation, code));
        }
        if matches!(self.phase, Phase::Connected(_)) {
            self.batch.published.socket_id = Some(None);
        }
    }

    /// The attempt failed, or the connection is over.
    fn lose(&mut self, error: Error, now: Instant) {
        let (error, was_connected) = match &self.phase {
            Phase::Connected(online) => {
                if online.was_stable(now) {
                    self.backoff.reset();
                } else {
                    self.backoff.failed();
                }
                (online.explain(error, now), true)
            }
            _ => {
                self.backoff.failed();
                (error, false)
            }
        };
        let close_code = matches!(error, Error::MessageTooLarge { .. }).then_some(1009);
        self.close_socket(close_code);
        self.subscriptions.end_connection(now);
        self.outage.get_or_insert(Outage::since(now));
        let cause = Arc::new(error);
        if !was_connected {
            self.batch.published.attempt_over = Some(Err(Arc::clone(&cause)));
        }
        self.go_on_after(cause, now);
    }

    /// Decides by the reason (R2) and by the policy (R1) what comes after a connection.
    fn go_on_after(&mut self, cause: Arc<Error>, now: Instant) {
        let advice = Advice::for_code(close_code(&cause));
        if advice == Advice::UseTls && !self.settings.tls && !self.insists_on_tls {
            self.insists_on_tls = true;
            self.batch.published.attempt_over = None;
            self.change_state(ConnectionState::Reconnecting, Some(cause), Some(Duration::ZERO));
            return self.dial(now);
        }
        if matches!(advice, Advice::GiveUp | Advice::UseTls) || matches!(*cause, Error::Config { .. }) {
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
            self.dial(now);
        }
    }

    /// Ends all efforts until the next `connect`.
    fn rest(&mut self, state: ConnectionState, cause: Option<Arc<Error>>) {
        if self.batch.published.attempt_over.is_none() && !matches!(self.phase, Phase::Connected(_)) {
            let outcome = cause.clone().unwrap_or_else(|| Arc::new(Error::Disconnected));
            self.batch.published.attempt_over = Some(Err(outcome));
        }
        self.phase = Phase::Idle;
        self.outage = None;
        self.change_state(state, cause, None);
    }

    fn change_state(&mut self, current: ConnectionState, cause: Option<Arc<Error>>, retry_in: Option<Duration>) {
        let previous = std::mem::replace(&mut self.state, current);
        if previous == current {
            return;
        }
        self.batch.published.state = Some(current);
        let attempt = self.backoff.attempt();
        let change = ConnectionStateChange { previous, current, cause, attempt, retry_in };
        self.batch.push_notice(Notification::ConnectionStateChange(change));
    }
}

/// The code that decides by R2 what to do next.
fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::ConnectionClosed { code, .. } => Some(*code),
        _ => None,
    }
}

fn earliest<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
