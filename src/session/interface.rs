//! The inputs and outputs of the session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    AuthRequest, ChannelAuth, ConnectPhase, Error, Name, UserAuth, delivery::CallId, event::Stamp,
    protocol::auth_response, secret::Secret,
};

/// What the session is told by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub connect_timeout: Duration,
    pub activity_timeout: Duration,
    /// Counts in place of that and of the server's value.
    pub activity_timeout_override: Option<Duration>,
    /// How long there may be no connection before that is reported.
    pub unavailable_timeout: Duration,
    pub pong_timeout: Duration,
    pub subscriptions: Rules,
    pub reconnect: ReconnectPolicy,
    /// Client events in any second; `None` for any number.
    pub client_event_limit: Option<u32>,
    /// How long a client event may wait for its turn.
    pub client_event_patience: Duration,
}

/// When and how often to reconnect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReconnectPolicy {
    pub never: bool,
    /// Failed attempts in a row; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// Counts even if `max_delay` is shorter.
    pub min_delay: Duration,
    pub max_delay: Duration,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Connect; if the first attempt fails, give up. The call is settled with the outcome of that attempt. The wish lets
    /// what is delivered be told from an older one's.
    ConnectOnce(Stamp, CallId),
    /// Connect, and keep trying by the policy.
    ConnectForGood(Stamp, CallId),
    Disconnect,
    ReconnectNow,
    /// The user began or ceased to want these channels.
    IntentChanges(Vec<IntentChange>),
    /// The user wants to be signed in.
    SignIn(CallId),
    /// The user sends an event to the other subscribers of a channel.
    Trigger(ClientEvent),
    /// Something about the socket of the given generation.
    Socket(Generation, FromSocket<'a>),
    /// A permission has come, or the reason why there is none.
    Answered(AuthAnswer),
    /// The deadline has come.
    Tick,
}

/// What the socket of one attempt brings.
#[derive(Debug)]
pub(crate) enum FromSocket<'a> {
    /// Dialling has come to this phase. With `Established` the WebSocket is open, and the first message is awaited.
    Reached(ConnectPhase),
    /// Dialling failed before there was a WebSocket.
    DialFailed(Error),
    /// Some bytes arrived, whatever they mean.
    Bytes,
    Text(&'a str),
    Binary,
    /// The peer closed, the socket died, or its bytes broke the rules of WebSocket.
    Ended(Ending),
    /// The reader waits for room in a queue and does not read.
    Paused,
    /// The reader reads again.
    Resumed,
    /// What was to be sent could not all be written.
    WriteBlocked {
        progress: bool,
    },
    /// Everything was written.
    Written,
}

/// How a socket ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With a close frame.
    Closed { code: u16, reason: String },
    /// Without one.
    Lost(Error),
}

/// Numbers the attempts to connect, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation(pub u64);

/// Whether the intent of a channel still has the epoch that the session knows.
pub(crate) type IsCurrent<'a> = &'a dyn Fn(&Stamp) -> bool;

/// An output of the session.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this text on the current socket. Signatures and user data may be in it.
    Send(Secret),
    /// End this socket, or the dialling of it: with a close frame where there is a code, else at once.
    Close {
        generation: Generation,
        code: Option<u16>,
    },
    Effect(Effect),
}

/// Work for the heartbeat.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Open a WebSocket. `tls` insists on TLS where the configuration has it off.
    Dial { generation: Generation, tls: bool, deadline: Instant },
    /// End the reader of this generation.
    StopReader(Generation),
    /// Ask for these permissions, all for the current socket. There is at least one.
    Authorize(Vec<PendingAuth>),
}

/// A client event that has passed all checks which need no session.
#[derive(Debug)]
pub(crate) struct ClientEvent {
    /// The channel, with its intent of that moment.
    pub channel: Stamp,
    /// The name of the event, and the size of its data in bytes: a refusal reports them.
    pub name: Name,
    pub size: usize,
    /// The message as it goes out.
    pub text: String,
    /// When the program triggered the event.
    pub triggered: Instant,
}

/// A channel that the user began or ceased to want; the intent itself says which.
#[derive(Debug)]
pub(crate) struct IntentChange {
    pub channel: Stamp,
    pub ready: Option<ReadyAuth>,
    pub own: OwnOptions,
}

/// A summary of the channel's own options, which replace those of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    /// The channel is authorised in a way of its own. The number changes with the way.
    pub authorizer: Option<u64>,
    pub has_decoder: bool,
}

/// A permission that the user has already.
#[derive(Debug)]
pub(crate) struct ReadyAuth {
    pub auth: ChannelAuth,
    /// The socket of the moment in which it was given; `None` when there was none, and it is meant for the next one.
    pub socket_id: Option<Arc<str>>,
}

/// Numbers the attempts to get a permission, so that a late answer to an earlier attempt is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct AttemptId(pub u64);

/// A permission that the session waits for.
#[derive(Debug, Clone)]
pub(crate) struct PendingAuth {
    /// The socket that it is for.
    pub generation: Generation,
    pub attempt: AttemptId,
    pub subject: AuthSubject,
}

#[derive(Debug, Clone)]
pub(crate) enum AuthSubject {
    Channel(AuthRequest),
    /// The user of this socket signs in.
    User {
        socket_id: Arc<str>,
    },
}

/// The answer to a [`PendingAuth`].
#[derive(Debug)]
pub(crate) struct AuthAnswer {
    pub generation: Generation,
    pub attempt: AttemptId,
    pub outcome: AuthOutcome,
}

/// A permission, or the reason why there is none. The constructors check the permission, so that the session does not (A5).
#[derive(Debug)]
pub(crate) enum AuthOutcome {
    Channel { channel: Name, auth: Result<ChannelAuth, Error> },
    User(Result<Proof, Error>),
}

/// A proof of the user's identity, and the id in it.
#[derive(Debug)]
pub(crate) struct Proof {
    pub auth: UserAuth,
    pub id: String,
}

impl PendingAuth {
    pub fn answered(self, outcome: AuthOutcome) -> AuthAnswer {
        AuthAnswer { generation: self.generation, attempt: self.attempt, outcome }
    }

    pub fn failed(self, error: Error) -> AuthAnswer {
        let outcome = match &self.subject {
            AuthSubject::Channel(request) => AuthOutcome::Channel { channel: request.name().clone(), auth: Err(error) },
            AuthSubject::User { .. } => AuthOutcome::User(Err(error)),
        };
        self.answered(outcome)
    }
}

impl AuthSubject {
    /// The request, for a channel.
    pub fn request(&self) -> Option<&AuthRequest> {
        match self {
            Self::Channel(request) => Some(request),
            Self::User { .. } => None,
        }
    }

    /// The channel. `None` for a sign-in.
    pub fn channel(&self) -> Option<&str> {
        self.request().map(AuthRequest::channel)
    }
}

impl AuthOutcome {
    /// The outcome for a channel, once its authorizer has given a permission.
    pub fn channel(request: &AuthRequest, auth: ChannelAuth) -> Self {
        let channel = request.name().clone();
        Self::Channel { auth: checked(auth, &channel), channel }
    }

    /// The outcome for the user, once the authenticator has given a proof.
    pub fn user(auth: UserAuth) -> Self {
        Self::User(match auth_response::user_of(&auth) {
            Ok(id) => Ok(Proof { auth, id }),
            Err(reason) => Err(Error::AuthMalformed { channel: None, reason }),
        })
    }
}

/// A permission that can be used for this channel.
pub(crate) fn checked(auth: ChannelAuth, channel: &Name) -> Result<ChannelAuth, Error> {
    match auth_response::check_channel(&auth, channel) {
        Ok(()) => Ok(auth),
        Err(reason) => Err(Error::AuthMalformed { channel: Some(channel.to_string()), reason }),
    }
}

/// What subscriptions are told by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How long a subscription may take: authorising it, and the server's answer.
    pub timeout: Duration,
    /// Whether there is anybody to ask for permissions.
    pub can_authorize: bool,
    pub max_members: usize,
    /// How much memory the members of all channels may take.
    pub max_member_bytes: usize,
    /// Decrypted data is not UTF-8, but what the user's own decoder reads.
    pub has_decoder: bool,
}

/// The first of these times.
pub(crate) fn earliest<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
