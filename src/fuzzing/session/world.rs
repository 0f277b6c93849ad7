//! A session with all that surrounds it: the clock, the user, those who authorise, the socket.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{super::bytes::Bytes, watch::Watch};
use crate::{
    ChannelAuth, ConnectPhase, Error, Reconnect, UserAuth,
    delivery::{CallId, client_event_pacing::ClientEventPace},
    event::{Batch, Intent, Stamp},
    session::{
        AuthAnswer, AuthOutcome, AuthSubject, ClientEvent, Effect, Ending, FromSocket, Generation, Input, IntentChange,
        Output, PendingAuth, ReadyAuth, Rules, Session, Settings,
    },
};

pub(super) const CHANNELS: [&str; 6] =
    ["room", "private-a", "presence-b", "private-encrypted-c", "cache-d", "presence-cache-e"];

/// The id of the signed-in user.
pub(super) const USER: &str = "u";

const SECOND: Duration = Duration::from_secs(1);

/// How many times a deadline may be due again at once, because several things end at the same time.
const MAX_TICKS_AT_ONCE: usize = 8;

/// More messages than channels, pings, sign-ins and client events can ask for in one turn.
const MAX_OUTPUTS: usize = 1000;

pub(crate) struct World {
    session: Session,
    /// The pace of client events, as the threads see it that trigger them.
    pace: ClientEventPace,
    now: Instant,
    client: Arc<Intent>,
    channels: Vec<Arc<Intent>>,
    /// The last socket that was dialled, and the one before it.
    sockets: (Generation, Generation),
    socket_ids: u64,
    calls: u64,
    pending: VecDeque<PendingAuth>,
    answered: Option<PendingAuth>,
    /// The requests to subscribe that the server has not answered.
    requests: VecDeque<String>,
    /// The socket takes no more at the moment.
    is_blocked: bool,
    watch: Watch,
}

/// How a channel is authorised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Asked,
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
    let rules = Rules { can_authorize: choice & 4 == 0, has_decoder: choice & 8 != 0, ..rules() };
    Settings { reconnect: reconnect.policy(), subscriptions: rules, ..ordinary_settings() }
}

fn ordinary_settings() -> Settings {
    Settings {
        connect_timeout: 15 * SECOND,
        activity_timeout: 120 * SECOND,
        activity_timeout_override: None,
        unavailable_timeout: 10 * SECOND,
        pong_timeout: 30 * SECOND,
        subscriptions: rules(),
        reconnect: Reconnect::default().policy(),
        client_event_limit: Some(2),
        client_event_patience: SECOND,
    }
}

fn rules() -> Rules {
    Rules { timeout: 30 * SECOND, can_authorize: true, max_members: 3, max_member_bytes: 1 << 20, has_decoder: false }
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let client = Intent::new(Intent::CONNECTION, "");
        client.activate();
        Self {
            watch: Watch::new(settings.subscriptions.has_decoder),
            pace: ClientEventPace::new(settings.client_event_limit, settings.client_event_patience),
            session: Session::new(settings, 42),
            now: Instant::now(),
            client,
            channels: CHANNELS.iter().zip(2..).map(|(name, id)| Intent::new(id, name)).collect(),
            sockets: Default::default(),
            socket_ids: 0,
            calls: 0,
            pending: VecDeque::new(),
            answered: None,
            requests: VecDeque::new(),
            is_blocked: false,
        }
    }

    /// Connected, and subscribed to all channels.
    pub(crate) fn subscribed() -> Self {
        let mut world = Self::new(ordinary_settings());
        world.connect_for_good();
        world.establish();
        for number in 0..4 {
            world.want(number, Permission::ForThisSocket);
            world.confirm();
        }
        world
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    pub(super) fn connect_once(&mut self) {
        let call = self.call();
        self.watch.waits(call);
        self.client.activate();
        self.turn(Input::ConnectOnce(self.client.stamp(), call));
    }

    pub(super) fn connect_for_good(&mut self) {
        let call = self.call();
        self.client.activate();
        self.turn(Input::ConnectForGood(self.client.stamp(), call));
    }

    pub(super) fn disconnect(&mut self) {
        self.client.withdraw();
        self.turn(Input::Disconnect);
    }

    pub(super) fn reconnect_now(&mut self) {
        self.watch.may_ping();
        self.turn(Input::ReconnectNow);
    }

    pub(super) fn want(&mut self, number: u8, permission: Permission) {
        let intent = Arc::clone(self.channel(number));
        let socket_id = self.watch.socket_id();
        let ready = match permission {
            Permission::Asked => None,
            Permission::ForThisSocket => {
                let auth = allowed(intent.name(), socket_id.as_deref().unwrap_or_default());
                Some(ReadyAuth { auth, socket_id: Some(socket_id.unwrap_or_else(|| Arc::from(""))) })
            }
            Permission::ForTheNextSocket => {
                Some(ReadyAuth { auth: allowed(intent.name(), "any socket"), socket_id: None })
            }
        };
        intent.activate();
        self.turn(Input::IntentChanges(vec![IntentChange { channel: intent.stamp(), ready, own: Default::default() }]));
    }

    pub(super) fn forget(&mut self, number: u8) {
        let intent = Arc::clone(self.channel(number));
        intent.withdraw();
        self.turn(Input::IntentChanges(vec![IntentChange {
            channel: intent.stamp(),
            ready: None,
            own: Default::default(),
        }]));
    }

    pub(super) fn sign_in(&mut self) {
        let call = self.call();
        self.turn(Input::SignIn(call));
    }

    pub(super) fn trigger(&mut self, number: u8) {
        let channel = Arc::clone(self.channel(number));
        for note in self.session.take_pace_notes() {
            self.pace.apply(note);
        }
        let triggered = self.now;
        if self.pace.reserve(triggered).is_err() {
            return;
        }
        let text = format!(r#"{{"event":"client-x","channel":"{}","data":1}}"#, channel.name());
        let name = "client-x".into();
        self.turn(Input::Trigger(ClientEvent { channel: channel.stamp(), name, size: 1, text, triggered }));
    }

    /// The socket opens and the server confirms it, if one is being dialled.
    pub(super) fn establish(&mut self) {
        let socket_id = self.next_socket_id();
        self.socket(FromSocket::Reached(ConnectPhase::Established));
        let data = format!(r#"{{"socket_id":"{socket_id}","activity_timeout":60}}"#);
        self.receive(&format!(r#"{{"event":"pusher:connection_established","data":{data}}}"#));
    }

    /// The server grants its oldest request.
    pub(super) fn confirm(&mut self) {
        if let Some(channel) = self.requests.pop_front() {
            self.receive(&format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}"}}"#));
        }
    }

    pub(crate) fn receive(&mut self, text: &str) -> Option<Batch> {
        self.watch.heard(text);
        self.turn(Input::Socket(self.sockets.0, FromSocket::Text(text)))
    }

    /// What one read brings, as the reader hands it on.
    pub(super) fn burst(&mut self, texts: &[String], ending: Option<Ending>) {
        let generation = self.sockets.0;
        for text in texts {
            if !self.session.is_current(generation) {
                break;
            }
            self.watch.heard(text);
            self.session.handle(Input::Socket(generation, FromSocket::Text(text)), self.now);
        }
        self.session.handle(Input::Socket(generation, FromSocket::Bytes), self.now);
        if let Some(ending) = ending {
            self.session.handle(Input::Socket(generation, FromSocket::Ended(ending)), self.now);
        }
        self.drain();
    }

    pub(super) fn socket(&mut self, event: FromSocket<'_>) {
        match event {
            FromSocket::WriteBlocked { .. } => self.is_blocked = self.session.is_connected(),
            FromSocket::Written => self.is_blocked = false,
            _ => {}
        }
        self.turn(Input::Socket(self.sockets.0, event));
    }

    /// R8: what comes from an older socket does nothing.
    pub(super) fn socket_of_before(&mut self, event: FromSocket<'_>) {
        if self.sockets.1 != self.sockets.0 {
            let told = self.turn(Input::Socket(self.sockets.1, event));
            assert!(told.is_none(), "a late socket is not heard");
        }
    }

    /// The authorizers answer the oldest request, well or not.
    pub(super) fn answer(&mut self, bytes: &mut Bytes<'_>) {
        let Some(request) = self.pending.pop_front() else { return };
        self.answered = Some(request.clone());
        self.turn(Input::Answered(answer(request, bytes)));
    }

    /// They answer the last request again.
    pub(super) fn answer_again(&mut self) {
        let Some(request) = self.answered.take() else { return };
        self.turn(Input::Answered(answer(request, &mut Bytes::new(&[]))));
    }

    /// Time passes as the heartbeat sees it: from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.tick();
        }
        self.now = end;
    }

    fn tick(&mut self) {
        for _ in 0..MAX_TICKS_AT_ONCE {
            self.turn(Input::Tick);
            if self.session.deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
        }
        panic!("a deadline that stays in the past is a busy loop");
    }

    /// Nobody wants anything any more: then there is nothing left.
    pub(super) fn end(mut self) {
        for number in 0..CHANNELS.len() {
            self.forget(u8::try_from(number).expect("few channels"));
        }
        self.disconnect();
        assert!(self.session.is_idle() && self.session.is_empty(), "something is kept that nobody wants");
        assert_eq!(self.session.deadline(), None);
        self.watch.end();
    }

    /// A server's name for its next socket.
    pub(super) fn next_socket_id(&mut self) -> String {
        self.socket_ids += 1;
        format!("{}.1", self.socket_ids)
    }

    fn channel(&self, number: u8) -> &Arc<Intent> {
        &self.channels[usize::from(number) % self.channels.len()]
    }

    fn call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    fn turn(&mut self, input: Input<'_>) -> Option<Batch> {
        self.session.handle(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Option<Batch> {
        let mut outputs = 0;
        while let Some(output) = self.next_output() {
            outputs += 1;
            assert!(outputs < MAX_OUTPUTS, "the outputs have no end");
            self.watch.output(&output, self.now);
            self.act(output);
        }
        let delivery = self.session.take_delivery();
        assert!(self.next_output().is_none(), "nobody waits while an output is pending");
        if let Some(delivery) = &delivery {
            self.watch.told(delivery);
        }
        delivery.map(|delivery| delivery.batch)
    }

    /// Messages are held back while the socket takes none.
    fn next_output(&mut self) -> Option<Output> {
        if self.is_blocked {
            self.session.poll_supervision()
        } else {
            self.session.poll_output(self.now, &Stamp::is_current)
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Effect(Effect::Dial { generation, .. }) => {
                self.sockets = (generation, self.sockets.0);
                self.is_blocked = false;
                self.requests.clear();
            }
            Output::Send(text) => self.requests.extend(self.watch.request_in(text.expose())),
            Output::Effect(Effect::Authorize(requests)) => self.pending.extend(requests),
            Output::Close { .. } | Output::Effect(Effect::StopReader(_)) => self.is_blocked = false,
        }
    }
}

/// One in two answers is a good one.
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

/// A permission for this channel on this socket, with the first of the keys.
fn allowed(channel: &str, socket_id: &str) -> ChannelAuth {
    ChannelAuth::new(format!("canary {channel} {socket_id}"))
        .channel_data(r#"{"user_id":"me"}"#)
        .shared_secret(key_in_base64(0))
}

/// The keys that there are have one byte each, 32 times.
pub(super) fn key_in_base64(key: u8) -> String {
    STANDARD.encode([key; 32])
}
