//! The rules that hold for every sequence.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{message::ENCRYPTED, world::key_in_base64};
use crate::{
    ConnectionState, Notification,
    delivery::{ConnectId, Delivery},
    event::Batch,
    protocol::channel_name::ChannelKind,
    session::{AuthSubject, Effect, Generation, Output, PendingAuth},
};

/// Checks all outputs and notifications of a session.
pub(super) struct Watch {
    /// The last socket that was dialled, and whether it is open.
    generation: Generation,
    is_live: bool,
    /// The socket id that the program sees.
    socket_id: Option<Arc<str>>,
    state: ConnectionState,
    /// The channels that were requested on the current socket, and neither refused nor unsubscribed.
    subscribed: BTreeSet<String>,
    /// This connection had an error that names no channel. The session may have assigned it to another message than the
    /// server meant (S6), and may subscribe to a channel again.
    has_doubts: bool,
    last_ping: Option<Instant>,
    /// The calls that wait for a result.
    waiting: BTreeSet<ConnectId>,
    has_decoder: bool,
    keys: [String; 4],
}

impl Watch {
    pub fn new(has_decoder: bool) -> Self {
        Self {
            generation: Generation::default(),
            is_live: false,
            socket_id: None,
            state: ConnectionState::Disconnected,
            subscribed: BTreeSet::new(),
            has_doubts: false,
            last_ping: None,
            waiting: BTreeSet::new(),
            has_decoder,
            keys: [0, 1, 2, 3].map(key_in_base64),
        }
    }

    pub fn socket_id(&self) -> Option<Arc<str>> {
        self.socket_id.clone()
    }

    /// A call to connect waits for its result.
    pub fn waits(&mut self, call: ConnectId) {
        self.waiting.insert(call);
    }

    /// The program requests a ping.
    pub fn may_ping(&mut self) {
        self.last_ping = None;
    }

    /// Reads a message before the session does: the session may repeat refused requests.
    pub fn received(&mut self, text: &str) {
        // The session accepts keys that this parser refuses.
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            self.has_doubts |= ["pusher:error", "subscription_error"].iter().any(|refusal| text.contains(refusal));
            return;
        };
        match (message["event"].as_str(), message["channel"].as_str()) {
            (Some("pusher:subscription_error" | "pusher_internal:subscription_error"), Some(channel)) => {
                self.subscribed.remove(channel);
            }
            (Some("pusher:error"), Some(channel)) => drop(self.subscribed.remove(channel)),
            (Some("pusher:error"), None) => self.has_doubts = true,
            _ => {}
        }
    }

    pub fn output(&mut self, output: &Output, now: Instant) {
        match output {
            Output::Effect(Effect::Dial { generation, deadline, .. }) => {
                assert!(!self.is_live, "R9: at most one live socket");
                assert!(*generation > self.generation && *deadline > now);
                (self.generation, self.is_live, self.last_ping) = (*generation, true, None);
                self.subscribed.clear();
                self.has_doubts = false;
            }
            Output::Close { generation, .. } => {
                assert_eq!(*generation, self.generation);
                self.is_live = false;
            }
            Output::Send(text) => self.sent(text.expose(), now),
            Output::Effect(Effect::Authorize(requests)) => requests.iter().for_each(|request| self.authorize(request)),
            Output::Effect(Effect::StopReader(_)) => {}
        }
    }

    /// The channel of a request to subscribe.
    pub fn request_in(&self, text: &str) -> Option<String> {
        let message: Value = serde_json::from_str(text).ok()?;
        let channel = message["data"]["channel"].as_str()?;
        (message["event"] == "pusher:subscribe").then(|| channel.to_owned())
    }

    fn sent(&mut self, text: &str, now: Instant) {
        assert!(self.is_live, "a message needs a socket");
        assert!(!self.keys.iter().any(|key| text.contains(key)), "A6: a shared secret is never sent");
        let message: Value = serde_json::from_str(text).expect("what is sent is JSON");
        let data = &message["data"];
        let channel = data["channel"].as_str().unwrap_or_default();
        match message["event"].as_str().expect("it has a name") {
            "pusher:subscribe" => {
                let is_first = self.subscribed.insert(channel.to_owned());
                assert!(is_first || self.has_doubts, "R8: {channel} is subscribed twice");
                self.check_permission(channel, data);
            }
            "pusher:unsubscribe" => drop(self.subscribed.remove(channel)),
            "pusher:ping" => {
                let again = self.last_ping.is_some_and(|last| now < last + Duration::from_secs(1));
                assert!(!again, "R7: at most one ping a second");
                self.last_ping = Some(now);
            }
            "pusher:pong" | "pusher:signin" | "client-x" => {}
            other => panic!("unexpected message {other}"),
        }
    }

    fn check_permission(&self, channel: &str, data: &Value) {
        let auth = data["auth"].as_str();
        if !ChannelKind::of(channel).needs_auth() {
            return assert_eq!(auth, None);
        }
        let socket_id = self.socket_id.as_deref().unwrap_or_default();
        let auth = auth.expect("it has a permission");
        let rest = auth.strip_prefix("canary ").and_then(|auth| auth.strip_prefix(channel));
        let rest = rest.and_then(|rest| rest.strip_prefix(' '));
        assert!(rest == Some(socket_id) || rest == Some("any socket"), "R8: {auth} on {socket_id}");
    }

    fn authorize(&self, request: &PendingAuth) {
        assert!(self.is_live, "a request to an authorizer needs a socket");
        let socket_id = match &request.subject {
            AuthSubject::Channel(request) => request.socket_id(),
            AuthSubject::User { socket_id } => socket_id,
        };
        assert_eq!(request.generation, self.generation);
        assert!(!socket_id.is_empty());
    }

    pub fn delivered(&mut self, Delivery { batch, update }: &Delivery) {
        if let Some(socket_id) = &update.socket_id {
            self.socket_id = socket_id.clone();
        }
        for (call, _) in &update.outcomes {
            assert!(self.waiting.remove(call), "a call has two results");
        }
        for index in 0..batch.len() {
            match batch.notice(index) {
                Some(notice) => self.notice(notice),
                None => self.event(batch, index),
            }
        }
        assert!(self.is_live || self.socket_id.is_none(), "C9: a client without a connection has no socket id");
    }

    fn notice(&mut self, notice: &Notification) {
        match notice {
            Notification::ConnectionStateChange(change) => {
                assert_eq!(change.previous, self.state, "C10: the changes are a chain");
                assert_ne!(change.current, change.previous, "C10");
                self.state = change.current;
            }
            Notification::Error(error) => assert!(!format!("{error:?} {error}").contains("canary"), "X1"),
            Notification::SubscriptionError(failure) => {
                assert!(!format!("{failure:?}").contains("canary"), "X1");
            }
            _ => {}
        }
    }

    fn event(&self, batch: &Batch, index: usize) {
        let name = batch.name(index);
        assert!(!name.starts_with("pusher:") && !name.starts_with("pusher_internal:"), "S8: {name}");
        let channel = batch.intent(index).map(|intent| intent.name());
        if channel.is_some_and(|channel| ChannelKind::of(channel).is_encrypted()) {
            let plain = batch.encoded(index).unwrap_or(batch.data(index).as_bytes());
            assert!(plain.starts_with(ENCRYPTED.as_bytes()), "E1: only data that was encrypted with a key");
            assert_eq!(batch.encoded(index).is_some(), self.has_decoder);
        }
    }

    /// The client has disconnected for good.
    pub fn end(&self) {
        assert!(self.waiting.is_empty(), "C4: every call has a result");
        assert!(!self.is_live, "R10: no socket is left");
        assert!(self.state == ConnectionState::Disconnected || self.state == ConnectionState::Failed);
    }
}
