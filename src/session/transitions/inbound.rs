//! Events of the socket, and messages of the server.

use std::{sync::Arc, time::Instant};

use crate::session::channels::User;
use crate::{
    ConnectPhase, ConnectionState, Error,
    protocol::{
        frame::{Data, Frame},
        message::{Established, Message, ServerError},
    },
    session::{
        Ending, FromSocket, Session,
        connection::{
            liveness::Liveness,
            phase::{Online, Persistence, Phase},
        },
    },
};

/// Servers send two short numbers. The socket id is part of every request for a permission, so a server must not choose
/// its length.
const MAX_SOCKET_ID: usize = 200;

impl Session {
    pub fn socket(&mut self, event: FromSocket<'_>, now: Instant) {
        match event {
            FromSocket::Reached(phase) => {
                self.is_over_tls |= phase == ConnectPhase::Tls;
                self.phase.reached(phase);
            }
            FromSocket::DialFailed(error) => self.fail_connection(error, now),
            FromSocket::Text(text) => self.text(text, now),
            FromSocket::Binary => self.bad_message("it is binary".to_owned(), now),
            FromSocket::Ended(Ending::Closed { code, reason }) => {
                self.fail_connection(Error::ConnectionClosed { code, message: reason }, now);
            }
            FromSocket::Ended(Ending::Lost(error)) => self.fail_connection(error, now),
            FromSocket::Resumed => {
                if let Phase::Connected(online) = &mut self.phase {
                    let pause = online.liveness.resume(now);
                    self.subscriptions.postpone(pause, now);
                    self.sign_in.postpone(pause, now);
                    self.unanswered.postpone(pause, now);
                }
            }
            other => {
                if let FromSocket::Written = other {
                    self.client_events.written(now);
                }
                if let Phase::Connected(online) = &mut self.phase {
                    online.liveness.observe(&other, now);
                }
            }
        }
    }

    fn text(&mut self, text: &str, now: Instant) {
        self.counters.messages += 1;
        let mut buffer = std::mem::take(&mut self.decode_buffer);
        match Frame::parse(text, &mut buffer) {
            Err(reason) => self.bad_message(reason, now),
            Ok(frame) => match self.phase {
                Phase::Connected(_) => self.message(Message::of(frame), now),
                _ => self.first_message(Message::of(frame), now),
            },
        }
        buffer.shrink();
        self.decode_buffer = buffer;
    }

    /// R5: the first message must be `pusher:connection_established`. A `pusher:error` in its place has a reason (R3).
    fn first_message(&mut self, message: Message<'_>, now: Instant) {
        match message {
            Message::ConnectionEstablished { established, .. } if established.socket_id.is_empty() => {
                self.unexpected_first_message("a confirmation without a socket id".to_owned(), now);
            }
            Message::ConnectionEstablished { established, .. } if established.socket_id.len() > MAX_SOCKET_ID => {
                self.unexpected_first_message("a confirmation with a socket id that is too long".to_owned(), now);
            }
            Message::ConnectionEstablished { established, data } => self.established(established, data, now),
            Message::Error(ServerError { code: Some(code), message, .. }) => {
                self.fail_connection(Error::ConnectionClosed { code, message }, now);
            }
            Message::Error(error) => self.unexpected_first_message(format!("pusher:error {:?}", error.message), now),
            _ => self.unexpected_first_message("another event".to_owned(), now),
        }
    }

    fn unexpected_first_message(&mut self, reason: String, now: Instant) {
        self.fail_connection(Error::UnexpectedFirstMessage { reason }, now);
    }

    fn established(&mut self, established: Established, data: Data<'_>, now: Instant) {
        let Phase::Connecting(attempt) = &self.phase else { return };
        let activity = established.activity_timeout.unwrap_or(self.settings.activity_timeout);
        let activity = activity.min(self.settings.activity_timeout);
        let activity = self.settings.activity_timeout_override.unwrap_or(activity);
        self.phase = Phase::Connected(Online {
            generation: attempt.generation,
            since: now,
            liveness: Liveness::new(activity, self.settings.pong_timeout, now),
            last_error: None,
        });
        self.counters.connections += 1;
        self.outage = None;
        self.persistence = Persistence::ForGood;
        self.socket_id = established.socket_id.into();
        self.update.socket_id = Some(Some(Arc::clone(&self.socket_id)));
        self.report_outcome(&Ok(()));
        if let Some(change) = self.record_state(ConnectionState::Connected, None, None) {
            self.batch.push_connected(&data.text(), change);
        }
        self.begin_sign_in(now);
        self.subscriptions.begin_connection(User::from(&self.sign_in), &mut self.batch, now);
    }

    fn message(&mut self, message: Message<'_>, now: Instant) {
        match message {
            Message::Event(frame) => self.event(&frame, now),
            Message::Ping => self.answer_ping(),
            Message::Pong => self.take_pong(now),
            Message::Error(error) => self.server_error(error, now),
            Message::SignInSucceeded { id } => self.signed_in(id, now),
            Message::Watchlist(changes) => self.watchlist(changes),
            platform_event => {
                let known = self.platform_event(platform_event, now);
                self.counters.ignored += u64::from(!known);
            }
        }
    }

    /// An event of the platform on a channel. Returns false if it is unexpected (S8).
    fn platform_event(&mut self, message: Message<'_>, now: Instant) -> bool {
        if let Message::SubscriptionSucceeded { channel, .. } | Message::SubscriptionError { channel, .. } = &message {
            self.note_answer(channel, now);
        }
        let user = User::from(&self.sign_in);
        let (subscriptions, batch) = (&mut self.subscriptions, &mut self.batch);
        match message {
            Message::SubscriptionSucceeded { channel, data } => {
                subscriptions.succeeded(&channel, data, self.sign_in.user(), batch, now)
            }
            Message::SubscriptionError { channel, data, refusal } => {
                subscriptions.refused(&channel, &data.text(), refusal, user, batch, now)
            }
            Message::SubscriptionCount { channel, data, count } => {
                subscriptions.subscription_count(&channel, data, count, batch)
            }
            Message::CacheMiss { channel, data } => subscriptions.cache_miss(&channel, data, batch),
            Message::MemberAdded { channel, data } => subscriptions.member_added(&channel, data, batch),
            Message::MemberRemoved { channel, data } => subscriptions.member_removed(&channel, data, batch),
            Message::ConnectionEstablished { .. } | Message::UnknownPlatformEvent => false,
            // `message` handles these itself.
            Message::Event(_)
            | Message::Ping
            | Message::Pong
            | Message::Error(_)
            | Message::SignInSucceeded { .. }
            | Message::Watchlist(_) => false,
        }
    }

    /// S8: an application event without a channel goes to the handlers and receivers of the client.
    fn event(&mut self, frame: &Frame<'_>, now: Instant) {
        let is_known = match frame.channel.as_deref() {
            Some(channel) => self.subscriptions.event(channel, frame, &mut self.batch, now),
            None => {
                let (data, user_id) = (frame.data, frame.user_id.as_deref());
                self.batch.push_event(None, &frame.event, user_id, data.max_len(), |text| data.append_to(text));
                true
            }
        };
        let counter = if is_known { &mut self.counters.events } else { &mut self.counters.ignored };
        *counter += 1;
    }

    fn answer_ping(&mut self) {
        if let Phase::Connected(online) = &mut self.phase {
            online.liveness.answer_ping();
        }
    }

    fn take_pong(&mut self, now: Instant) {
        if let Phase::Connected(online) = &mut self.phase {
            self.counters.round_trip = online.liveness.round_trip(now).or(self.counters.round_trip);
        }
    }

    /// D2 applies to an open connection, R5 before it is confirmed.
    fn bad_message(&mut self, reason: String, now: Instant) {
        match self.phase {
            Phase::Connected(_) => self.report_bad_message(reason),
            _ => self.unexpected_first_message(reason, now),
        }
    }

    fn report_bad_message(&mut self, reason: String) {
        self.counters.bad_messages += 1;
        self.report(Error::BadMessage { reason });
    }

    pub fn report(&mut self, error: Error) {
        self.batch.push_error(error);
    }
}
