//! Errors of the server. Each error goes to the message that it refuses, or to the error handlers (S6, S10, A8, T2).

use std::time::Instant;

use crate::session::channels::User;
use crate::{
    Error,
    protocol::message::{Refusal, ServerError},
    session::{
        Session,
        channels::Repeated,
        connection::phase::Phase,
        limits::unanswered::{Attribution, RateLimited, Refused, RefusedClientEvent},
    },
};

/// The server refuses a client event, or takes no more messages for now.
const RATE_LIMITED: u16 = 4301;

impl Session {
    /// R4: an error on an open socket is reported and changes nothing else. S6: it may refuse a message of this client.
    pub fn server_error(&mut self, error: ServerError, now: Instant) {
        match (error.channel.clone(), error.code) {
            (Some(channel), _) => self.error_on_channel(&channel, error, now),
            (None, Some(RATE_LIMITED)) => self.rate_limited(error, now),
            (None, _) => self.unanswered.refused(error, now),
        }
        self.apply_attributions(now);
    }

    /// The server has answered a request for this channel by name, which may decide about earlier messages. They were
    /// answered first, so their results are reported first.
    pub fn note_answer(&mut self, channel: &str, now: Instant) {
        if self.subscriptions.awaits_answer(channel) {
            self.unanswered.answered(channel, now);
            self.apply_attributions(now);
        }
    }

    fn error_on_channel(&mut self, channel: &str, error: ServerError, now: Instant) {
        if let Some(event) = self.unanswered.client_event_on(channel, now) {
            return self.report_refused_client_event(event, error);
        }
        if self.subscriptions.is_requested(channel) {
            return self.refused_by_name(channel, error, now);
        }
        match error.code {
            // soketi refuses client events like this. This one was sent too long ago to be among the unanswered
            // messages.
            Some(RATE_LIMITED) => {
                let event = RefusedClientEvent { channel: Some(channel.into()), event: None };
                self.report_refused_client_event(event, error);
            }
            _ => self.report_server_error(error, now),
        }
    }

    fn refused_by_name(&mut self, channel: &str, error: ServerError, now: Instant) {
        self.note_answer(channel, now);
        if error.code == Some(RATE_LIMITED) {
            return self.repeat(
                &RateLimited { subscriptions: vec![channel.into()], ..RateLimited::default() },
                error,
                now,
            );
        }
        let refusal = Refusal { kind: String::new(), message: error.message, status: error.code };
        let user = User::from(&self.sign_in);
        self.subscriptions.refused(channel, "", refusal, user, &mut self.batch, now);
    }

    fn rate_limited(&mut self, error: ServerError, now: Instant) {
        let refused = self.unanswered.rate_limited(now);
        self.repeat(&refused, error, now);
    }

    /// S10: sends the requests again that were refused because of too many messages. This is reported once.
    fn repeat(&mut self, refused: &RateLimited, error: ServerError, now: Instant) {
        let user = User::from(&self.sign_in);
        let sign_in = refused.sign_in && self.sign_in.repeat();
        let is_certain = refused.client_event.is_none();
        let (channels, batch) = (&refused.subscriptions, &mut self.batch);
        let repeated = self.subscriptions.repeat(channels, sign_in, is_certain, user, batch, now);
        match (&refused.client_event, repeated) {
            (Some(event), _) => self.report_refused_client_event(event.clone(), error),
            (None, Repeated::Again) => {}
            (None, Repeated::Nothing) if self.subscriptions.expects_refusal() => {}
            (None, Repeated::Nothing | Repeated::ForTheFirstTime) => self.report_server_error(error, now),
        }
    }

    /// Applies the decisions of `UnansweredMessages`.
    pub fn apply_attributions(&mut self, now: Instant) {
        while let Some(Attribution { refused, error, at, is_a_guess }) = self.unanswered.next_attribution() {
            match refused {
                Refused::Subscription { channel, attempt } => {
                    let (subscriptions, batch) = (&mut self.subscriptions, &mut self.batch);
                    if !subscriptions.refused_in_order(&channel, attempt, is_a_guess, &error, batch, now) {
                        self.report_server_error(error, at);
                    }
                }
                Refused::SignIn => self.sign_in_refused(error, at, now),
                Refused::ClientEvent(event) => self.report_refused_client_event(event, error),
                Refused::Unknown => self.report_server_error(error, at),
            }
        }
    }

    fn report_refused_client_event(&mut self, event: RefusedClientEvent, error: ServerError) {
        let text = |name: crate::Name| name.to_string();
        let (channel, event) = (event.channel.map(text), event.event.map(text));
        let ServerError { code, message, .. } = error;
        self.report(Error::ClientEventRefused { channel, event, code, message });
    }

    /// R3: the error may explain the end of the connection.
    pub fn report_server_error(&mut self, error: ServerError, at: Instant) {
        if let Phase::Connected(online) = &mut self.phase {
            online.remember(error.code, &error.message, at);
        }
        self.report(Error::Server { code: error.code, message: error.message });
    }
}
