//! The state of one client, and the methods that take inputs and give outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    channels::{Subscriptions, User},
    client_events::ClientEventQueue,
    connection::{
        backoff::Backoff,
        phase::{Outage, Persistence, Phase},
    },
    interface::{
        ClientEvent, Effect, Generation, Input, IntentChange, IsCurrent, Output, PendingAuth, ReadyAuth, Settings,
        earliest,
    },
    limits::unanswered::UnansweredMessages,
    sign_in::SignIn,
};
use crate::{
    ConnectionState, ConnectionStateChange, Error, Notification,
    delivery::{ConnectId, Counters, Delivery, SnapshotUpdate, client_event_pacing::PaceNote},
    event::{Batch, Stamp},
    protocol::json::string::DecodeBuffer,
    secret::Secret,
};

/// The state of one client. The documentation of `session` has its rules.
pub(crate) struct Session {
    pub(super) settings: Settings,
    pub(super) phase: Phase,
    pub(super) generation: Generation,
    pub(super) state: ConnectionState,
    pub(super) persistence: Persistence,
    pub(super) backoff: Backoff,
    /// The current outage: the time without a connection while the program wants one.
    pub(super) outage: Option<Outage>,
    /// The server asked for TLS (4000).
    pub(super) insists_on_tls: bool,
    /// Whether the current attempt or connection uses TLS: its handshake has begun, or the server asked for TLS.
    pub(super) is_over_tls: bool,
    pub(super) subscriptions: Subscriptions,
    pub(super) sign_in: SignIn,
    pub(super) client_events: ClientEventQueue,
    /// The messages that the server of this connection has not answered.
    pub(super) unanswered: UnansweredMessages,
    pub(super) socket_id: Arc<str>,
    pub(super) connection: Option<Stamp>,
    /// The calls that wait for the result of the current attempt.
    pub(super) waiting: Vec<ConnectId>,
    pub(super) batch: Batch,
    /// For the data of the message that is being read.
    pub(super) decode_buffer: DecodeBuffer,
    pub(super) update: SnapshotUpdate,
    pub(super) counters: Counters,
    /// The counters as of the last delivery.
    pub(super) published_counters: Counters,
    pub(super) to_close: Vec<(Generation, Option<u16>)>,
    pub(super) to_dial: bool,
    /// The next request for the permission of the user.
    pub(super) to_authorize_user: Option<PendingAuth>,
}

impl Session {
    /// `seed` is the seed of the random delays between attempts.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(settings.reconnect, seed),
            sign_in: SignIn::new(settings.subscriptions.timeout),
            subscriptions: Subscriptions::new(settings.subscriptions.clone()),
            client_events: ClientEventQueue::new(&settings),
            unanswered: UnansweredMessages::default(),
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
            decode_buffer: DecodeBuffer::default(),
            update: SnapshotUpdate::default(),
            counters: Counters::default(),
            published_counters: Counters::default(),
            to_close: Vec::new(),
            to_dial: false,
            to_authorize_user: None,
        }
    }

    /// Handles an input. Call [`poll_output`](Self::poll_output) and [`take_delivery`](Self::take_delivery) afterwards.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::ConnectOnce(intent, call) => self.connect_once(intent, call, now),
            Input::ConnectForGood(intent, call) => self.connect_for_good(intent, call, now),
            Input::Disconnect => self.disconnect(now),
            Input::ReconnectNow => self.reconnect_now(now),
            Input::IntentChanges(changes) => {
                for IntentChange { channel, ready, own } in changes {
                    let ready = ready.filter(|ready| self.may_use(ready)).map(|ready| ready.auth);
                    let user = User::from(&self.sign_in);
                    self.subscriptions.change_intent(&channel, ready, own, user, &mut self.batch, now);
                }
                self.client_events.drop_unsubscribed(&self.subscriptions, &mut self.batch);
            }
            Input::SignIn(call) => self.sign_in(call, now),
            Input::Trigger(event) => self.trigger(event),
            Input::Socket(generation, event) if self.is_current_generation(generation) => {
                self.socket(event, now);
            }
            Input::Socket(..) => {}
            Input::Answered(answer) => self.answered(answer, now),
            Input::Tick => self.tick(now),
        }
    }

    /// The next output, or `None` if there is none. The session requests a channel only if `is_current` confirms that
    /// its intent has not changed. Otherwise the next input tells the session of the change.
    pub fn poll_output(&mut self, now: Instant, is_current: IsCurrent<'_>) -> Option<Output> {
        if let Some(output) = self.poll_supervision() {
            return Some(output);
        }
        let Phase::Connected(online) = &mut self.phase else { return None };
        let text = match online.liveness.next_message(now) {
            Some(message) => message.to_text(),
            None => self.next_request(now, is_current)?,
        };
        if let Phase::Connected(online) = &mut self.phase {
            online.liveness.sent(now);
        }
        self.counters.messages_sent += 1;
        Some(Output::Send(Secret::new(text)))
    }

    /// The next message that the server may refuse. It is recorded as unanswered.
    fn next_request(&mut self, now: Instant, is_current: IsCurrent<'_>) -> Option<String> {
        let holds = self.sign_in.holds_subscriptions_back();
        // A sign-in that is refused again and again must not take the turns of the subscriptions.
        let is_last = !holds && self.sign_in.waits_for_turn();
        let sign_in = if is_last { None } else { self.next_sign_in(now) };
        let message = sign_in.or_else(|| {
            if holds { None } else { self.subscriptions.next_message(&mut self.unanswered, is_current, now) }
        });
        let message = message.or_else(|| if is_last { self.next_sign_in(now) } else { None });
        if message.is_some() {
            return message;
        }
        let (sent, text) = self.client_events.next(&self.subscriptions, &mut self.batch, now)?;
        self.unanswered.sent(sent, now);
        Some(text)
    }

    /// Like [`poll_output`](Self::poll_output), but without messages. For use while the socket takes none.
    pub fn poll_supervision(&mut self) -> Option<Output> {
        if let Some((generation, code)) = self.to_close.pop() {
            return Some(Output::Close { generation, code });
        }
        match &self.phase {
            Phase::Connecting(attempt) if std::mem::take(&mut self.to_dial) => {
                let (tls, deadline) = (self.insists_on_tls, attempt.deadline);
                Some(Output::Effect(Effect::Dial { generation: attempt.generation, tls, deadline }))
            }
            Phase::Connected(online) => {
                // The user comes first, because subscriptions may wait for it.
                if let Some(request) = self.to_authorize_user.take() {
                    return Some(Output::Effect(Effect::Authorize(vec![request])));
                }
                let requests = self.subscriptions.take_auth_requests(online.generation, &self.socket_id);
                (!requests.is_empty()).then_some(Output::Effect(Effect::Authorize(requests)))
            }
            _ => None,
        }
    }

    /// The time at which to call [`handle`](Self::handle) with [`Input::Tick`], unless another input comes before.
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
                // While writing is blocked no message goes out. Its end is an input.
                let client_event = self.client_events.deadline().filter(|_| !online.liveness.is_write_blocked());
                earliest([online.liveness.deadline(), answers, client_event])
            }
            Phase::Waiting { until } => Some(*until),
        };
        let unavailable = self.outage.as_ref().filter(|outage| !outage.is_reported).map(Outage::due_at);
        earliest([phase, unavailable])
    }

    /// The batch and the update of the turns since the last call; `None` if both are empty.
    pub fn take_delivery(&mut self) -> Option<Delivery> {
        if self.published_counters != self.counters {
            self.published_counters = self.counters;
            self.update.counters = Some(self.counters);
        }
        if !self.batch.has_contents() && self.update.is_empty() {
            return None;
        }
        let batch = std::mem::replace(&mut self.batch, Batch::for_connection(self.connection.clone()));
        Some(Delivery { batch, update: std::mem::take(&mut self.update) })
    }

    /// Whether this is the generation of the current socket.
    pub fn is_current_generation(&self, generation: Generation) -> bool {
        self.phase.generation() == Some(generation)
    }

    /// Whether there is no connection and no attempt to make one.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether nothing is left to do. That must be so once the program wants nothing.
    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        let is_done = self.to_close.is_empty() && !self.to_dial && self.waiting.is_empty();
        is_done && self.subscriptions.is_empty() && self.client_events.is_empty() && self.unanswered.is_empty()
    }

    /// Whether the memory budgets count exactly the memory that is reserved (D3).
    #[cfg(any(fuzzing, test))]
    pub fn budgets_are_exact(&self) -> bool {
        self.subscriptions.budgets_are_exact()
    }

    /// The caller has seen the channel subscribed. If that changes before the event is sent, an error is reported (T1).
    fn trigger(&mut self, event: ClientEvent) {
        self.client_events.push(event);
        if !self.is_connected() {
            self.client_events.end_connection(&mut self.batch);
        }
    }

    /// The changes of the pace of client events since the last call.
    pub fn take_pace_notes(&mut self) -> Vec<PaceNote> {
        self.client_events.take_notes()
    }

    /// Whether a permission of the program is for the current socket, or for the next one.
    fn may_use(&self, ready: &ReadyAuth) -> bool {
        ready.socket_id.as_ref().is_none_or(|id| self.is_connected() && *id == self.socket_id)
    }

    pub fn change_state(&mut self, current: ConnectionState, cause: Option<Arc<Error>>, retry_in: Option<Duration>) {
        if let Some(change) = self.record_state(current, cause, retry_in) {
            self.batch.push_notice(Notification::ConnectionStateChange(change));
        }
    }

    /// Records the state. Returns the change to report, or `None` if the state is the same.
    pub fn record_state(
        &mut self,
        current: ConnectionState,
        cause: Option<Arc<Error>>,
        retry_in: Option<Duration>,
    ) -> Option<ConnectionStateChange> {
        let previous = std::mem::replace(&mut self.state, current);
        if previous == current {
            return None;
        }
        self.update.state = Some(current);
        let attempt = self.backoff.attempt();
        Some(ConnectionStateChange { previous, current, cause, attempt, retry_in })
    }
}
