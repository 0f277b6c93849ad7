//! Who authorises, and what comes of asking once.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

use super::http::{Http, Post};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Error, Source, UserAuth,
    auth::{AuthErrorCause, Authorize},
    config::{AuthEndpoint, AuthPlan, Authenticate, AuthorizeBatch, ChannelPlan, SignedUser, Signer},
    error::{excerpt, is_transient},
    io::intents::LentOptions,
    protocol::{auth_response, channel_name::ChannelKind, secretbox::SharedSecret, signature},
    session::{Answer, ChannelQuestion, Generation, Question},
    sync::atomic::{AtomicBool, Ordering},
};

/// Who answers for channels: the first that is configured.
enum ForChannels<'a> {
    Closure(&'a Authorize),
    Batch(&'a AuthorizeBatch),
    Endpoint(&'a AuthEndpoint),
    Secret(&'a Signer),
    Nobody,
}

/// Who answers for users: the first that is configured.
enum ForUsers<'a> {
    Closure(&'a Authenticate),
    Endpoint(&'a AuthEndpoint),
    Secret { signer: &'a Signer, user: &'a SignedUser },
    Nobody,
}

impl<'a> ForChannels<'a> {
    fn of(auth: &'a AuthPlan) -> Self {
        match (&auth.authorizer, &auth.batch_authorizer, &auth.endpoint, &auth.signer) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(batch), ..) => Self::Batch(batch),
            (None, None, Some(endpoint), _) => Self::Endpoint(endpoint),
            (None, None, None, Some(signer)) => Self::Secret(signer),
            (None, None, None, None) => Self::Nobody,
        }
    }

    /// The channel's own options come before those of the client.
    fn of_channel(auth: &'a AuthPlan, options: Option<&'a ChannelPlan>) -> Self {
        match options.map(|own| (&own.authorizer, &own.endpoint)) {
            Some((Some(closure), _)) => Self::Closure(closure),
            Some((None, Some(endpoint))) => Self::Endpoint(endpoint),
            Some((None, None)) | None => Self::of(auth),
        }
    }
}

impl<'a> ForUsers<'a> {
    fn of(auth: &'a AuthPlan) -> Self {
        let signer = auth.signer.as_ref().and_then(|signer| Some((signer, signer.user.as_ref()?)));
        match (&auth.user_authenticator, &auth.user_endpoint, signer) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(endpoint), _) => Self::Endpoint(endpoint),
            (None, None, Some((signer, user))) => Self::Secret { signer, user },
            (None, None, None) => Self::Nobody,
        }
    }
}

/// Returns the channel's own options, if it has any.
pub(crate) type OwnOptionsOf<'a> = &'a dyn Fn(&str) -> Option<LentOptions>;

/// What is asked in one go: one request, or one call of a closure.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Channel(ChannelQuestion),
    Batch(Vec<ChannelQuestion>),
    User { generation: Generation, number: u64, socket_id: Arc<str> },
}

impl Work {
    pub fn generation(&self) -> Generation {
        match self {
            Self::Channel(question) => question.generation,
            Self::Batch(questions) => questions.first().map_or(Generation::default(), |first| first.generation),
            Self::User { generation, .. } => *generation,
        }
    }

    /// The answers to all of it, when it could not even be asked.
    pub fn failed(self, error: &Error) -> Vec<Answer> {
        match self {
            Self::Channel(question) => vec![answer(question, Err(error.clone()))],
            Self::Batch(questions) => {
                questions.into_iter().map(|question| answer(question, Err(error.clone()))).collect()
            }
            Self::User { generation, number, .. } => {
                vec![Answer::User { generation, number, auth: Err(error.clone()) }]
            }
        }
    }
}

/// Whether and when a request may be made again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// The wait before it, unless the answer asks for a longer one.
    pub delay: Duration,
    /// From then on nobody waits for the answer. After the last request, that is over already.
    pub end: Instant,
}

impl Retry {
    /// A4: a failure that may pass is no answer yet. It is one if the next request would come too late.
    fn allows(&self, failure: &Failure) -> bool {
        let delay = failure.retry_after().unwrap_or_default().max(self.delay);
        failure.is_transient() && delay < self.end.saturating_duration_since(Instant::now())
    }
}

/// What comes of asking once.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub answers: Vec<Answer>,
    /// What may be asked again, and after how long at least.
    pub again: Option<(Work, Option<Duration>)>,
}

/// The connection for which it is asked. `None` when nothing is.
pub(crate) fn generation_of(question: &Question) -> Option<Generation> {
    match question {
        Question::Channels(questions) => questions.first().map(|question| question.generation),
        Question::User { generation, .. } => Some(*generation),
    }
}

/// The answers that are there at once (signatures by the app's secret, and errors where no authorizer is configured), and
/// the work that is left.
pub(crate) fn at_once(auth: &AuthPlan, own: OwnOptionsOf<'_>, question: Question) -> (Vec<Answer>, Vec<Work>) {
    match question {
        Question::User { generation, number, socket_id } => match user_at_once(auth, &socket_id) {
            Some(auth) => (vec![Answer::User { generation, number, auth }], Vec::new()),
            None => (Vec::new(), vec![Work::User { generation, number, socket_id }]),
        },
        Question::Channels(questions) => channels_at_once(auth, own, questions),
    }
}

fn user_at_once(auth: &AuthPlan, socket_id: &str) -> Option<Result<UserAuth, Error>> {
    match ForUsers::of(auth) {
        ForUsers::Closure(_) | ForUsers::Endpoint(_) => None,
        ForUsers::Secret { signer: Signer { app_key, secret, .. }, user } => {
            let signature = signature::user(app_key, secret.expose(), socket_id, user.data.expose());
            Some(Ok(UserAuth::new(signature, user.data.expose())))
        }
        ForUsers::Nobody => {
            let failure = Failure::refused("nothing is configured that signs users in");
            Some(Err(failure.into_error(None, auth.timeout)))
        }
    }
}

fn channels_at_once(
    plan: &AuthPlan,
    own: OwnOptionsOf<'_>,
    questions: Vec<ChannelQuestion>,
) -> (Vec<Answer>, Vec<Work>) {
    let (mut done, mut works, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        let options = own(&question.channel);
        let auth = match ForChannels::of_channel(plan, options.as_ref().and_then(LentOptions::as_options)) {
            ForChannels::Closure(_) | ForChannels::Endpoint(_) => {
                works.push(Work::Channel(question));
                continue;
            }
            ForChannels::Batch(_) => {
                batch.push(question);
                continue;
            }
            ForChannels::Secret(signer) => sign_channel(signer, &question.request)
                .map_err(|failure| failure.into_error(Some(&question.channel), plan.timeout)),
            ForChannels::Nobody => Err(Error::NoAuthorizer { channel: question.channel.to_string() }),
        };
        done.push(answer(question, auth));
    }
    if !batch.is_empty() {
        works.push(Work::Batch(batch));
    }
    (done, works)
}

/// Asks once. `inside` is set while user code runs.
pub(crate) fn ask(
    auth: &AuthPlan,
    own: OwnOptionsOf<'_>,
    http: &Http,
    work: Work,
    retry: Retry,
    inside: &AtomicBool,
) -> Outcome {
    let final_error = |failure: Failure, channel: Option<&str>| failure.into_error(channel, auth.timeout);
    match work {
        Work::Channel(question) => match ask_channel(auth, own, http, &question.request, inside) {
            Err(failure) if retry.allows(&failure) => failure.again(Work::Channel(question)),
            result => {
                let auth = result.map_err(|failure| final_error(failure, Some(&question.channel)));
                Outcome { answers: vec![answer(question, auth)], again: None }
            }
        },
        Work::Batch(questions) => ask_batch(auth, questions, retry, inside),
        Work::User { generation, number, socket_id } => match ask_user(auth, http, &socket_id, inside) {
            Err(failure) if retry.allows(&failure) => failure.again(Work::User { generation, number, socket_id }),
            result => {
                let auth = result.map_err(|failure| final_error(failure, None));
                Outcome { answers: vec![Answer::User { generation, number, auth }], again: None }
            }
        },
    }
}

fn ask_channel(
    auth: &AuthPlan,
    own: OwnOptionsOf<'_>,
    http: &Http,
    request: &AuthRequest,
    inside: &AtomicBool,
) -> Result<ChannelAuth, Failure> {
    let (channel, socket_id) = (request.channel(), request.socket_id());
    let options = own(channel);
    match ForChannels::of_channel(auth, options.as_ref().and_then(LentOptions::as_options)) {
        ForChannels::Closure(closure) => {
            let answer = user_code(inside, || closure(request)).ok_or_else(Failure::panicked)??;
            auth_response::checked_channel(answer, channel).map_err(Failure::Malformed)
        }
        ForChannels::Endpoint(AuthEndpoint { url, request: options }) => {
            let post = Post { url, options, timeout: auth.timeout, socket_id, channel: Some(channel) };
            http.post(&post, inside, |body| auth_response::channel_from(body, channel))
        }
        _ => Err(Failure::refused("nobody is configured to be asked")),
    }
}

fn ask_user(auth: &AuthPlan, http: &Http, socket_id: &str, inside: &AtomicBool) -> Result<UserAuth, Failure> {
    match ForUsers::of(auth) {
        ForUsers::Closure(closure) => {
            let answer = user_code(inside, || closure(socket_id)).ok_or_else(Failure::panicked)??;
            auth_response::checked_user(answer).map_err(Failure::Malformed)
        }
        ForUsers::Endpoint(AuthEndpoint { url, request: options }) => {
            let post = Post { url, options, timeout: auth.timeout, socket_id, channel: None };
            http.post(&post, inside, auth_response::user_from)
        }
        _ => Err(Failure::refused("nobody is configured to be asked")),
    }
}

/// The channels that may be tried again go on together, without those that have their answer.
fn ask_batch(auth: &AuthPlan, questions: Vec<ChannelQuestion>, retry: Retry, inside: &AtomicBool) -> Outcome {
    let ForChannels::Batch(closure) = ForChannels::of(auth) else { return Outcome::default() };
    let requests: Vec<_> = questions.iter().map(|question| question.request.clone()).collect();
    let results = user_code(inside, || closure(&requests));
    let panicked = results.is_none();
    let mut results = results.unwrap_or_default().into_iter();
    let mut again = Vec::new();
    let mut answers = Vec::new();
    for question in questions {
        let result = match results.next() {
            Some(Ok(auth)) => auth_response::checked_channel(auth, &question.channel).map_err(Failure::Malformed),
            Some(Err(error)) => Err(error.into()),
            None if panicked => Err(Failure::panicked()),
            None => Err(Failure::Malformed("of the batch authorizer does not have this channel".to_owned())),
        };
        match result {
            Err(failure) if retry.allows(&failure) => {
                log::debug!("auth: {}: {failure}", question.channel);
                again.push(question);
            }
            result => {
                let auth = result.map_err(|failure| failure.into_error(Some(&question.channel), auth.timeout));
                answers.push(answer(question, auth));
            }
        }
    }
    Outcome { answers, again: (!again.is_empty()).then_some((Work::Batch(again), None)) }
}

fn answer(question: ChannelQuestion, auth: Result<ChannelAuth, Error>) -> Answer {
    let ChannelQuestion { generation, number, channel, .. } = question;
    Answer::Channel { generation, number, channel, auth }
}

/// Signs by the app's secret.
fn sign_channel(signer: &Signer, request: &AuthRequest) -> Result<ChannelAuth, Failure> {
    let Signer { app_key, secret, user, master_key } = signer;
    let channel = request.channel();
    let sign = |data| signature::channel(app_key, secret.expose(), request.socket_id(), channel, data);
    match ChannelKind::of(channel) {
        kind if kind.is_presence() => {
            let user = user.as_ref().ok_or_else(|| Failure::refused("a presence channel needs Config::user_data"))?;
            let member = user.member.expose();
            Ok(ChannelAuth::new(sign(Some(member))).channel_data(member))
        }
        kind if kind.is_encrypted() => {
            let no_key = || Failure::refused("an encrypted channel needs Config::encryption_master_key");
            let shared = SharedSecret::derive(channel, master_key.as_ref().ok_or_else(no_key)?);
            Ok(ChannelAuth::new(sign(None)).shared_secret(shared.to_base64()))
        }
        _ => Ok(ChannelAuth::new(sign(None))),
    }
}

/// Runs what the user gave. `None` when it panics. The flag says meanwhile that nobody should wait for this thread.
pub(crate) fn user_code<T>(inside: &AtomicBool, code: impl FnOnce() -> T) -> Option<T> {
    inside.store(true, Ordering::Release);
    let result = panic::catch_unwind(AssertUnwindSafe(code));
    inside.store(false, Ordering::Release);
    if result.is_err() {
        log::error!("a closure of the program that authorises panicked");
    }
    result.ok()
}

/// Why there is no permission.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer from this host and port.
    Network {
        endpoint: String,
        source: Source,
    },
    Timeout,
    Refused {
        status: Option<u16>,
        message: String,
        retry_after: Option<Duration>,
    },
    Malformed(String),
    /// A temporary error in an authorizer of the program.
    Temporary(String),
}

impl Failure {
    pub fn refused(message: &str) -> Self {
        Self::Refused { status: None, message: excerpt(message), retry_after: None }
    }

    fn panicked() -> Self {
        Self::refused("the authorizer panicked")
    }

    /// Whether asking again may help (A4).
    fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Timeout | Self::Temporary(_) => true,
            Self::Refused { status, .. } => status.is_some_and(is_transient),
            Self::Malformed(_) => false,
        }
    }

    fn again(self, work: Work) -> Outcome {
        match &work {
            Work::Channel(question) => log::debug!("auth: {}: {self}", question.channel),
            _ => log::debug!("auth: sign-in: {self}"),
        }
        Outcome { answers: Vec::new(), again: Some((work, self.retry_after())) }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn into_error(self, channel: Option<&str>, after: Duration) -> Error {
        let channel = channel.map(str::to_owned);
        match self {
            Self::Network { endpoint, source } => Error::AuthNetwork { channel, endpoint, source },
            Self::Timeout => Error::AuthTimeout { channel, after },
            Self::Refused { status, message, .. } => Error::AuthRefused { channel, status, message },
            Self::Malformed(reason) => Error::AuthMalformed { channel, reason },
            Self::Temporary(message) => Error::AuthRefused { channel, status: None, message },
        }
    }
}

impl fmt::Display for Failure {
    /// For logs, so without the words of an endpoint, in which anything may stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { endpoint, source } => write!(f, "no connection to {endpoint}: {source}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Refused { status: Some(status), .. } => write!(f, "refused with {status}"),
            Self::Refused { status: None, .. } => f.write_str("refused"),
            Self::Malformed(reason) => write!(f, "the answer {reason}"),
            Self::Temporary(_) => f.write_str("an error that may pass"),
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let cause = error.cause();
        let (message, status) = error.into_parts();
        match cause {
            AuthErrorCause::Malformed => Self::Malformed(excerpt(&message)),
            AuthErrorCause::Io if status.is_none() => Self::Temporary(excerpt(&message)),
            AuthErrorCause::Io | AuthErrorCause::Refusal => {
                Self::Refused { status, message: excerpt(&message), retry_after: None }
            }
        }
    }
}
