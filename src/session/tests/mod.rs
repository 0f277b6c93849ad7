//! The session as a whole: every race is a sequence of inputs, and takes microseconds.

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
    ChannelAuth, ConnectPhase, ConnectionState, ConnectionStateChange, Error, Name, Notification, Reconnect, UserAuth,
    delivery::{CallId, Delivery, client_event_pacing::ClientEventPace},
    event::{Event, Intent, Stamp},
    protocol::frame::Outgoing,
};

use ConnectionState::{Connected, Connecting, Disconnected, Disconnecting, Failed, Reconnecting, Unavailable};

/// A session in some state, with a clock that is moved by hand.
struct Scenario {
    session: Session,
    now: Instant,
    client: Arc<Intent>,
    /// The pace of client events, as the threads see it that trigger them.
    pace: ClientEventPace,
    outputs: Vec<Output>,
    told: Vec<Notification>,
    calls: CallId,
    /// Interests that change while the next input is followed, before its outputs are taken.
    change_meanwhile: Vec<Arc<Intent>>,
    /// The outcomes of the calls that waited for an attempt, in order.
    settled: Vec<(CallId, Result<(), Arc<Error>>)>,
}

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        connect_timeout: 15 * SECOND,
        activity_timeout: 120 * SECOND,
        activity_timeout_override: None,
        unavailable_timeout: 10 * SECOND,
        pong_timeout: 30 * SECOND,
        subscriptions: rules(),
        reconnect: Reconnect::default().policy(),
        client_event_limit: Some(10),
        client_event_patience: 2 * SECOND,
    }
}

fn rules() -> Rules {
    Rules {
        timeout: 30 * SECOND,
        can_authorize: true,
        max_members: 100,
        max_member_bytes: 12 << 20,
        has_decoder: false,
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
        Self::of(Settings { subscriptions: Rules { can_authorize: false, ..rules() }, ..settings() })
    }

    fn of(settings: Settings) -> Self {
        Self::seeded(settings, 42)
    }

    /// The seed decides what delays are drawn.
    fn seeded(settings: Settings, seed: u64) -> Self {
        let client = Intent::new(0, "");
        client.activate();
        Self {
            pace: ClientEventPace::new(settings.client_event_limit, settings.client_event_patience),
            session: Session::new(settings, seed),
            now: Instant::now(),
            client,
            outputs: Vec::new(),
            told: Vec::new(),
            calls: CallId::default(),
            change_meanwhile: Vec::new(),
            settled: Vec::new(),
        }
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

    fn input(&mut self, input: Input<'_>) -> &mut Self {
        self.session.handle(input, self.now);
        let changed = std::mem::take(&mut self.change_meanwhile);
        for intent in &changed {
            let _ = intent.withdraw() || intent.activate();
        }
        while let Some(output) = self.session.poll_output(self.now, &Stamp::is_current) {
            self.outputs.push(output);
        }
        if let Some(Delivery { batch, update }) = self.session.take_delivery() {
            let batch = Arc::new(batch);
            self.settled.extend(update.outcomes.iter().cloned());
            for index in 0..batch.len() {
                let event = || Notification::Event(Event::new(Arc::clone(&batch), index));
                self.told.push(batch.notice(index).cloned().unwrap_or_else(event));
            }
        }
        if !changed.is_empty() {
            // The next turn begins with the wishes.
            self.input(Input::IntentChanges(changed.iter().map(wish).collect()));
        }
        self
    }

    fn connect_background(&mut self) -> &mut Self {
        let (wish, call) = (self.client.stamp(), self.call());
        self.input(Input::ConnectForGood(wish, call))
    }

    fn connect_once(&mut self) -> &mut Self {
        let (wish, call) = (self.client.stamp(), self.call());
        self.input(Input::ConnectOnce(wish, call))
    }

    /// The pace of client events, with all changes that the session has made.
    fn pace(&mut self) -> &mut ClientEventPace {
        for note in self.session.take_pace_notes() {
            self.pace.apply(note);
        }
        &mut self.pace
    }

    fn call(&mut self) -> CallId {
        self.calls = self.calls.next();
        self.calls
    }

    fn socket(&mut self, event: FromSocket<'_>) -> &mut Self {
        let generation = self.session.generation;
        self.input(Input::Socket(generation, event))
    }

    fn upgrade(&mut self) -> &mut Self {
        self.socket(FromSocket::Reached(ConnectPhase::Established))
    }

    fn establish(&mut self) -> &mut Self {
        self.upgrade().receive(
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":60}"}"#,
        )
    }

    fn receive(&mut self, text: &str) -> &mut Self {
        self.socket(FromSocket::Bytes);
        self.socket(FromSocket::Text(text))
    }

    fn close(&mut self, code: u16) -> &mut Self {
        self.socket(FromSocket::Ended(Ending::Closed { code, reason: String::new() }))
    }

    fn lose(&mut self) -> &mut Self {
        self.socket(FromSocket::Ended(Ending::Lost(Error::lost("test"))))
    }

    fn wants(&mut self, id: u64, name: &str) -> Arc<Intent> {
        let intent = Intent::new(id, name);
        intent.activate();
        self.input(Input::IntentChanges(vec![wish(&intent)]));
        intent
    }

    fn forgets(&mut self, intent: &Arc<Intent>) -> &mut Self {
        intent.withdraw();
        self.input(Input::IntentChanges(vec![wish(intent)]))
    }

    /// Lets time pass as the heartbeat does: from deadline to deadline.
    fn pass(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            self.input(Input::Tick);
            assert!(self.session.deadline() != Some(deadline), "a deadline that stays in the past is a busy loop");
        }
        self.now = end;
        self
    }

    /// Waits out the back-off.
    fn reconnect(&mut self) -> &mut Self {
        let until = self.session.deadline().expect("backing off");
        self.now = self.now.max(until);
        self.input(Input::Tick).establish()
    }

    fn forget(&mut self) {
        self.outputs.clear();
        self.told.clear();
        self.settled.clear();
    }

    fn forget_told(&mut self) -> &mut Self {
        self.told.clear();
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

    /// The channels about which those who authorise were asked, each with the number of the question.
    fn asked(&self) -> Vec<(&str, u64)> {
        let questions = self.outputs.iter().filter_map(|output| match output {
            Output::Effect(Effect::Authorize(Question::Channels(questions))) => Some(questions),
            _ => None,
        });
        questions.flatten().map(|question| (question.request.channel(), question.number)).collect()
    }

    /// Answers the last question about a channel.
    fn answer(&mut self, channel: &str, auth: Result<ChannelAuth, Error>) -> &mut Self {
        let (_, number) = *self.asked().iter().rfind(|(asked, _)| *asked == channel).expect("it was asked");
        let generation = self.session.generation;
        let channel = Name::from(channel);
        self.input(Input::Answered(Answer::Channel { generation, number, channel, auth }))
    }

    fn states(&self) -> Vec<ConnectionState> {
        self.changes().iter().map(|change| change.current).collect()
    }

    fn changes(&self) -> Vec<&ConnectionStateChange> {
        self.told
            .iter()
            .filter_map(|told| match told {
                Notification::ConnectionStateChange(change) => Some(change),
                _ => None,
            })
            .collect()
    }

    fn events(&self) -> Vec<(&str, &str)> {
        self.told
            .iter()
            .filter_map(|told| match told {
                Notification::Event(event) => Some((event.name(), event.data())),
                _ => None,
            })
            .collect()
    }

    fn errors(&self) -> Vec<&Error> {
        self.told
            .iter()
            .filter_map(|told| match told {
                Notification::Error(error) => Some(&**error),
                Notification::SubscriptionError(failed) => Some(&failed.error),
                _ => None,
            })
            .collect()
    }

    fn successes(&self) -> Vec<(bool, Option<Duration>)> {
        self.told
            .iter()
            .filter_map(|told| match told {
                Notification::SubscriptionSucceeded(s) => Some((s.resubscribed, s.gap)),
                _ => None,
            })
            .collect()
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

fn wish(intent: &Arc<Intent>) -> IntentChange {
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
