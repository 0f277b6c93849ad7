//! The inputs and outputs of the session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    AuthRequest, ChannelAuth, ConnectPhase, Error, Name, UserAuth,
    delivery::{ConnectId, SignInId},
    event::Stamp,
    protocol::auth_response,
    secret::Secret,
};

/// The settings of the session. The options of the configuration change them, and [`Default`] has the defaults of these
/// options.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub connect_timeout: Duration,
    pub activity_timeout: Duration,
    /// Replaces `activity_timeout` and the value of the server.
    pub activity_timeout_override: Option<Duration>,
    /// The time without a connection after which the state becomes `Unavailable`.
    pub unavailable_timeout: Duration,
    pub pong_timeout: Duration,
    pub subscriptions: SubscriptionSettings,
    pub reconnect: ReconnectPolicy,
    /// The maximum number of client events in any second; `None` for no limit.
    pub client_event_limit: Option<u32>,
    /// The maximum time that a client event waits to be sent.
    pub client_event_patience: Duration,
}

/// The settings of subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionSettings {
    /// The maximum time for a subscription, from the request for its permission to the answer of the server. A sign-in
    /// has the same maximum.
    pub timeout: Duration,
    /// Whether an authorizer is configured.
    pub can_authorize: bool,
    /// The maximum number of members of one channel.
    pub max_presence_members: usize,
    /// The memory limit for the members of all channels.
    pub max_presence_bytes: usize,
    /// Whether a decoder of the program makes text of decrypted data. Otherwise the data must be UTF-8.
    pub has_decoder: bool,
}

/// When and how often to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReconnectPolicy {
    pub never: bool,
    /// The maximum number of failed attempts to connect in a row; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// The minimum delay, even if `max_delay` is shorter.
    pub min_delay: Duration,
    pub max_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            activity_timeout: Duration::from_secs(120),
            activity_timeout_override: None,
            unavailable_timeout: Duration::from_secs(10),
            pong_timeout: Duration::from_secs(30),
            subscriptions: SubscriptionSettings::default(),
            reconnect: ReconnectPolicy::default(),
            client_event_limit: Some(10),
            client_event_patience: Duration::from_secs(2),
        }
    }
}

impl Default for SubscriptionSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            can_authorize: false,
            max_presence_members: 100_000,
            max_presence_bytes: 20 << 20,
            has_decoder: false,
        }
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self { never: false, max_attempts: None, min_delay: Duration::ZERO, max_delay: Duration::from_secs(30) }
    }
}

/// An input of the session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Connect, and give up if the first attempt to connect fails. The id names the waiting call, which gets the result of
    /// that attempt. The stamp marks the events of this connection, so that they can be distinguished from those of an
    /// earlier one.
    ConnectOnce(Stamp, ConnectId),
    /// Connect, and keep trying by the reconnect policy.
    ConnectForGood(Stamp, ConnectId),
    Disconnect,
    ReconnectNow,
    /// The program subscribed to or unsubscribed from these channels.
    IntentChanges(Vec<IntentChange>),
    /// The program called `sign_in`.
    SignIn(SignInId),
    /// The program triggered a client event.
    Trigger(ClientEvent),
    /// An event of the socket of the given generation.
    Socket(Generation, FromSocket<'a>),
    /// A request for a permission was answered.
    Answered(AuthAnswer),
    /// The deadline of the session has passed.
    Tick,
}

/// An event of the socket of one attempt to connect.
#[derive(Debug)]
pub(crate) enum FromSocket<'a> {
    /// Dialling has reached this phase. With `Established`, the WebSocket is open and the first message is expected.
    Reached(ConnectPhase),
    /// Dialling failed before the WebSocket was open.
    DialFailed(Error),
    /// Bytes arrived, whatever their meaning.
    Bytes,
    Text(&'a str),
    Binary,
    /// The peer closed the connection, the socket failed, or the peer broke the WebSocket protocol.
    Ended(Ending),
    /// The reader does not read, because a queue is full.
    Paused,
    /// The reader reads again.
    Resumed,
    /// The socket did not take all bytes.
    WriteBlocked {
        progress: bool,
    },
    /// The socket has taken all bytes.
    Written,
}

/// The end of a socket.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The peer sent a close frame.
    Closed { code: u16, reason: String },
    /// The connection ended without a close frame.
    Lost(Error),
}

/// Numbers the attempts to connect, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation(pub u64);

impl Generation {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Whether the intent of a channel still has the epoch of this stamp. Calls of the program change intents during a turn,
/// so the caller of the session answers this.
pub(crate) type IsCurrent<'a> = &'a dyn Fn(&Stamp) -> bool;

/// An output of the session.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this text on the current socket. Signatures and user data may be in it.
    Send(Secret),
    /// Close this socket, or cancel the dialling of it. A close frame is sent if there is a code.
    Close {
        generation: Generation,
        code: Option<u16>,
    },
    Effect(Effect),
}

/// Work for the heartbeat.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Open a WebSocket. `tls` requires TLS even if the configuration has it off.
    Dial { generation: Generation, tls: bool, deadline: Instant },
    /// Stop the reader of this generation.
    StopReader(Generation),
    /// Make these requests for permissions, all for the current socket. There is at least one.
    Authorize(Vec<PendingAuth>),
}

/// A client event that has passed all checks outside of the session.
#[derive(Debug)]
pub(crate) struct ClientEvent {
    /// The channel, with the stamp of its intent at the time of the call.
    pub channel: Stamp,
    /// The name of the event, and the size of its data in bytes. A refusal reports them.
    pub name: Name,
    pub size: usize,
    /// The message text.
    pub text: String,
    /// The time of the call.
    pub triggered: Instant,
}

/// A change of the intent to have a channel. The epoch of the stamp says whether the intent is active.
#[derive(Debug)]
pub(crate) struct IntentChange {
    pub channel: Stamp,
    pub ready: Option<ReadyAuth>,
    pub own: OwnOptions,
}

/// A summary of the channel's own options, which replace those of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    /// The version of the options that have the channel's own authorizer, if it has one. It changes with the authorizer.
    pub authorizer: Option<OptionsVersion>,
    pub has_decoder: bool,
}

/// Numbers the calls that gave a channel options of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OptionsVersion(u64);

impl OptionsVersion {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A permission that the program has obtained itself.
#[derive(Debug)]
pub(crate) struct ReadyAuth {
    pub auth: ChannelAuth,
    /// The socket at the time of the call. `None` if there was none: the permission is then for the next socket.
    pub socket_id: Option<Arc<str>>,
}

/// Numbers attempts, from 1, so that a late answer to an earlier attempt is ignored. Subscriptions and the sign-in count
/// their own attempts each. Equal numbers cannot be confused, because every request names its subject, and every answer
/// does too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct AttemptId(pub u64);

impl AttemptId {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A request for a permission, from the session to the authorizers. The session waits for its [`AuthAnswer`].
#[derive(Debug, Clone)]
pub(crate) struct PendingAuth {
    /// The generation of the socket that the permission is for.
    pub generation: Generation,
    pub attempt: AttemptId,
    pub subject: AuthSubject,
}

/// The channel or the user that needs the permission.
#[derive(Debug, Clone)]
pub(crate) enum AuthSubject {
    Channel(AuthRequest),
    /// The user, who signs in on the socket with this id.
    User {
        socket_id: Arc<str>,
    },
}

/// The answer to a [`PendingAuth`], with the numbers of the request.
#[derive(Debug)]
pub(crate) struct AuthAnswer {
    pub generation: Generation,
    pub attempt: AttemptId,
    pub outcome: AuthOutcome,
}

/// The result of a request: the permission, or the reason why there is none. The constructors
/// [`channel`](AuthOutcome::channel) and [`user`](AuthOutcome::user) check the permission, so that the session need not
/// check it again (A5).
#[derive(Debug)]
pub(crate) enum AuthOutcome {
    Channel { channel: Name, auth: Result<ChannelAuth, Error> },
    User(Result<UserPermission, Error>),
}

/// The permission of the user, with the user's id, which is a part of it.
#[derive(Debug)]
pub(crate) struct UserPermission {
    pub auth: UserAuth,
    pub id: String,
}

impl PendingAuth {
    /// The answer to this request.
    pub fn answered(self, outcome: AuthOutcome) -> AuthAnswer {
        AuthAnswer { generation: self.generation, attempt: self.attempt, outcome }
    }

    /// The answer to this request, if there is no permission.
    pub fn failed(self, error: Error) -> AuthAnswer {
        let outcome = match &self.subject {
            AuthSubject::Channel(request) => AuthOutcome::Channel { channel: request.name().clone(), auth: Err(error) },
            AuthSubject::User { .. } => AuthOutcome::User(Err(error)),
        };
        self.answered(outcome)
    }
}

impl AuthSubject {
    /// The request that an authorizer of channels gets. `None` for a sign-in.
    pub fn request(&self) -> Option<&AuthRequest> {
        match self {
            Self::Channel(request) => Some(request),
            Self::User { .. } => None,
        }
    }

    /// The name of the channel. `None` for a sign-in.
    pub fn channel(&self) -> Option<&str> {
        self.request().map(AuthRequest::channel)
    }
}

impl AuthOutcome {
    /// The outcome for a channel whose authorizer has given this permission.
    pub fn channel(request: &AuthRequest, auth: ChannelAuth) -> Self {
        let channel = request.name().clone();
        Self::Channel { auth: checked(auth, &channel), channel }
    }

    /// The outcome for a user whose authorizer has given this permission.
    pub fn user(auth: UserAuth) -> Self {
        Self::User(match auth_response::user_of(&auth) {
            Ok(id) => Ok(UserPermission { auth, id }),
            Err(reason) => Err(Error::AuthMalformed { channel: None, reason }),
        })
    }
}

/// Returns the permission, if it has everything that the channel needs (A5).
pub(crate) fn checked(auth: ChannelAuth, channel: &Name) -> Result<ChannelAuth, Error> {
    match auth_response::check_channel(&auth, channel) {
        Ok(()) => Ok(auth),
        Err(reason) => Err(Error::AuthMalformed { channel: Some(channel.to_string()), reason }),
    }
}

/// The earliest of these times.
pub(crate) fn earliest<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
