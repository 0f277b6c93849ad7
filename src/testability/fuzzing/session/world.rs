//! A session with its environment: the clock, the program, the authorizers, the socket.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{super::bytes::Bytes, watch::Watch};
use crate::{
    ChannelAuth, Error, Reconnect, UserAuth,
    delivery::Delivery,
    event::{Batch, Intent},
    session::{
        AuthAnswer, AuthOutcome, AuthSubject, ClientEvent, Effect, Ending, FromSocket, Input, IntentChange, Output,
        PendingAuth, ReadyAuth, Settings, SubscriptionSettings,
    },
    testability::session_driver::{self, Observer, SessionDriver},
};

pub(super) const CHANNELS: [&str; 6] =
    ["room", "private-a", "presence-b", "private-encrypted-c", "cache-d", "presence-cache-e"];

/// The id of the signed-in user.
pub(super) const USER: &str = "u";

const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct World {
    driver: SessionDriver<Environment>,
    channels: Vec<Arc<Intent>>,
    socket_ids: u64,
    answered: Option<PendingAuth>,
}

/// The pending requests to the server and to the authorizers, and the checks.
struct Environment {
    watch: Watch,
    pending: VecDeque<PendingAuth>,
    /// The requests to subscribe that the server has not answered.
    requests: VecDeque<String>,
    /// The last batch that the session returned.
    batch: Option<Batch>,
}

impl Observer for Environment {
    /// More messages than channels, pings, sign-ins and client events can cause in one turn.
    const MAX_OUTPUTS: usize = 1000;
    const MAY_REPEAT_DEADLINES: bool = true;

    fn output(&mut self, output: Output, now: Instant) {
        self.watch.output(&output, now);
        match output {
            Output::Effect(Effect::Dial { .. }) => self.requests.clear(),
            Output::Send(text) => self.requests.extend(self.watch.request_in(text.expose())),
            Output::Effect(Effect::Authorize(requests)) => self.pending.extend(requests),
            Output::Close { .. } | Output::Effect(Effect::StopReader(_)) => {}
        }
    }

    fn delivery(&mut self, delivery: Delivery) {
        self.watch.delivered(&delivery);
        self.batch = Some(delivery.batch);
    }
}

/// The way in which a channel is authorised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Requested,
    ForThisSocket,
    ForTheNextSocket,
}

pub(super) fn settings(bytes: &mut Bytes<'_>) -> Settings {
    let choice = bytes.byte();
    let reconnect = match choice % 4 {
        0 => Reconnect::never(),
        1 => Reconnect::default().max_attempts(2),
        2 => Reconnect::default().min_delay(SECOND),
        _ => Reconnect::default(),
    };
    let ordinary = ordinary_settings();
    let can_authorize = choice & 4 == 0;
    let subscriptions =
        SubscriptionSettings { can_authorize, has_decoder: choice & 8 != 0, ..ordinary.subscriptions.clone() };
    Settings { reconnect: reconnect.policy(), subscriptions, ..ordinary }
}

fn ordinary_settings() -> Settings {
    Settings {
        subscriptions: SubscriptionSettings {
            max_presence_members: 3,
            max_presence_bytes: 1 << 20,
            ..session_driver::subscription_settings()
        },
        client_event_limit: Some(2),
        client_event_patience: SECOND,
        ..session_driver::settings()
    }
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let environment = Environment {
            watch: Watch::new(settings.subscriptions.has_decoder),
            pending: VecDeque::new(),
            requests: VecDeque::new(),
            batch: None,
        };
        Self {
            driver: SessionDriver::observed_by(environment, settings, 42),
            channels: CHANNELS.iter().zip(2..).map(|(name, id)| Intent::of_channel(id, name)).collect(),
            socket_ids: 0,
            answered: None,
        }
    }

    /// Connected, and subscribed to all channels.
    pub fn subscribed() -> Self {
        let mut world = Self::new(ordinary_settings());
        world.connect_for_good();
        world.establish();
        for number in 0..4 {
            world.subscribe(number, Permission::ForThisSocket);
            world.confirm();
        }
        world
    }

    pub fn is_connected(&self) -> bool {
        self.driver.session.is_connected()
    }

    pub fn connect_once(&mut self) {
        self.driver.client.activate();
        let call = self.driver.next_connect_id();
        self.driver.watch.waits(call);
        self.driver.connect_once();
    }

    pub fn connect_for_good(&mut self) {
        self.driver.client.activate();
        self.driver.connect_background();
    }

    pub fn disconnect(&mut self) {
        self.driver.client.withdraw();
        self.driver.input(Input::Disconnect);
    }

    pub fn reconnect_now(&mut self) {
        self.driver.watch.may_ping();
        self.driver.input(Input::ReconnectNow);
    }

    pub fn subscribe(&mut self, number: u8, permission: Permission) {
        let intent = Arc::clone(self.channel(number));
        let socket_id = self.driver.watch.socket_id();
        let ready = match permission {
            Permission::Requested => None,
            Permission::ForThisSocket => {
                let auth = allowed(intent.name(), socket_id.as_deref().unwrap_or_default());
                Some(ReadyAuth { auth, socket_id: Some(socket_id.unwrap_or_else(|| Arc::from(""))) })
            }
            Permission::ForTheNextSocket => {
                Some(ReadyAuth { auth: allowed(intent.name(), "any socket"), socket_id: None })
            }
        };
        intent.activate();
        self.driver.input(Input::IntentChanges(vec![IntentChange {
            channel: intent.stamp(),
            ready,
            own: Default::default(),
        }]));
    }

    pub fn unsubscribe(&mut self, number: u8) {
        let intent = Arc::clone(self.channel(number));
        intent.withdraw();
        self.driver.input(Input::IntentChanges(vec![IntentChange {
            channel: intent.stamp(),
            ready: None,
            own: Default::default(),
        }]));
    }

    pub fn sign_in(&mut self) {
        self.driver.sign_in();
    }

    pub fn trigger(&mut self, number: u8) {
        let channel = Arc::clone(self.channel(number));
        let triggered = self.driver.now;
        if self.driver.pace().reserve(triggered).is_err() {
            return;
        }
        let text = format!(r#"{{"event":"client-x","channel":"{}","data":1}}"#, channel.name());
        let name = "client-x".into();
        self.driver.input(Input::Trigger(ClientEvent { channel: channel.stamp(), name, size: 1, text, triggered }));
    }

    /// The socket that is being dialled opens, and the server confirms the connection.
    pub fn establish(&mut self) {
        let socket_id = self.next_socket_id();
        self.driver.establish_as(&socket_id);
    }

    /// The server confirms its oldest request.
    pub fn confirm(&mut self) {
        if let Some(channel) = self.driver.requests.pop_front() {
            self.receive(&format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}"}}"#));
        }
    }

    /// Hands on a message, and returns the notifications that follow from it.
    pub fn receive(&mut self, text: &str) -> Option<Batch> {
        self.burst(&[text], None)
    }

    /// Hands on the messages of one read.
    pub fn burst(&mut self, texts: &[&str], ending: Option<Ending>) -> Option<Batch> {
        // Messages after the end of the socket make no difference: the session sends nothing more on that socket.
        for text in texts {
            self.driver.watch.received(text);
        }
        self.driver.batch = None;
        self.driver.receive_burst(texts, ending);
        self.driver.batch.take()
    }

    pub fn socket(&mut self, event: FromSocket<'_>) {
        match event {
            FromSocket::WriteBlocked { .. } => {
                let is_blocked = self.is_connected();
                self.driver.block_writes(is_blocked);
            }
            FromSocket::Written => self.driver.block_writes(false),
            _ => {}
        }
        self.driver.socket(event);
    }

    /// R8: events of an older socket have no effect.
    pub fn socket_of_before(&mut self, event: FromSocket<'_>) {
        let generation = self.driver.previous_generation;
        if generation != self.driver.generation {
            self.driver.batch = None;
            self.driver.input(Input::Socket(generation, event));
            assert!(self.driver.batch.is_none(), "an event of an older socket is dropped");
        }
    }

    /// The authorizers answer their oldest request, with a permission or a refusal.
    pub fn answer(&mut self, bytes: &mut Bytes<'_>) {
        let Some(request) = self.driver.pending.pop_front() else { return };
        self.answered = Some(request.clone());
        self.driver.input(Input::Answered(answer(request, bytes)));
    }

    /// The authorizers repeat their last answer.
    pub fn answer_again(&mut self) {
        let Some(request) = self.answered.take() else { return };
        self.driver.input(Input::Answered(answer(request, &mut Bytes::new(&[]))));
    }

    /// Lets time pass, from deadline to deadline.
    pub fn pass(&mut self, time: Duration) {
        self.driver.pass(time);
    }

    /// Unsubscribes and disconnects, and checks that the session is empty.
    pub fn end(mut self) {
        for number in 0..CHANNELS.len() {
            self.unsubscribe(u8::try_from(number).expect("few channels"));
        }
        self.disconnect();
        let session = &self.driver.session;
        assert!(session.is_idle() && session.is_empty(), "the session keeps nothing after the end");
        assert_eq!(session.deadline(), None);
        self.driver.watch.end();
    }

    /// The socket id of the next connection.
    pub fn next_socket_id(&mut self) -> String {
        self.socket_ids += 1;
        format!("{}.1", self.socket_ids)
    }

    fn channel(&self, number: u8) -> &Arc<Intent> {
        &self.channels[usize::from(number) % self.channels.len()]
    }
}

/// The answer of an authorizer. About half of the answers are permissions.
fn answer(pending: PendingAuth, bytes: &mut Bytes<'_>) -> AuthAnswer {
    let outcome = match &pending.subject {
        AuthSubject::Channel(request) => {
            let good = allowed(request.channel(), request.socket_id());
            let auth = match bytes.below(8) {
                0 => None,
                1 => Some(ChannelAuth::new("")),
                2 => Some(ChannelAuth::new(good.signature())),
                3 => Some(good.shared_secret("AAAA")),
                key => Some(good.shared_secret(key_in_base64(u8::try_from(key).unwrap_or_default() % 4))),
            };
            auth.map(|auth| AuthOutcome::channel(request, auth))
        }
        AuthSubject::User { .. } => {
            let auth = match bytes.below(4) {
                0 => None,
                1 => Some(UserAuth::new("canary", "{}")),
                _ => Some(UserAuth::new("canary", format!(r#"{{"id":"{USER}"}}"#))),
            };
            auth.map(AuthOutcome::user)
        }
    };
    match outcome {
        Some(outcome) => pending.answered(outcome),
        None => pending.failed(Error::AuthRefused { channel: None, status: Some(403), message: String::new() }),
    }
}

/// A permission for this channel on this socket, with the first key.
fn allowed(channel: &str, socket_id: &str) -> ChannelAuth {
    ChannelAuth::new(format!("canary {channel} {socket_id}"))
        .channel_data(r#"{"user_id":"me"}"#)
        .shared_secret(key_in_base64(0))
}

/// A key that consists of one byte, 32 times.
pub(super) fn key_in_base64(key: u8) -> String {
    STANDARD.encode([key; 32])
}
