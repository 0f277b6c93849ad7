//! The sign-in of the user, and its effects on channels (A7, A8).

use std::{sync::Arc, time::Instant};

use crate::{
    Error, Name, Notification, WatchlistEvent,
    delivery::{SignInId, UserOutcome},
    event::{IntentId, Stamp},
    protocol::{
        channel_name::SERVER_TO_USER,
        message::{ServerError, WatchlistChange},
    },
    session::{
        AuthAnswer, AuthOutcome, AuthSubject, OwnOptions, PendingAuth, Session, channels::User,
        connection::phase::Phase, limits::unanswered::Sent, sign_in::SignIn,
    },
};

impl Session {
    pub fn sign_in(&mut self, call: SignInId, now: Instant) {
        let begins = self.sign_in.begin(call, self.is_connected(), now);
        if begins {
            self.request_user_permission();
        }
        let outcome = match self.sign_in.user() {
            Some(id) => UserOutcome::In(id.clone()),
            None => UserOutcome::Pending,
        };
        self.publish_user(outcome);
    }

    /// A call to connect starts another sign-in, so the failure of an earlier one is no longer the outcome.
    pub fn forget_failed_sign_in(&mut self) {
        if self.sign_in.waits_for_connection() {
            self.publish_user(UserOutcome::Pending);
        }
    }

    pub fn begin_sign_in(&mut self, now: Instant) {
        if self.sign_in.begin_connection(now) {
            self.publish_user(UserOutcome::Pending);
            self.request_user_permission();
        }
    }

    pub fn end_sign_in(&mut self) {
        if self.sign_in.end_connection() {
            self.publish_user(UserOutcome::Pending);
        }
    }

    /// The message to sign in, when its turn has come (S10).
    pub fn next_sign_in(&mut self, now: Instant) -> Option<String> {
        if self.subscriptions.holds_back(now) && self.sign_in.wait_for_turn() {
            return None;
        }
        let text = self.sign_in.next_message(now)?;
        self.subscriptions.sign_in_sent(now);
        self.unanswered.sent(Sent::SignIn, now);
        Some(text)
    }

    fn request_user_permission(&mut self) {
        let subject = AuthSubject::User { socket_id: Arc::clone(&self.socket_id) };
        let attempt = self.sign_in.attempt();
        self.to_authorize_user = Some(PendingAuth { generation: self.generation, attempt, subject });
    }

    fn publish_user(&mut self, outcome: UserOutcome) {
        self.update.user = Some(self.sign_in.answer_call(outcome));
    }

    /// A request for a permission was answered. An answer for an older socket is dropped (R8).
    pub fn answered(&mut self, answer: AuthAnswer, now: Instant) {
        let AuthAnswer { generation, attempt, outcome } = answer;
        if !self.is_current_generation(generation) {
            return;
        }
        match outcome {
            AuthOutcome::Channel { channel, auth } => {
                let user = User::from(&self.sign_in);
                self.subscriptions.answered(&channel, attempt, auth, user, &mut self.batch, now);
            }
            AuthOutcome::User(permission) => {
                if let Some(Err(error)) = self.sign_in.answered(attempt, permission) {
                    self.sign_in_failed(error, now);
                }
            }
        }
    }

    pub fn signed_in(&mut self, id: Option<String>, now: Instant) {
        if self.sign_in.awaits_answer() {
            self.subscriptions.sign_in_answered(now);
        }
        if self.sign_in.is_pending() {
            self.unanswered.signed_in(now);
            self.apply_attributions(now);
        }
        let Some(id) = self.sign_in.succeeded(id) else {
            self.counters.ignored += 1;
            return;
        };
        self.publish_user(UserOutcome::In(id.clone()));
        self.batch.push_notice(Notification::SignedIn { id: id.clone() });
        self.subscribe_user(&id, now);
        self.resume_subscriptions(User::SignedIn, now);
    }

    /// Resumes the subscriptions that waited for the sign-in. Their deadlines move by the time that they waited.
    fn resume_subscriptions(&mut self, user: User, now: Instant) {
        let waited = self.sign_in.release(now);
        self.subscriptions.postpone(waited, now);
        self.subscriptions.user_is_known(user, &mut self.batch);
    }

    /// Subscribes to the channel of the signed-in user.
    fn subscribe_user(&mut self, id: &Name, now: Instant) {
        let channel = Stamp::permanent(IntentId::USER, &format!("{SERVER_TO_USER}{id}"));
        let own = OwnOptions::default();
        self.subscriptions.change_intent(&channel, None, own, User::SignedIn, &mut self.batch, now);
    }

    /// An error without a channel, which arrived at the time `at`, refuses the sign-in.
    pub fn sign_in_refused(&mut self, error: ServerError, at: Instant, now: Instant) {
        if self.sign_in.refuse() {
            self.subscriptions.sign_in_answered(now);
            self.report_failed_sign_in(Error::SignInRefused { code: error.code, message: error.message }, now);
        } else {
            self.report_server_error(error, at);
        }
    }

    pub fn sign_in_failed(&mut self, error: Error, now: Instant) {
        self.sign_in.fail();
        self.report_failed_sign_in(error, now);
    }

    fn report_failed_sign_in(&mut self, error: Error, now: Instant) {
        self.publish_user(UserOutcome::Failed(error.clone()));
        self.batch.push_error(error);
        self.resume_subscriptions(User::SignedOut, now);
    }

    /// Ends the attempts whose deadline has passed. The sign-in comes first, because subscriptions may wait for it.
    pub fn expire_answers(&mut self, now: Instant) {
        self.unanswered.expire(now);
        self.apply_attributions(now);
        if let Some(error) = self.sign_in.expired(now) {
            self.unanswered.forget_sign_in(now);
            self.sign_in_failed(error, now);
        }
        if self.sign_in.hold_deadline().is_some_and(|deadline| deadline <= now) {
            // A server that limits messages may refuse the sign-in again and again.
            let waited = self.sign_in.release(now);
            self.subscriptions.postpone(waited, now);
        }
        self.subscriptions.advance_pace(now);
        if !self.sign_in.holds_subscriptions_back() {
            let user = User::from(&self.sign_in);
            self.subscriptions.expire(user, &mut self.unanswered, &mut self.batch, now);
        }
        self.apply_attributions(now);
    }

    /// Whether the answer to this request is still of use.
    pub fn awaits(&self, request: &PendingAuth) -> bool {
        let PendingAuth { generation, attempt, subject } = request;
        let is_awaited = || match subject {
            AuthSubject::Channel(request) => self.subscriptions.awaits(request.channel(), *attempt),
            AuthSubject::User { .. } => self.sign_in.awaits(*attempt),
        };
        self.is_current_generation(*generation) && is_awaited()
    }

    /// Reports a watchlist event. It is ignored unless a user is signed in or signs in.
    pub fn watchlist(&mut self, changes: Vec<WatchlistChange>) {
        let is_unexpected = self.sign_in.user().is_none() && !self.sign_in.is_pending();
        if is_unexpected || changes.is_empty() {
            self.counters.ignored += 1;
            return;
        }
        for WatchlistChange { name, user_ids } in changes {
            let event = WatchlistEvent { name: Name::from(name.as_str()), user_ids };
            self.batch.push_notice(Notification::Watchlist(event));
        }
    }

    /// Whether the server has confirmed the connection.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected(_))
    }
}

impl From<&SignIn> for User {
    fn from(sign_in: &SignIn) -> Self {
        match sign_in.user() {
            Some(_) => Self::SignedIn,
            None if sign_in.is_pending() => Self::Pending,
            None => Self::SignedOut,
        }
    }
}
