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

mod backoff;
mod client_events;
mod course;
mod inbound;
mod ledger;
mod liveness;
mod pacing;
mod phase;
mod reconnect;
mod refusals;
mod roster;
mod sign_in;
mod subscriptions;
#[cfg(test)]
mod tests;
mod users;
mod vault;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    AuthRequest, ChannelAuth, ConnectPhase, ConnectionState, ConnectionStateChange, Error, Name, Notification,
    UserAuth,
    auth::Secret,
    event::{Batch, Budget, Interest, Tally, Ticket},
};

pub(crate) use client_events::ClientEvent;
pub use reconnect::Reconnect;
pub(crate) use subscriptions::Rules;

use backoff::Backoff;
use client_events::Outbox;
use ledger::Ledger;
use phase::{Outage, Persistence, Phase};
use sign_in::SignIn;
use subscriptions::Subscriptions;

/// What the session is told by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) activity_timeout: Duration,
    /// Counts in place of that and of the server's value.
    pub(crate) activity_timeout_override: Option<Duration>,
    /// How long there may be no connection before that is reported.
    pub(crate) unavailable_timeout: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) subscriptions: Rules,
    pub(crate) reconnect: Reconnect,
    /// Whether the configured endpoint is TLS already.
    pub(crate) tls: bool,
    /// Client events in any second; `None` for any number.
    pub(crate) client_event_limit: Option<u32>,
    /// How long a client event may wait for its turn.
    pub(crate) client_event_patience: Duration,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Connect; if the first attempt fails, give up. The ticket is settled with the outcome of that attempt. The wish lets
    /// what is delivered be told from an older one's.
    ConnectOnce(Arc<Interest>, Ticket),
    /// Connect, and keep trying by the policy.
    ConnectForGood(Arc<Interest>, Ticket),
    Disconnect,
    ReconnectNow,
    /// The user began or ceased to want these channels.
    Wishes(Vec<Wish>),
    /// The user wants to be signed in.
    SignIn(Ticket),
    /// The user sends an event to the other subscribers of a channel.
    Trigger(ClientEvent),
    /// Something about the socket of the given generation.
    Socket(Generation, FromSocket<'a>),
    /// Those who authorise have answered.
    Answered(Answer),
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
#[derive(Debug)]
pub(crate) enum Output {
    /// Open a WebSocket. `tls` insists on TLS where the configuration has it off.
    Dial { generation: Generation, tls: bool, deadline: Instant },
    /// Send this text on the current socket. Signatures and user data may be in it.
    Send(Secret),
    /// Ask those who authorise.
    Ask(Question),
    /// End this socket, or the dialling of it: with a close frame where there is a code, else at once.
    Close { generation: Generation, code: Option<u16> },
}

/// A channel that the user began or ceased to want; the interest itself says which.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) interest: Arc<Interest>,
    pub(crate) ready: Option<ReadyAuth>,
    pub(crate) own: OwnOptions,
}

/// A summary of the channel's own options, which replace those of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    /// The channel is authorised in a way of its own. The number changes with the way.
    pub(crate) authorizer: Option<u64>,
    pub(crate) has_decoder: bool,
}

/// A permission that the user has already.
#[derive(Debug)]
pub(crate) struct ReadyAuth {
    pub(crate) auth: ChannelAuth,
    /// The socket of the moment in which it was given; `None` when there was none, and it is meant for the next one.
    pub(crate) socket_id: Option<Arc<str>>,
}

/// What the session wants to know of those who authorise. The answer carries the number, and the generation of the socket
/// for which it was asked, so that a late one is dropped.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    Channels(Vec<ChannelQuestion>),
    User { generation: Generation, number: u64, socket_id: Arc<str> },
}

#[derive(Debug, Clone)]
pub(crate) struct ChannelQuestion {
    pub(crate) generation: Generation,
    pub(crate) number: u64,
    pub(crate) channel: Name,
    pub(crate) request: AuthRequest,
}

/// What those who authorise have answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Channel { generation: Generation, number: u64, channel: Name, auth: Result<ChannelAuth, Error> },
    User { generation: Generation, number: u64, auth: Result<UserAuth, Error> },
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
    /// The current attempt, or connection, uses TLS. The configuration does not tell if a closure makes the URL.
    is_over_tls: bool,
    subscriptions: Subscriptions,
    sign_in: SignIn,
    client_events: Outbox,
    /// The messages that the server of this connection has not answered.
    ledger: Ledger,
    socket_id: Arc<str>,
    connection: Option<(Arc<Interest>, u64)>,
    /// The calls that wait for the outcome of the attempt that is being made.
    waiting: Vec<Ticket>,
    batch: Batch,
    tally: Tally,
    /// What the snapshot knows of the tally.
    told_tally: Tally,
    to_close: Vec<(Generation, Option<u16>)>,
    to_dial: bool,
    /// The question who the user is.
    to_authenticate: Option<Question>,
}

impl Session {
    /// `seed` feeds the draw of the back-off delays.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(settings.reconnect.clone(), seed),
            sign_in: SignIn::new(settings.subscriptions.timeout),
            subscriptions: Subscriptions::new(settings.subscriptions.clone()),
            client_events: Outbox::new(&settings),
            ledger: Ledger::default(),
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
            tally: Tally::default(),
            told_tally: Tally::default(),
            to_close: Vec::new(),
            to_dial: false,
            to_authenticate: None,
        }
    }

    /// What this client may keep of what is sent to it.
    pub(crate) fn budget(&self) -> &Budget {
        self.subscriptions.budget()
    }

    /// Takes in what happened. Drain [`poll_output`](Self::poll_output) and [`take_batch`](Self::take_batch) afterwards.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::ConnectOnce(wish, ticket) => self.connect_once(wish, ticket, now),
            Input::ConnectForGood(wish, ticket) => self.connect_for_good(wish, ticket, now),
            Input::Disconnect => self.disconnect(now),
            Input::ReconnectNow => self.reconnect_now(now),
            Input::Wishes(wishes) => {
                for Wish { interest, ready, own } in wishes {
                    let ready = ready.filter(|ready| self.may_use(ready)).map(|ready| ready.auth);
                    let user = users::user(&self.sign_in);
                    self.subscriptions.wish(&interest, ready, own, user, &mut self.batch, now);
                }
                self.client_events.drop_unsubscribed(&self.subscriptions, &mut self.batch);
            }
            Input::SignIn(ticket) => self.sign_in(ticket, now),
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
    pub(crate) fn poll_output(&mut self, now: Instant) -> Option<Output> {
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
        self.tally.messages_sent += 1;
        Some(Output::Send(Secret::new(text)))
    }

    /// The next message that the server may refuse. The ledger gets to know it.
    fn next_request(&mut self, now: Instant) -> Option<String> {
        let holds = self.sign_in.holds_subscriptions_back();
        // Refused again and again, it must not take the turns of the subscriptions.
        let is_last = !holds && self.sign_in.waits_for_turn();
        let sign_in = if is_last { None } else { self.next_sign_in(now) };
        let message =
            sign_in.or_else(|| if holds { None } else { self.subscriptions.next_message(&mut self.ledger, now) });
        let message = message.or_else(|| if is_last { self.next_sign_in(now) } else { None });
        if message.is_some() {
            return message;
        }
        let (sent, text) = self.client_events.next(&self.subscriptions, &mut self.batch, now)?;
        self.ledger.sent(sent, now);
        Some(text)
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
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Idle => None,
            Phase::Connecting(attempt) => Some(attempt.deadline),
            Phase::Connected(online) => {
                let waits = self.sign_in.holds_subscriptions_back();
                let subscriptions = self.subscriptions.deadline().filter(|_| !waits);
                let turn = self.subscriptions.turn().filter(|_| self.sign_in.waits_for_turn());
                let sign_in = earliest([turn, self.sign_in.deadline(), self.sign_in.hold_deadline()]);
                let answers = earliest([subscriptions, sign_in, self.ledger.deadline()]);
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
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if self.told_tally != self.tally {
            self.told_tally = self.tally;
            self.batch.published.tally = Some(self.tally);
        }
        if self.batch.len() == 0 && self.batch.published.is_empty() {
            return None;
        }
        self.subscriptions.forget_slots();
        let next = Batch::answering(self.connection.clone());
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

    /// Whether it holds nothing for anybody, which is so once nobody wants anything.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn is_empty(&self) -> bool {
        let is_done = self.to_close.is_empty() && !self.to_dial && self.waiting.is_empty();
        is_done && self.subscriptions.is_empty() && self.client_events.is_empty() && self.ledger.is_empty()
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
