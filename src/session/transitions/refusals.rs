//! Errors of the server: each goes to the message that it refuses, or to the handlers of errors (S6, S10, A8, T2).

use std::time::Instant;

use crate::session::channels::User;
use crate::{
    Error,
    protocol::message::{Refusal, ServerError},
    session::{
        Session,
        channels::Repeated,
        connection::phase::Phase,
        limits::unanswered::{Limited, Refused, Suspect, Verdict},
    },
};

/// A client event was refused, or there were too many messages.
const TOO_MUCH: u16 = 4301;

impl Session {
    /// R4: an error on an open socket is reported and changes nothing else. S6: it may be the answer to a message of
    /// ours.
    pub fn server_error(&mut self, error: ServerError, now: Instant) {
        match (error.channel.clone(), error.code) {
            (Some(channel), _) => self.error_on_channel(&channel, error, now),
            (None, Some(TOO_MUCH)) => self.too_much(error, now),
            (None, _) => self.unanswered.refused(error, now),
        }
        self.follow_verdicts(now);
    }

    /// The server has answered a request for this channel by name, which may decide about earlier messages. Their
    /// results are reported first, because they were answered first.
    pub fn note_answer(&mut self, channel: &str, now: Instant) {
        if self.subscriptions.is_owed_an_answer(channel) {
            self.unanswered.answered(channel, now);
            self.follow_verdicts(now);
        }
    }

    fn error_on_channel(&mut self, channel: &str, error: ServerError, now: Instant) {
        if let Some(suspect) = self.unanswered.client_event_on(channel, now) {
            return self.report_refused_client_event(suspect, error);
        }
        if self.subscriptions.is_requested(channel) {
            return self.refused_by_name(channel, error, now);
        }
        match error.code {
            // soketi refuses client events so. This one was sent longer ago than the unanswered knows.
            Some(TOO_MUCH) => {
                let suspect = Suspect { channel: Some(channel.into()), event: None };
                self.report_refused_client_event(suspect, error);
            }
            _ => self.report_server_error(error, now),
        }
    }

    fn refused_by_name(&mut self, channel: &str, error: ServerError, now: Instant) {
        self.note_answer(channel, now);
        if error.code == Some(TOO_MUCH) {
            return self.repeat(&Limited { subscriptions: vec![channel.into()], ..Limited::default() }, error, now);
        }
        let refusal = Refusal { kind: String::new(), message: error.message, status: error.code };
        let user = User::from(&self.sign_in);
        self.subscriptions.refused(channel, "", refusal, user, &mut self.batch, now);
    }

    fn too_much(&mut self, error: ServerError, now: Instant) {
        let limited = self.unanswered.limited(now);
        self.repeat(&limited, error, now);
    }

    /// S10: requests that were refused because of too many messages are sent again. This is reported once.
    fn repeat(&mut self, limited: &Limited, error: ServerError, now: Instant) {
        let user = User::from(&self.sign_in);
        let sign_in = limited.sign_in && self.sign_in.repeat();
        let is_certain = limited.client_event.is_none();
        let (channels, batch) = (&limited.subscriptions, &mut self.batch);
        let repeated = self.subscriptions.repeat(channels, sign_in, is_certain, user, batch, now);
        match (&limited.client_event, repeated) {
            (Some(suspect), _) => self.report_refused_client_event(suspect.clone(), error),
            (None, Repeated::Again) => {}
            (None, Repeated::Nothing) if self.subscriptions.expects_refusal() => {}
            (None, Repeated::Nothing | Repeated::ForTheFirstTime) => self.report_server_error(error, now),
        }
    }

    /// Follows the decisions of the unanswered.
    pub fn follow_verdicts(&mut self, now: Instant) {
        while let Some(Verdict { refused, error, at, is_a_guess }) = self.unanswered.take_verdict() {
            match refused {
                Refused::Subscription { channel, attempt } => {
                    let refused = (attempt, is_a_guess);
                    if !self.subscriptions.refused_in_order(&channel, refused, &error, &mut self.batch, now) {
                        self.report_server_error(error, at);
                    }
                }
                Refused::SignIn => self.sign_in_refused(error, at, now),
                Refused::ClientEvent(suspect) => self.report_refused_client_event(suspect, error),
                Refused::Nobody => self.report_server_error(error, at),
            }
        }
    }

    fn report_refused_client_event(&mut self, suspect: Suspect, error: ServerError) {
        let text = |name: crate::Name| name.to_string();
        let (channel, event) = (suspect.channel.map(text), suspect.event.map(text));
        let ServerError { code, message, .. } = error;
        self.report(Error::ClientEventRefused { channel, event, code, message });
    }

    /// R3: it may explain the end of the connection.
    pub fn report_server_error(&mut self, error: ServerError, at: Instant) {
        if let Phase::Connected(online) = &mut self.phase {
            online.remember(error.code, &error.message, at);
        }
        self.report(Error::Server { code: error.code, message: error.message });
    }
}
