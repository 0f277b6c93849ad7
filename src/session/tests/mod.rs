//! Tests of the session as a whole. Every race is a sequence of inputs, and takes microseconds.

mod authorizing;
mod client_events;
mod connection;
mod corpus;
mod encrypted;
mod long_run;
mod memory;
mod model;
mod pacing;
mod presence;
mod refusals;
mod simulation;
mod subscribing;
mod users;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{connection::phase::Phase, *};
use crate::{
    ChannelAuth, ConnectPhase, ConnectionState, ConnectionStateChange, Error, Notification, Reconnect, UserAuth,
    delivery::{ConnectId, Delivery, SignInId},
    event::{Event, Intent, Stamp},
    protocol::frame::Outgoing,
    testability::session_driver::{Observer, SessionDriver, settings, subscription_settings},
};

use ConnectionState::{Connected, Connecting, Disconnected, Disconnecting, Failed, Reconnecting, Unavailable};

/// A session in some state, with all that it returned.
type Scenario = SessionDriver<Record>;

/// The outputs and notifications of a session, in order.
#[derive(Default)]
struct Record {
    outputs: Vec<Output>,
    notifications: Vec<Notification>,
    /// Intents that change while the next input is handled, before its outputs are taken.
    change_meanwhile: Vec<Arc<Intent>>,
    /// The intents that have changed during this turn.
    changed: Vec<Arc<Intent>>,
    /// The results of calls that waited for an attempt, in order.
    settled: Vec<(ConnectId, Result<(), Arc<Error>>)>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Observer for Record {
    fn handled(&mut self) {
        self.changed = std::mem::take(&mut self.change_meanwhile);
        for intent in &self.changed {
            let _ = intent.withdraw() || intent.activate();
        }
    }

    fn output(&mut self, output: Output, _: Instant) {
        self.outputs.push(output);
    }

    fn delivery(&mut self, Delivery { batch, update }: Delivery) {
        let batch = Arc::new(batch);
        self.settled.extend(update.outcomes.iter().cloned());
        for index in 0..batch.len() {
            let event = || Notification::Event(Event::new(Arc::clone(&batch), index));
            self.notifications.push(batch.notice(index).cloned().unwrap_or_else(event));
        }
    }

    fn changed_meanwhile(&mut self) -> Vec<IntentChange> {
        self.changed.drain(..).map(|intent| change_of(&intent)).collect()
    }
}

impl Scenario {
    fn new() -> Self {
        Self::with(Reconnect::default())
    }

    fn with(reconnect: Reconnect) -> Self {
        Self::of(Settings { reconnect: reconnect.policy(), ..settings() })
    }

    fn without_authorizer() -> Self {
        Self::of(Settings {
            subscriptions: SubscriptionSettings { can_authorize: false, ..subscription_settings() },
            ..settings()
        })
    }

    fn of(settings: Settings) -> Self {
        Self::seeded(settings, 42)
    }

    /// The seed decides about the random delays.
    fn seeded(settings: Settings, seed: u64) -> Self {
        Self::observed_by(Record::default(), settings, seed)
    }

    /// Connected in the background.
    fn connected() -> Self {
        let mut scenario = Self::new();
        scenario.connect_background().establish();
        scenario.forget();
        scenario
    }

    /// Connected, with a channel whose subscription is confirmed.
    fn subscribed(name: &str) -> (Self, Arc<Intent>) {
        let mut scenario = Self::connected();
        let intent = scenario.wants(11, name);
        scenario.receive(&succeeded(name));
        scenario.forget();
        (scenario, intent)
    }

    fn establish(&mut self) -> &mut Self {
        self.establish_as("1.2")
    }

    fn close(&mut self, code: u16) -> &mut Self {
        self.socket(FromSocket::Ended(Ending::Closed { code, reason: String::new() }))
    }

    fn lose(&mut self) -> &mut Self {
        self.socket(FromSocket::Ended(Ending::Lost(Error::lost("test"))))
    }

    fn wants(&mut self, id: u64, name: &str) -> Arc<Intent> {
        let intent = Intent::of_channel(id, name);
        intent.activate();
        self.input(Input::IntentChanges(vec![change_of(&intent)]));
        intent
    }

    fn withdraws(&mut self, intent: &Arc<Intent>) -> &mut Self {
        intent.withdraw();
        self.input(Input::IntentChanges(vec![change_of(intent)]))
    }

    /// Waits until the next attempt is made.
    fn wait_for_attempt(&mut self) {
        while matches!(self.session.phase, Phase::Waiting { .. }) {
            let until = self.session.deadline().expect("backing off");
            self.now = self.now.max(until);
            self.input(Input::Tick);
        }
        assert!(matches!(self.session.phase, Phase::Connecting(_)));
    }

    /// Waits out the back-off.
    fn reconnect(&mut self) -> &mut Self {
        let until = self.session.deadline().expect("backing off");
        self.now = self.now.max(until);
        self.input(Input::Tick).establish()
    }

    fn forget(&mut self) {
        self.outputs.clear();
        self.notifications.clear();
        self.settled.clear();
    }

    fn forget_notifications(&mut self) -> &mut Self {
        self.notifications.clear();
        self
    }

    fn sent(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Send(text) => Some(text.expose()),
                _ => None,
            })
            .collect()
    }

    fn dials(&self) -> usize {
        self.outputs.iter().filter(|output| matches!(output, Output::Effect(Effect::Dial { .. }))).count()
    }

    /// The requests for permissions, of channels and of the user.
    fn auth_requests(&self) -> impl DoubleEndedIterator<Item = &PendingAuth> {
        let requests = self.outputs.iter().filter_map(|output| match output {
            Output::Effect(Effect::Authorize(requests)) => Some(requests),
            _ => None,
        });
        requests.flatten()
    }

    /// The channels whose permission was requested, each with the attempt.
    fn requested(&self) -> Vec<(&str, u64)> {
        let channels = self.auth_requests().filter_map(|request| Some((request.subject.channel()?, request.attempt.0)));
        channels.collect()
    }

    /// The last request for this channel.
    fn request_of(&self, channel: &str) -> PendingAuth {
        let request = self.auth_requests().rfind(|request| request.subject.channel() == Some(channel));
        request.expect("it was requested").clone()
    }

    /// Answers the last request for a channel, on the current socket.
    fn answer(&mut self, channel: &str, auth: Result<ChannelAuth, Error>) -> &mut Self {
        let request = PendingAuth { generation: self.session.generation, ..self.request_of(channel) };
        self.input(Input::Answered(channel_answer(request, auth)))
    }

    /// The request for the permission of the user that the session waits for, or would wait for.
    fn request_of_user(&self) -> PendingAuth {
        PendingAuth {
            generation: self.session.generation,
            attempt: self.session.sign_in.attempt(),
            subject: AuthSubject::User { socket_id: Arc::clone(&self.session.socket_id) },
        }
    }

    fn states(&self) -> Vec<ConnectionState> {
        self.changes().iter().map(|change| change.current).collect()
    }

    fn changes(&self) -> Vec<&ConnectionStateChange> {
        self.notifications
            .iter()
            .filter_map(|notification| match notification {
                Notification::ConnectionStateChange(change) => Some(change),
                _ => None,
            })
            .collect()
    }

    fn events(&self) -> Vec<(&str, &str)> {
        self.notifications
            .iter()
            .filter_map(|notification| match notification {
                Notification::Event(event) => Some((event.name(), event.data())),
                _ => None,
            })
            .collect()
    }

    fn errors(&self) -> Vec<&Error> {
        self.notifications
            .iter()
            .filter_map(|notification| match notification {
                Notification::Error(error) => Some(&**error),
                Notification::SubscriptionError(failed) => Some(&failed.error),
                _ => None,
            })
            .collect()
    }

    fn successes(&self) -> Vec<(bool, Option<Duration>)> {
        self.notifications
            .iter()
            .filter_map(|notification| match notification {
                Notification::SubscriptionSucceeded(s) => Some((s.resubscribed, s.gap)),
                _ => None,
            })
            .collect()
    }
}

/// The answer of an authorizer of channels.
fn channel_answer(pending: PendingAuth, auth: Result<ChannelAuth, Error>) -> AuthAnswer {
    match auth {
        Ok(auth) => {
            let outcome = AuthOutcome::channel(pending.subject.request().expect("it is for a channel"), auth);
            pending.answered(outcome)
        }
        Err(error) => pending.failed(error),
    }
}

/// The answer of an authorizer of users.
fn user_answer(pending: PendingAuth, auth: Result<UserAuth, Error>) -> AuthAnswer {
    match auth {
        Ok(auth) => pending.answered(AuthOutcome::user(auth)),
        Err(error) => pending.failed(error),
    }
}

fn private() -> Result<ChannelAuth, Error> {
    Ok(ChannelAuth::new("key:signature"))
}

/// A permission for the next socket, or for that of this moment.
fn ready(auth: ChannelAuth) -> ReadyAuth {
    ReadyAuth { auth, socket_id: None }
}

fn presence(id: &str) -> Result<ChannelAuth, Error> {
    Ok(ChannelAuth::new("key:signature").channel_data(format!(r#"{{"user_id":"{id}"}}"#)))
}

fn refused() -> Error {
    Error::AuthRefused { channel: None, status: Some(403), message: String::new() }
}

/// The subscription of a channel that is authorised with the permission of [`private`].
fn subscribe_private(channel: &str) -> String {
    Outgoing::Subscribe { channel, auth: Some("key:signature"), channel_data: None }.to_text()
}

/// The last change of an intent, as an input of the session.
fn change_of(intent: &Arc<Intent>) -> IntentChange {
    IntentChange { channel: intent.stamp(), ready: None, own: OwnOptions::default() }
}

fn succeeded(channel: &str) -> String {
    format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#)
}

fn event(channel: &str, data: &str) -> String {
    format!(r#"{{"event":"e","channel":"{channel}","data":"{data}"}}"#)
}

fn subscribe(channel: &str) -> String {
    Outgoing::Subscribe { channel, auth: None, channel_data: None }.to_text()
}

fn unsubscribe(channel: &str) -> String {
    Outgoing::Unsubscribe { channel }.to_text()
}
