//! Drives a [`Session`] like `io`, with a clock that tests move. Scenario tests, the model and the fuzzers use it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ConnectPhase,
    delivery::{ConnectId, Delivery, SignInId, client_event_pacing::ClientEventPace},
    event::{Intent, IntentId, Stamp},
    session::{
        Effect, Ending, FromSocket, Generation, Input, IntentChange, Output, Session, Settings, SubscriptionSettings,
    },
};

/// Upper bound for the ticks at one instant. Several deadlines may fall on it.
const MAX_TICKS_AT_ONCE: usize = 8;

/// Receives everything that a session returns.
pub(crate) trait Observer {
    /// Upper bound for the outputs of one turn.
    const MAX_OUTPUTS: usize = 100_000;

    /// Whether a deadline may stay the same after its tick, because another one falls on the same instant.
    const MAY_REPEAT_DEADLINES: bool = false;

    /// The session has handled an input. Its outputs are taken next.
    fn handled(&mut self) {}

    fn output(&mut self, output: Output, now: Instant);

    fn delivery(&mut self, delivery: Delivery);

    /// Intents that changed during the turn. They are the input of the next turn.
    fn changed_meanwhile(&mut self) -> Vec<IntentChange> {
        Vec::new()
    }
}

/// A session, its clock, and the observer of its outputs. Derefs to the observer.
pub(crate) struct SessionDriver<O> {
    pub session: Session,
    pub now: Instant,
    /// The intent in the connection.
    pub client: Arc<Intent>,
    /// The generation of the last dial, and of the dial before it.
    pub generation: Generation,
    pub previous_generation: Generation,
    /// The last calls to connect and to sign in.
    connect: ConnectId,
    sign_in: SignInId,
    /// The pace of client events, as seen by the threads that trigger them.
    pace: ClientEventPace,
    /// The socket accepts no more bytes. The session's messages stay in the session.
    is_blocked: bool,
    observer: O,
}

/// The defaults, with an authorizer and with less room for members. Tests change single fields.
pub(crate) fn settings() -> Settings {
    Settings { subscriptions: subscription_settings(), ..Settings::default() }
}

pub(crate) fn subscription_settings() -> SubscriptionSettings {
    SubscriptionSettings {
        can_authorize: true,
        max_presence_members: 100,
        max_presence_bytes: 12 << 20,
        ..SubscriptionSettings::default()
    }
}

impl<O: Observer> SessionDriver<O> {
    /// The seed decides about the random delays.
    pub fn observed_by(observer: O, settings: Settings, seed: u64) -> Self {
        let client = Intent::new(IntentId::CONNECTION, "");
        client.activate();
        Self {
            pace: ClientEventPace::new(settings.client_event_limit, settings.client_event_patience),
            session: Session::new(settings, seed),
            now: Instant::now(),
            client,
            generation: Generation::default(),
            previous_generation: Generation::default(),
            connect: ConnectId::default(),
            sign_in: SignInId::default(),
            is_blocked: false,
            observer,
        }
    }

    /// Handles an input, and takes all outputs.
    pub fn input(&mut self, input: Input<'_>) -> &mut Self {
        self.session.handle(input, self.now);
        self.end_turn()
    }

    pub fn connect_background(&mut self) -> &mut Self {
        let (intent, call) = (self.client.stamp(), self.issue_connect_id());
        self.input(Input::ConnectForGood(intent, call))
    }

    pub fn connect_once(&mut self) -> &mut Self {
        let (intent, call) = (self.client.stamp(), self.issue_connect_id());
        self.input(Input::ConnectOnce(intent, call))
    }

    pub fn sign_in(&mut self) -> &mut Self {
        self.sign_in = self.sign_in.next();
        self.input(Input::SignIn(self.sign_in))
    }

    fn issue_connect_id(&mut self) -> ConnectId {
        self.connect = self.connect.next();
        self.connect
    }

    /// The id of the next call to connect.
    pub fn next_connect_id(&self) -> ConnectId {
        self.connect.next()
    }

    /// The pace of client events, with all changes that the session has made.
    pub fn pace(&mut self) -> &mut ClientEventPace {
        for note in self.session.take_pace_notes() {
            self.pace.apply(note);
        }
        &mut self.pace
    }

    pub fn socket(&mut self, event: FromSocket<'_>) -> &mut Self {
        self.input(Input::Socket(self.generation, event))
    }

    /// The WebSocket is open. The server has not confirmed the connection yet.
    pub fn upgrade(&mut self) -> &mut Self {
        self.socket(FromSocket::Reached(ConnectPhase::Established))
    }

    /// The WebSocket opens, and the server confirms the connection with this socket id.
    pub fn establish_as(&mut self, socket_id: &str) -> &mut Self {
        let data = format!(r#"{{\"socket_id\":\"{socket_id}\",\"activity_timeout\":60}}"#);
        self.upgrade().receive(&format!(r#"{{"event":"pusher:connection_established","data":"{data}"}}"#))
    }

    pub fn receive(&mut self, text: &str) -> &mut Self {
        self.receive_burst(&[text], None)
    }

    /// Hands on the messages of one read, and the end of the connection if the read met it, in the order of the reader.
    pub fn receive_burst(&mut self, texts: &[&str], ending: Option<Ending>) -> &mut Self {
        let generation = self.generation;
        for text in texts {
            if !self.session.is_current_generation(generation) {
                break;
            }
            self.session.handle(Input::Socket(generation, FromSocket::Text(text)), self.now);
        }
        self.session.handle(Input::Socket(generation, FromSocket::Bytes), self.now);
        if let Some(ending) = ending {
            self.session.handle(Input::Socket(generation, FromSocket::Ended(ending)), self.now);
        }
        self.end_turn()
    }

    /// Lets the socket accept no more bytes, or accept bytes again.
    pub fn block_writes(&mut self, is_blocked: bool) {
        self.is_blocked = is_blocked;
    }

    /// Lets time pass like the heartbeat, from deadline to deadline.
    pub fn pass(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            self.tick();
        }
        self.now = end;
        self
    }

    /// Ticks until no deadline is due.
    fn tick(&mut self) {
        for _ in 0..MAX_TICKS_AT_ONCE {
            let before = self.session.deadline();
            self.input(Input::Tick);
            let after = self.session.deadline();
            let repeats = after.is_some() && after == before;
            assert!(!repeats || O::MAY_REPEAT_DEADLINES, "a deadline that stays in the past is a busy loop");
            if after.is_none_or(|deadline| deadline > self.now) {
                return;
            }
        }
        panic!("a deadline that stays in the past is a busy loop");
    }

    fn end_turn(&mut self) -> &mut Self {
        self.observer.handled();
        let mut outputs = 0;
        while let Some(output) = self.next_output() {
            outputs += 1;
            assert!(outputs < O::MAX_OUTPUTS, "the outputs have no end");
            self.follow(&output);
            self.observer.output(output, self.now);
        }
        if let Some(delivery) = self.session.take_delivery() {
            self.observer.delivery(delivery);
        }
        assert!(self.next_output().is_none(), "an output is pending after the turn");
        assert!(self.session.budgets_are_exact(), "D3: a memory budget has lost or won bytes");
        match self.observer.changed_meanwhile() {
            changes if changes.is_empty() => self,
            changes => self.input(Input::IntentChanges(changes)),
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        if self.is_blocked {
            self.session.poll_supervision()
        } else {
            self.session.poll_output(self.now, &Stamp::is_current)
        }
    }

    fn follow(&mut self, output: &Output) {
        match output {
            Output::Effect(Effect::Dial { generation, .. }) => {
                (self.generation, self.previous_generation) = (*generation, self.generation);
                self.is_blocked = false;
            }
            Output::Close { .. } => self.is_blocked = false,
            Output::Send(_) | Output::Effect(_) => {}
        }
    }
}

impl<O> Deref for SessionDriver<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.observer
    }
}

impl<O> DerefMut for SessionDriver<O> {
    fn deref_mut(&mut self) -> &mut O {
        &mut self.observer
    }
}
