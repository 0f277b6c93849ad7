//! Who the user is: the sign-in, and what comes of it for channels (A7, A8).

use std::{sync::Arc, time::Instant};

use crate::{
    Error, Name, Notification, WatchlistEvent,
    delivery::{CallId, UserOutcome},
    event::Intent,
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
    pub fn sign_in(&mut self, call: CallId, now: Instant) {
        let asks = self.sign_in.want(call, self.is_connected(), now);
        if asks {
            self.ask_who_the_user_is();
        }
        let outcome = match self.sign_in.user() {
            Some(id) => UserOutcome::In(id.clone()),
            None => UserOutcome::Pending,
        };
        self.publish_user(outcome);
    }

    /// The user asks for a connection, and with it for another sign-in: the failure of an older one is no answer any more.
    pub fn forget_failed_sign_in(&mut self) {
        if self.sign_in.is_wanted() {
            self.publish_user(UserOutcome::Pending);
        }
    }

    pub fn begin_sign_in(&mut self, now: Instant) {
        if self.sign_in.begin_connection(now) {
            self.publish_user(UserOutcome::Pending);
            self.ask_who_the_user_is();
        }
    }

    pub fn end_sign_in(&mut self) {
        if self.sign_in.end_connection() {
            self.publish_user(UserOutcome::Pending);
        }
    }

    /// The request to sign in, when it is its turn (S10).
    pub fn next_sign_in(&mut self, now: Instant) -> Option<String> {
        if self.subscriptions.holds_back(now) && self.sign_in.wait_for_turn() {
            return None;
        }
        let text = self.sign_in.next_message(now)?;
        self.subscriptions.sign_in_sent(now);
        self.unanswered.sent(Sent::SignIn, now);
        Some(text)
    }

    fn ask_who_the_user_is(&mut self) {
        let subject = AuthSubject::User { socket_id: Arc::clone(&self.socket_id) };
        let attempt = self.sign_in.attempt();
        self.to_authenticate = Some(PendingAuth { generation: self.generation, attempt, subject });
    }

    fn publish_user(&mut self, outcome: UserOutcome) {
        self.update.user = Some(self.sign_in.told(outcome));
    }

    /// A request for a permission was answered. An answer for an older socket is dropped (R8).
    pub fn answered(&mut self, answer: AuthAnswer, now: Instant) {
        let AuthAnswer { generation, attempt, outcome } = answer;
        if !self.is_current(generation) {
            return;
        }
        match outcome {
            AuthOutcome::Channel { channel, auth } => {
                let user = User::from(&self.sign_in);
                self.subscriptions.answered(&channel, attempt, auth, user, &mut self.batch, now);
            }
            AuthOutcome::User(proof) => {
                if let Some(Err(error)) = self.sign_in.answered(attempt, proof) {
                    self.sign_in_failed(error, now);
                }
            }
        }
    }

    pub fn signed_in(&mut self, id: Option<String>, now: Instant) {
        if self.sign_in.is_owed_an_answer() {
            self.subscriptions.sign_in_answered(now);
        }
        if self.sign_in.is_pending() {
            self.unanswered.signed_in(now);
            self.follow_verdicts(now);
        }
        let Some(id) = self.sign_in.succeeded(id) else {
            self.counters.ignored += 1;
            return;
        };
        self.publish_user(UserOutcome::In(id.clone()));
        self.batch.push_notice(Notification::SignedIn { id: id.clone() });
        self.subscribe_user(&id, now);
        self.go_on_with_subscriptions(User::SignedIn, now);
    }

    /// What has waited for the outcome of the sign-in goes on, with the time that it had.
    fn go_on_with_subscriptions(&mut self, user: User, now: Instant) {
        let waited = self.sign_in.release(now);
        self.subscriptions.postpone(waited, now);
        self.subscriptions.user_known(user, &mut self.batch);
    }

    /// The client subscribes the user's own channel by itself.
    fn subscribe_user(&mut self, id: &Name, now: Instant) {
        let intent = Intent::new(Intent::USER, &format!("{SERVER_TO_USER}{id}"));
        intent.activate();
        self.subscriptions.change_intent(
            &intent.stamp(),
            None,
            OwnOptions::default(),
            User::SignedIn,
            &mut self.batch,
            now,
        );
    }

    /// An error without a channel, which arrived at the time `at`, is the refusal of the sign-in.
    pub fn sign_in_refused(&mut self, error: ServerError, at: Instant, now: Instant) {
        if self.sign_in.refuse() {
            self.subscriptions.sign_in_answered(now);
            self.tell_failed_sign_in(Error::SignInRefused { code: error.code, message: error.message }, now);
        } else {
            self.report_server_error(error, at);
        }
    }

    pub fn sign_in_failed(&mut self, error: Error, now: Instant) {
        self.sign_in.fail();
        self.tell_failed_sign_in(error, now);
    }

    fn tell_failed_sign_in(&mut self, error: Error, now: Instant) {
        self.publish_user(UserOutcome::Failed(error.clone()));
        self.batch.push_error(error);
        self.go_on_with_subscriptions(User::Nobody, now);
    }

    /// Ends what has waited too long for an answer. The sign-in comes first, because subscriptions may wait for it.
    pub fn expire_answers(&mut self, now: Instant) {
        self.unanswered.expire(now);
        self.follow_verdicts(now);
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
        self.follow_verdicts(now);
    }

    /// Whether the answer to this request is still of use.
    pub fn awaits(&self, request: &PendingAuth) -> bool {
        let PendingAuth { generation, attempt, subject } = request;
        let is_awaited = || match subject {
            AuthSubject::Channel(request) => self.subscriptions.awaits(request.channel(), *attempt),
            AuthSubject::User { .. } => self.sign_in.awaits(*attempt),
        };
        self.is_current(*generation) && is_awaited()
    }

    /// Of no intent to those who have not asked to be signed in.
    pub fn watchlist(&mut self, changes: Vec<WatchlistChange>) {
        let nobody_waits = self.sign_in.user().is_none() && !self.sign_in.is_pending();
        if nobody_waits || changes.is_empty() {
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
            None => Self::Nobody,
        }
    }
}
