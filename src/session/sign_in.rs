//! The sign-in of the user (A8).

use std::time::{Duration, Instant};

use crate::{
    Error, Name, UserAuth,
    delivery::{CallId, UserOutcome},
    protocol::frame::Outgoing,
    session::interface::{AttemptId, Proof},
};

pub(crate) struct SignIn {
    stage: Stage,
    /// The last call that was taken up.
    call: CallId,
    /// The last request to the authenticator.
    attempt: AttemptId,
    timeout: Duration,
    /// The user of the last request, if an error that names nothing was taken for its refusal. A confirmation may still
    /// come, and wins.
    doubted: Option<String>,
    /// Since when subscriptions wait for the outcome, because it is the first thing on this connection.
    holds_since: Option<Instant>,
}

enum Stage {
    /// Nobody wants to be signed in.
    Out,
    /// For the next connection.
    Wanted,
    /// The authenticator is asked.
    Asking {
        deadline: Instant,
    },
    /// The proof is to be sent. Without a deadline it waits for its turn (S10).
    Proven {
        auth: UserAuth,
        id: String,
        deadline: Option<Instant>,
    },
    /// The server has the proof. It is kept because a server that limits messages may refuse it.
    Requested {
        auth: UserAuth,
        id: String,
        deadline: Instant,
    },
    In(Name),
    /// It failed, and a call or another connection tries again.
    Failed,
}

impl SignIn {
    pub fn new(timeout: Duration) -> Self {
        Self {
            stage: Stage::Out,
            call: CallId::default(),
            attempt: AttemptId::default(),
            timeout,
            doubted: None,
            holds_since: None,
        }
    }

    /// The user asks for it. True when the authenticator is to be asked.
    pub fn want(&mut self, call: CallId, connected: bool, now: Instant) -> bool {
        self.call = call;
        let begins = matches!(self.stage, Stage::Out | Stage::Failed);
        if begins && connected {
            self.ask(now);
        } else if begins {
            self.stage = Stage::Wanted;
        }
        begins && connected
    }

    /// There is a connection. True when the authenticator is to be asked.
    pub fn begin_connection(&mut self, now: Instant) -> bool {
        let wanted = matches!(self.stage, Stage::Wanted);
        if wanted {
            self.ask(now);
            self.holds_since = Some(now);
        }
        wanted
    }

    fn ask(&mut self, now: Instant) {
        self.attempt.0 += 1;
        self.stage = Stage::Asking { deadline: now + self.timeout };
    }

    /// The connection has ended. A user who was signed in, or was to be signed in, is signed in again on the next
    /// connection. True if the state changed.
    pub fn end_connection(&mut self) -> bool {
        (self.holds_since, self.doubted) = (None, None);
        // A failure stays the outcome until it is tried again: servers may close the connection together with it.
        let is_news = self.is_pending() || self.user().is_some();
        if !matches!(self.stage, Stage::Out) {
            self.stage = Stage::Wanted;
        }
        is_news
    }

    /// The authenticator has answered. `None` when nobody waits for that.
    pub fn answered(&mut self, attempt: AttemptId, proof: Result<Proof, Error>) -> Option<Result<(), Error>> {
        let Stage::Asking { deadline } = self.stage else { return None };
        if !self.awaits(attempt) {
            return None;
        }
        Some(proof.map(|Proof { auth, id }| self.stage = Stage::Proven { auth, id, deadline: Some(deadline) }))
    }

    /// The message to the server, when it is time for it.
    pub fn next_message(&mut self, now: Instant) -> Option<String> {
        match std::mem::replace(&mut self.stage, Stage::Out) {
            Stage::Proven { auth, id, deadline } => {
                let message = Outgoing::SignIn { auth: auth.signature(), user_data: auth.data() }.to_text();
                let deadline = deadline.unwrap_or(now + self.timeout);
                self.stage = Stage::Requested { auth, id, deadline };
                Some(message)
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The server limits messages, so the proof waits for its turn, and its time begins when it is sent. False if there is
    /// no proof to send.
    pub fn wait_for_turn(&mut self) -> bool {
        let Stage::Proven { deadline, .. } = &mut self.stage else { return false };
        *deadline = None;
        true
    }

    /// S10: the request was refused because there were too many messages. It waits for its turn. False when no answer
    /// is awaited.
    pub fn repeat(&mut self) -> bool {
        match std::mem::replace(&mut self.stage, Stage::Out) {
            Stage::Requested { auth, id, .. } => {
                self.stage = Stage::Proven { auth, id, deadline: None };
                true
            }
            other => {
                self.stage = other;
                false
            }
        }
    }

    /// Whether the proof waits for its turn.
    pub fn waits_for_turn(&self) -> bool {
        matches!(self.stage, Stage::Proven { deadline: None, .. })
    }

    /// The server confirms. The id of the user; `None` when nobody waits for that.
    pub fn succeeded(&mut self, id: Option<String>) -> Option<Name> {
        let own = match &self.stage {
            Stage::Requested { id, .. } => Some(id),
            // The request that a limit refused was not refused after all.
            Stage::Proven { id, deadline: None, .. } => Some(id),
            Stage::In(_) | Stage::Out | Stage::Wanted => None,
            _ => self.doubted.as_ref(),
        };
        let id = Name::from(id.as_deref().unwrap_or(own?));
        (self.stage, self.doubted) = (Stage::In(id.clone()), None);
        Some(id)
    }

    /// An error that names nothing is its refusal. False when no answer is awaited.
    pub fn refuse(&mut self) -> bool {
        let Stage::Requested { id, .. } = &mut self.stage else { return false };
        self.doubted = Some(std::mem::take(id));
        self.stage = Stage::Failed;
        true
    }

    pub fn fail(&mut self) {
        self.stage = Stage::Failed;
    }

    /// Subscriptions go on. Returns for how long they have waited.
    pub fn release(&mut self, now: Instant) -> Duration {
        self.holds_since.take().map(|since| now.saturating_duration_since(since)).unwrap_or_default()
    }

    /// Why it has failed, when the time is over.
    pub fn expired(&self, now: Instant) -> Option<Error> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        let after = self.timeout;
        Some(match self.stage {
            Stage::Asking { .. } => Error::AuthTimeout { channel: None, after },
            _ => Error::SignInTimeout { after },
        })
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asking { deadline } | Stage::Requested { deadline, .. } => Some(*deadline),
            Stage::Proven { deadline, .. } => *deadline,
            Stage::Out | Stage::Wanted | Stage::In(_) | Stage::Failed => None,
        }
    }

    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        let deadline = match &mut self.stage {
            Stage::Asking { deadline } | Stage::Requested { deadline, .. } => Some(deadline),
            Stage::Proven { deadline, .. } => deadline.as_mut(),
            Stage::Out | Stage::Wanted | Stage::In(_) | Stage::Failed => None,
        };
        if let Some(deadline) = deadline {
            *deadline = (*deadline + pause).min(now + self.timeout);
        }
    }

    /// Whether an outcome is still to come on this connection.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. } | Stage::Proven { .. } | Stage::Requested { .. })
    }

    /// Whether a request was sent and an answer is to come.
    pub fn is_owed_an_answer(&self) -> bool {
        matches!(self.stage, Stage::Requested { .. }) || self.waits_for_turn()
    }

    /// When subscriptions go on without the outcome.
    pub fn hold_deadline(&self) -> Option<Instant> {
        self.holds_since.map(|since| since + self.timeout)
    }

    /// Whether subscriptions wait for the outcome.
    pub fn holds_subscriptions_back(&self) -> bool {
        self.holds_since.is_some()
    }

    /// The user, once signed in.
    pub fn user(&self) -> Option<&Name> {
        match &self.stage {
            Stage::In(id) => Some(id),
            _ => None,
        }
    }

    /// Whether this attempt still waits for its answer.
    pub fn awaits(&self, attempt: AttemptId) -> bool {
        matches!(self.stage, Stage::Asking { .. }) && attempt == self.attempt
    }

    /// Whether it is to be tried on the next connection.
    pub fn is_wanted(&self) -> bool {
        matches!(self.stage, Stage::Wanted)
    }

    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// What is told of it, as the answer to the last call.
    pub fn told(&self, outcome: UserOutcome) -> (CallId, UserOutcome) {
        (self.call, outcome)
    }
}
