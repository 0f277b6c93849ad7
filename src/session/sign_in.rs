//! The sign-in of the user (A8).

use std::time::{Duration, Instant};

use crate::{
    Error, Name, UserAuth,
    delivery::{SignInId, UserOutcome},
    protocol::frame::Outgoing,
    session::interface::{AttemptId, UserPermission},
};

pub(crate) struct SignIn {
    state: SignInState,
    /// The last call to sign in.
    call: SignInId,
    /// The last request for the permission of the user.
    attempt: AttemptId,
    timeout: Duration,
    /// The user of the last request, if an error without a channel was taken for its refusal. A confirmation may still
    /// come, and wins.
    maybe_refused: Option<String>,
    /// The time since which subscriptions wait for the sign-in, which comes first on this connection.
    holds_since: Option<Instant>,
}

enum SignInState {
    /// The program does not want to be signed in.
    Out,
    /// The sign-in begins with the next connection.
    Wanted,
    /// The authorizer makes the permission of the user.
    Authorizing {
        deadline: Instant,
    },
    /// The permission is ready to be sent. Without a deadline it waits for its turn (S10).
    Authorized {
        auth: UserAuth,
        id: String,
        deadline: Option<Instant>,
    },
    /// The permission was sent. It is kept because a server that limits messages may refuse it.
    Requested {
        auth: UserAuth,
        id: String,
        deadline: Instant,
    },
    In(Name),
    /// The sign-in failed. Another call or another connection tries again.
    Failed,
}

impl SignIn {
    pub fn new(timeout: Duration) -> Self {
        Self {
            state: SignInState::Out,
            call: SignInId::default(),
            attempt: AttemptId::default(),
            timeout,
            maybe_refused: None,
            holds_since: None,
        }
    }

    /// The program calls `sign_in`. Returns true if the permission of the user is to be requested.
    pub fn begin(&mut self, call: SignInId, connected: bool, now: Instant) -> bool {
        self.call = call;
        let begins = matches!(self.state, SignInState::Out | SignInState::Failed);
        if begins && connected {
            self.begin_attempt(now);
        } else if begins {
            self.state = SignInState::Wanted;
        }
        begins && connected
    }

    /// A connection begins. Returns true if the permission of the user is to be requested.
    pub fn begin_connection(&mut self, now: Instant) -> bool {
        let wanted = matches!(self.state, SignInState::Wanted);
        if wanted {
            self.begin_attempt(now);
            self.holds_since = Some(now);
        }
        wanted
    }

    fn begin_attempt(&mut self, now: Instant) {
        self.attempt = self.attempt.next();
        self.state = SignInState::Authorizing { deadline: now + self.timeout };
    }

    /// The connection has ended. A user who was signed in, or was signing in, is signed in again on the next
    /// connection. Returns true if the state changed.
    pub fn end_connection(&mut self) -> bool {
        (self.holds_since, self.maybe_refused) = (None, None);
        // A failure stays the outcome until the next try: servers may close the connection after a refusal.
        let is_changed = self.is_pending() || self.user().is_some();
        if !matches!(self.state, SignInState::Out) {
            self.state = SignInState::Wanted;
        }
        is_changed
    }

    /// The authorizer has answered. `None` if the answer is no longer of use.
    pub fn answered(
        &mut self,
        attempt: AttemptId,
        permission: Result<UserPermission, Error>,
    ) -> Option<Result<(), Error>> {
        let SignInState::Authorizing { deadline } = self.state else { return None };
        if !self.awaits(attempt) {
            return None;
        }
        let deadline = Some(deadline);
        Some(permission.map(|UserPermission { auth, id }| self.state = SignInState::Authorized { auth, id, deadline }))
    }

    /// The message to the server, if the permission is ready.
    pub fn next_message(&mut self, now: Instant) -> Option<String> {
        match std::mem::replace(&mut self.state, SignInState::Out) {
            SignInState::Authorized { auth, id, deadline } => {
                let message = Outgoing::SignIn { auth: auth.signature(), user_data: auth.data() }.to_text();
                let deadline = deadline.unwrap_or(now + self.timeout);
                self.state = SignInState::Requested { auth, id, deadline };
                Some(message)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Lets the permission wait for its turn, on a server that limits messages. Its timeout begins when it is sent. Returns
    /// false if there is no permission to send.
    pub fn wait_for_turn(&mut self) -> bool {
        let SignInState::Authorized { deadline, .. } = &mut self.state else { return false };
        *deadline = None;
        true
    }

    /// S10: the server refused the request because of too many messages. The permission waits for its turn. Returns false if
    /// no answer is expected.
    pub fn repeat(&mut self) -> bool {
        match std::mem::replace(&mut self.state, SignInState::Out) {
            SignInState::Requested { auth, id, .. } => {
                self.state = SignInState::Authorized { auth, id, deadline: None };
                true
            }
            other => {
                self.state = other;
                false
            }
        }
    }

    /// Whether the permission waits for its turn.
    pub fn waits_for_turn(&self) -> bool {
        matches!(self.state, SignInState::Authorized { deadline: None, .. })
    }

    /// The server confirms. Returns the id of the user, or `None` if no confirmation is expected.
    pub fn succeeded(&mut self, id: Option<String>) -> Option<Name> {
        let own = match &self.state {
            SignInState::Requested { id, .. } => Some(id),
            // The error was about the limit of messages, but did not refuse this request.
            SignInState::Authorized { id, deadline: None, .. } => Some(id),
            SignInState::In(_) | SignInState::Out | SignInState::Wanted => None,
            _ => self.maybe_refused.as_ref(),
        };
        let id = Name::from(id.as_deref().unwrap_or(own?));
        (self.state, self.maybe_refused) = (SignInState::In(id.clone()), None);
        Some(id)
    }

    /// An error without a channel refuses the request. Returns false if no answer is expected.
    pub fn refuse(&mut self) -> bool {
        let SignInState::Requested { id, .. } = &mut self.state else { return false };
        self.maybe_refused = Some(std::mem::take(id));
        self.state = SignInState::Failed;
        true
    }

    pub fn fail(&mut self) {
        self.state = SignInState::Failed;
    }

    /// Lets subscriptions continue. Returns the time that they have waited.
    pub fn release(&mut self, now: Instant) -> Duration {
        self.holds_since.take().map(|since| now.saturating_duration_since(since)).unwrap_or_default()
    }

    /// The error, if the deadline has passed.
    pub fn expired(&self, now: Instant) -> Option<Error> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        let after = self.timeout;
        Some(match self.state {
            SignInState::Authorizing { .. } => Error::AuthTimeout { channel: None, after },
            _ => Error::SignInTimeout { after },
        })
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            SignInState::Authorizing { deadline } | SignInState::Requested { deadline, .. } => Some(*deadline),
            SignInState::Authorized { deadline, .. } => *deadline,
            SignInState::Out | SignInState::Wanted | SignInState::In(_) | SignInState::Failed => None,
        }
    }

    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        let deadline = match &mut self.state {
            SignInState::Authorizing { deadline } | SignInState::Requested { deadline, .. } => Some(deadline),
            SignInState::Authorized { deadline, .. } => deadline.as_mut(),
            SignInState::Out | SignInState::Wanted | SignInState::In(_) | SignInState::Failed => None,
        };
        if let Some(deadline) = deadline {
            *deadline = (*deadline + pause).min(now + self.timeout);
        }
    }

    /// Whether the sign-in is in progress on this connection.
    pub fn is_pending(&self) -> bool {
        matches!(
            self.state,
            SignInState::Authorizing { .. } | SignInState::Authorized { .. } | SignInState::Requested { .. }
        )
    }

    /// Whether an answer of the server is expected.
    pub fn awaits_answer(&self) -> bool {
        matches!(self.state, SignInState::Requested { .. }) || self.waits_for_turn()
    }

    /// The time at which subscriptions stop waiting for the sign-in.
    pub fn hold_deadline(&self) -> Option<Instant> {
        self.holds_since.map(|since| since + self.timeout)
    }

    /// Whether subscriptions wait for the sign-in.
    pub fn holds_subscriptions_back(&self) -> bool {
        self.holds_since.is_some()
    }

    /// The signed-in user.
    pub fn user(&self) -> Option<&Name> {
        match &self.state {
            SignInState::In(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the answer to this request is still of use.
    pub fn awaits(&self, attempt: AttemptId) -> bool {
        matches!(self.state, SignInState::Authorizing { .. }) && attempt == self.attempt
    }

    /// Whether the sign-in begins with the next connection.
    pub fn waits_for_connection(&self) -> bool {
        matches!(self.state, SignInState::Wanted)
    }

    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// The outcome, as the answer to the last call.
    pub fn answer_call(&self, outcome: UserOutcome) -> (SignInId, UserOutcome) {
        (self.call, outcome)
    }
}
