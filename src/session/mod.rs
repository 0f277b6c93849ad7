//! The brain: decides everything and touches nothing.
//!
//! A [`Session`] is fed with [`Input`]s (what the user wishes, what the socket brought, that time passed) and asked for
//! [`Output`]s (dial, send, close) until there is none. What users are told lies in a [`Batch`] that is taken after each
//! turn. Three invariants hold everywhere:
//!
//! * `now` is always passed in; nothing here reads a clock, sleeps, locks or spawns.
//! * Outputs are drained after every input, or after all inputs of one burst of the socket. Nobody waits while an output is
//!   pending.
//! * Each attempt to connect has a *generation*. What comes from the socket names its generation, and is dropped when
//!   that is not the current one: a late answer can never act on a newer connection (R8).

mod channels;
mod client_events;
mod connection;
mod inbound;
pub(crate) mod interface;
mod limits;
#[cfg(test)]
mod tests;
mod user;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ConnectionState, ConnectionStateChange, Error, Notification,
    delivery::memory_budget::MemoryBudget,
    event::{Batch, CallId, Counters, Intent},
    secret::Secret,
    session::{
        channels::Subscriptions,
        client_events::Outbox,
        connection::{
            backoff::Backoff,
            phase::{Outage, Persistence, Phase},
        },
        limits::unanswered::Unanswered,
        user::sign_in::SignIn,
    },
};

pub(crate) use client_events::ClientEvent;
pub(crate) use interface::{
    Answer, ChannelQuestion, Ending, FromSocket, Generation, Input, IntentChange, Output, OwnOptions, Question,
    ReadyAuth, ReconnectPolicy, Rules, Settings,
};

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
    /// The current attempt, or connection, uses TLS: its handshake has begun, or the server asked for it.
    is_over_tls: bool,
    subscriptions: Subscriptions,
    sign_in: SignIn,
    client_events: Outbox,
    /// The messages that the server of this connection has not answered.
    unanswered: Unanswered,
    socket_id: Arc<str>,
    connection: Option<(Arc<Intent>, u64)>,
    /// The calls that wait for the outcome of the attempt that is being made.
    waiting: Vec<CallId>,
    batch: Batch,
    counters: Counters,
    /// What the snapshot knows of the counters.
    published_counters: Counters,
    to_close: Vec<(Generation, Option<u16>)>,
    to_dial: bool,
    /// The question who the user is.
    to_authenticate: Option<Question>,
}

impl Session {
    /// `seed` feeds the draw of the back-off delays.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(settings.reconnect, seed),
            sign_in: SignIn::new(settings.subscriptions.timeout),
            subscriptions: Subscriptions::new(settings.subscriptions.clone()),
            client_events: Outbox::new(&settings),
            unanswered: Unanswered::default(),
            socket_id: Arc::from(""),
            settings,
            phase: Phase::Idle,
            generation: Generation::default(),
            state: ConnectionState::Disconnected,
            persistence: Persistence::Once,
            outage: None,
            insists_on_tls: false,
            is_over_tls: false,
            connection: None,
            waiting: Vec::new(),
            batch: Batch::default(),
            counters: Counters::default(),
            published_counters: Counters::default(),
            to_close: Vec::new(),
            to_dial: false,
            to_authenticate: None,
        }
    }

    /// What this client may keep of what is sent to it.
    pub fn budget(&self) -> &MemoryBudget {
        self.subscriptions.budget()
    }

    /// Takes in what happened. Drain [`poll_output`](Self::poll_output) and [`take_batch`](Self::take_batch) afterwards.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::ConnectOnce(wish, call) => self.connect_once(wish, call, now),
            Input::ConnectForGood(wish, call) => self.connect_for_good(wish, call, now),
            Input::Disconnect => self.disconnect(now),
            Input::ReconnectNow => self.reconnect_now(now),
            Input::IntentChanges(wishes) => {
                for IntentChange { intent, ready, own } in wishes {
                    let ready = ready.filter(|ready| self.may_use(ready)).map(|ready| ready.auth);
                    let user = user::user(&self.sign_in);
                    self.subscriptions.wish(&intent, ready, own, user, &mut self.batch, now);
                }
                self.client_events.drop_unsubscribed(&self.subscriptions, &mut self.batch);
            }
            Input::SignIn(call) => self.sign_in(call, now),
            Input::Trigger(event) => self.trigger(event),
            Input::Socket(generation, event) if self.is_current(generation) => {
                self.socket(event, now);
            }
            Input::Socket(..) => {}
            Input::Answered(answer) => self.answered(answer, now),
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.poll_supervision() {
            return Some(output);
        }
        let Phase::Connected(online) = &mut self.phase else { return None };
        let text = match online.liveness.next_message(now) {
            Some(message) => message.to_text(),
            None => self.next_request(now)?,
        };
        if let Phase::Connected(online) = &mut self.phase {
            online.liveness.sent(now);
        }
        self.counters.messages_sent += 1;
        Some(Output::Send(Secret::new(text)))
    }

    /// The next message that the server may refuse. The unanswered gets to know it.
    fn next_request(&mut self, now: Instant) -> Option<String> {
        let holds = self.sign_in.holds_subscriptions_back();
        // Refused again and again, it must not take the turns of the subscriptions.
        let is_last = !holds && self.sign_in.waits_for_turn();
        let sign_in = if is_last { None } else { self.next_sign_in(now) };
        let message =
            sign_in.or_else(|| if holds { None } else { self.subscriptions.next_message(&mut self.unanswered, now) });
        let message = message.or_else(|| if is_last { self.next_sign_in(now) } else { None });
        if message.is_some() {
            return message;
        }
        let (sent, text) = self.client_events.next(&self.subscriptions, &mut self.batch, now)?;
        self.unanswered.sent(sent, now);
        Some(text)
    }

    /// Like [`poll_output`](Self::poll_output), but holds messages back while the socket takes none.
    pub fn poll_supervision(&mut self) -> Option<Output> {
        if let Some((generation, code)) = self.to_close.pop() {
            return Some(Output::Close { generation, code });
        }
        match &self.phase {
            Phase::Connecting(attempt) if std::mem::take(&mut self.to_dial) => {
                let (tls, deadline) = (self.insists_on_tls, attempt.deadline);
                Some(Output::Dial { generation: attempt.generation, tls, deadline })
            }
            Phase::Connected(online) => {
                // First who the user is, because subscriptions may wait for that.
                if let Some(question) = self.to_authenticate.take() {
                    return Some(Output::Ask(question));
                }
                let questions = self.subscriptions.take_questions(online.generation, &self.socket_id);
                (!questions.is_empty()).then_some(Output::Ask(Question::Channels(questions)))
            }
            _ => None,
        }
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`], if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Idle => None,
            Phase::Connecting(attempt) => Some(attempt.deadline),
            Phase::Connected(online) => {
                let waits = self.sign_in.holds_subscriptions_back();
                let subscriptions = self.subscriptions.deadline().filter(|_| !waits);
                let turn = self.subscriptions.turn().filter(|_| self.sign_in.waits_for_turn());
                let sign_in = earliest([turn, self.sign_in.deadline(), self.sign_in.hold_deadline()]);
                let answers = earliest([subscriptions, sign_in, self.unanswered.deadline()]);
                let answers = answers.filter(|_| !online.liveness.is_paused());
                // While writing is blocked no message goes out, whatever the time. The end of that is an input.
                let client_event = self.client_events.deadline().filter(|_| !online.liveness.is_write_blocked());
                earliest([online.liveness.deadline(), answers, client_event])
            }
            Phase::Waiting { until } => Some(*until),
        };
        let unavailable = self.outage.as_ref().filter(|outage| !outage.told).map(Outage::told_at);
        earliest([phase, unavailable])
    }

    /// What users are to be told of the turns since the last call; `None` when that is nothing at all.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.published_counters != self.counters {
            self.published_counters = self.counters;
            self.batch.published.counters = Some(self.counters);
        }
        if self.batch.len() == 0 && self.batch.published.is_empty() {
            return None;
        }
        self.subscriptions.forget_slots();
        let next = Batch::answering(self.connection.clone());
        Some(std::mem::replace(&mut self.batch, next))
    }

    /// Whether this is the generation whose socket may speak.
    pub fn is_current(&self, generation: Generation) -> bool {
        self.phase.generation() == Some(generation)
    }

    /// Whether there is neither a connection nor the intention to make one.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether it holds nothing for anybody, which is so once nobody wants anything.
    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        let is_done = self.to_close.is_empty() && !self.to_dial && self.waiting.is_empty();
        is_done && self.subscriptions.is_empty() && self.client_events.is_empty() && self.unanswered.is_empty()
    }

    /// Whether a ready-made permission is for the socket of this moment, or for the next one.
    fn may_use(&self, ready: &ReadyAuth) -> bool {
        ready.socket_id.as_ref().is_none_or(|id| self.is_connected() && *id == self.socket_id)
    }

    fn change_state(&mut self, current: ConnectionState, cause: Option<Arc<Error>>, retry_in: Option<Duration>) {
        if let Some(change) = self.begin_state(current, cause, retry_in) {
            self.batch.push_notice(Notification::ConnectionStateChange(change));
        }
    }

    /// The change that is to be told. `None` when there is none.
    fn begin_state(
        &mut self,
        current: ConnectionState,
        cause: Option<Arc<Error>>,
        retry_in: Option<Duration>,
    ) -> Option<ConnectionStateChange> {
        let previous = std::mem::replace(&mut self.state, current);
        if previous == current {
            return None;
        }
        self.batch.published.state = Some(current);
        let attempt = self.backoff.attempt();
        Some(ConnectionStateChange { previous, current, cause, attempt, retry_in })
    }
}

fn earliest<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
