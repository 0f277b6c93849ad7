//! Who authorises, and what comes of asking once.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::{Http, Post};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Error, Source, SubscribeOptions, UserAuth,
    auth::{AuthErrorCause, Authorize, RequestOptions},
    config::{Auth, Authenticate, AuthorizeBatch, Config},
    error::{excerpt, is_transient},
    io::{
        guard::user_code::{self, CallContext, UserCodeError},
        intents::LentOptions,
    },
    protocol::{auth_response, channel_name::ChannelKind, secretbox::SharedSecret, signature},
    session::{Answer, ChannelQuestion, Generation, Question},
    surrogates,
};

/// The name of the program's closures that authorise, for errors and logs.
const AUTHORIZER: &str = "the authorizer";

/// Who answers for channels: the first that is configured.
enum ForChannels<'a> {
    Closure(&'a Authorize),
    Batch(&'a AuthorizeBatch),
    /// The URL, and the options of requests to it.
    Endpoint((&'a str, &'a RequestOptions)),
    Secret(&'a str),
    Nobody,
}

/// Who answers for users: the first that is configured.
enum ForUsers<'a> {
    Closure(&'a Authenticate),
    /// The URL, and the options of requests to it.
    Endpoint((&'a str, &'a RequestOptions)),
    Secret {
        secret: &'a str,
        user_data: &'a str,
    },
    Nobody,
}

impl<'a> ForChannels<'a> {
    fn of(auth: &'a Auth) -> Self {
        match (&auth.authorizer, &auth.batch_authorizer, &auth.endpoint, &auth.secret) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(batch), ..) => Self::Batch(batch),
            (None, None, Some(endpoint), _) => Self::Endpoint(auth.request_to(endpoint)),
            (None, None, None, Some(secret)) => Self::Secret(secret.expose()),
            (None, None, None, None) => Self::Nobody,
        }
    }

    /// The channel's own options come before those of the client.
    fn of_channel(auth: &'a Auth, options: Option<&'a SubscribeOptions>) -> Self {
        let closure = options.and_then(SubscribeOptions::own_authorizer);
        match (closure, options.and_then(SubscribeOptions::own_http_auth)) {
            (Some(closure), _) => Self::Closure(closure),
            (None, Some(own)) => Self::Endpoint((own.url(), own.request())),
            (None, None) => Self::of(auth),
        }
    }
}

impl<'a> ForUsers<'a> {
    fn of(auth: &'a Auth) -> Self {
        match (&auth.user_authenticator, &auth.user_endpoint, &auth.secret, &auth.user_data) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(endpoint), ..) => Self::Endpoint(auth.request_to(endpoint)),
            (None, None, Some(secret), Some(data)) => {
                Self::Secret { secret: secret.expose(), user_data: data.expose() }
            }
            _ => Self::Nobody,
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
pub(crate) fn at_once(config: &Config, own: OwnOptionsOf<'_>, question: Question) -> (Vec<Answer>, Vec<Work>) {
    match question {
        Question::User { generation, number, socket_id } => match user_at_once(config, &socket_id) {
            Some(auth) => (vec![Answer::User { generation, number, auth }], Vec::new()),
            None => (Vec::new(), vec![Work::User { generation, number, socket_id }]),
        },
        Question::Channels(questions) => channels_at_once(config, own, questions),
    }
}

fn user_at_once(config: &Config, socket_id: &str) -> Option<Result<UserAuth, Error>> {
    let auth = config.auth();
    match ForUsers::of(auth) {
        ForUsers::Closure(_) | ForUsers::Endpoint(_) => None,
        ForUsers::Secret { secret, user_data } => {
            let signature = signature::user(&key(config), secret, socket_id, user_data);
            Some(Ok(UserAuth::new(signature, user_data)))
        }
        ForUsers::Nobody => {
            let failure = Failure::refused("nothing is configured that signs users in");
            Some(Err(failure.into_error(None, auth.timeout)))
        }
    }
}

fn channels_at_once(
    config: &Config,
    own: OwnOptionsOf<'_>,
    questions: Vec<ChannelQuestion>,
) -> (Vec<Answer>, Vec<Work>) {
    let (mut done, mut works, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        let options = own(&question.channel);
        let auth = match ForChannels::of_channel(config.auth(), options.as_ref().and_then(LentOptions::as_options)) {
            ForChannels::Closure(_) | ForChannels::Endpoint(_) => {
                works.push(Work::Channel(question));
                continue;
            }
            ForChannels::Batch(_) => {
                batch.push(question);
                continue;
            }
            ForChannels::Secret(secret) => sign_channel(config, secret, &question.request)
                .map_err(|failure| failure.into_error(Some(&question.channel), config.auth().timeout)),
            ForChannels::Nobody => Err(Error::NoAuthorizer { channel: question.channel.to_string() }),
        };
        done.push(answer(question, auth));
    }
    if !batch.is_empty() {
        works.push(Work::Batch(batch));
    }
    (done, works)
}

/// Asks once.
pub(crate) fn ask(
    config: &Config,
    own: OwnOptionsOf<'_>,
    http: &Http,
    work: Work,
    retry: Retry,
    context: CallContext,
) -> Outcome {
    let auth = config.auth();
    let final_error = |failure: Failure, channel: Option<&str>| failure.into_error(channel, auth.timeout);
    match work {
        Work::Channel(question) => match ask_channel(auth, own, http, &question.request, context) {
            Err(failure) if retry.allows(&failure) => failure.again(Work::Channel(question)),
            result => {
                let auth = result.map_err(|failure| final_error(failure, Some(&question.channel)));
                Outcome { answers: vec![answer(question, auth)], again: None }
            }
        },
        Work::Batch(questions) => ask_batch(auth, questions, retry, context),
        Work::User { generation, number, socket_id } => match ask_user(auth, http, &socket_id, context) {
            Err(failure) if retry.allows(&failure) => failure.again(Work::User { generation, number, socket_id }),
            result => {
                let auth = result.map_err(|failure| final_error(failure, None));
                Outcome { answers: vec![Answer::User { generation, number, auth }], again: None }
            }
        },
    }
}

fn ask_channel(
    auth: &Auth,
    own: OwnOptionsOf<'_>,
    http: &Http,
    request: &AuthRequest,
    context: CallContext,
) -> Result<ChannelAuth, Failure> {
    let (channel, socket_id) = (request.channel(), request.socket_id());
    let options = own(channel);
    match ForChannels::of_channel(auth, options.as_ref().and_then(LentOptions::as_options)) {
        ForChannels::Closure(closure) => {
            let answer = call(context, AUTHORIZER, || closure(request))??;
            auth_response::checked_channel(answer, channel).map_err(Failure::Malformed)
        }
        ForChannels::Endpoint((url, options)) => {
            let post = Post { url, options, timeout: auth.timeout, socket_id, channel: Some(channel) };
            http.post(&post, |body| auth_response::channel_from(body, channel))
        }
        _ => Err(Failure::refused("nobody is configured to be asked")),
    }
}

fn ask_user(auth: &Auth, http: &Http, socket_id: &str, context: CallContext) -> Result<UserAuth, Failure> {
    match ForUsers::of(auth) {
        ForUsers::Closure(closure) => {
            let answer = call(context, AUTHORIZER, || closure(socket_id))??;
            auth_response::checked_user(answer).map_err(Failure::Malformed)
        }
        ForUsers::Endpoint((url, options)) => {
            let post = Post { url, options, timeout: auth.timeout, socket_id, channel: None };
            http.post(&post, auth_response::user_from)
        }
        _ => Err(Failure::refused("nobody is configured to be asked")),
    }
}

/// The channels that may be tried again go on together, without those that have their answer.
fn ask_batch(auth: &Auth, questions: Vec<ChannelQuestion>, retry: Retry, context: CallContext) -> Outcome {
    let ForChannels::Batch(closure) = ForChannels::of(auth) else { return Outcome::default() };
    let requests: Vec<_> = questions.iter().map(|question| question.request.clone()).collect();
    let absent = || Failure::Malformed("of the batch authorizer does not have this channel".to_owned());
    let (results, absent) = match call(context, AUTHORIZER, || closure(&requests)) {
        Ok(results) => (results, absent()),
        Err(failure) => (Vec::new(), failure),
    };
    let mut results = results.into_iter();
    let mut again = Vec::new();
    let mut answers = Vec::new();
    for question in questions {
        let result = match results.next() {
            Some(Ok(auth)) => auth_response::checked_channel(auth, &question.channel).map_err(Failure::Malformed),
            Some(Err(error)) => Err(error.into()),
            None => Err(absent.clone()),
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
fn sign_channel(config: &Config, secret: &str, request: &AuthRequest) -> Result<ChannelAuth, Failure> {
    let (channel, auth) = (request.channel(), config.auth());
    let sign = |data| signature::channel(&key(config), secret, request.socket_id(), channel, data);
    match ChannelKind::of(channel) {
        kind if kind.is_presence() => {
            let user = auth.user_data.as_ref().and_then(|data| member_of(data.expose()));
            let member = user.ok_or_else(|| Failure::refused("a presence channel needs Config::user_data"))?;
            Ok(ChannelAuth::new(sign(Some(&member))).channel_data(member))
        }
        kind if kind.is_encrypted() => {
            let master = auth.master_key.as_ref().and_then(|key| SharedSecret::from_base64(key.expose()).ok());
            let master =
                master.ok_or_else(|| Failure::refused("an encrypted channel needs Config::encryption_master_key"))?;
            let shared = SharedSecret::derive(channel, &master);
            Ok(ChannelAuth::new(sign(None)).shared_secret(shared.to_base64()))
        }
        _ => Ok(ChannelAuth::new(sign(None))),
    }
}

/// The member that a user is on a presence channel.
fn member_of(user_data: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow)]
        user_info: Option<&'a RawValue>,
    }
    const ID: &str = r#"{"user_id":"#;
    const INFO: &str = r#","user_info":"#;
    let repaired = surrogates::repaired(user_data);
    let user: User<'_> = serde_json::from_str(repaired.as_deref().map_or(user_data, String::as_str)).ok()?;
    let info = user.user_info.map_or("", RawValue::get);
    // As long as it gets, because growing would leave a part of it behind in memory, as would a tree of values (X1).
    let mut member = String::with_capacity(ID.len() + user.id.get().len() + INFO.len() + info.len() + 1);
    member.push_str(ID);
    member.push_str(user.id.get());
    if !info.is_empty() {
        member.push_str(INFO);
        member.push_str(info);
    }
    member.push('}');
    Some(member)
}

/// That there is one has been checked before connecting.
fn key(config: &Config) -> String {
    config.app_key().unwrap_or_default()
}

/// Calls a closure of the program that authorises, or that gives parts of a request.
pub(crate) fn call<T>(context: CallContext, name: &str, closure: impl FnOnce() -> T) -> Result<T, Failure> {
    user_code::call(context, name, closure).map_err(|error| match error {
        UserCodeError::Panicked => Failure::refused(&format!("{name} panicked")),
        UserCodeError::Forked => Failure::refused(&Error::Forked.to_string()),
    })
}

/// Why there is no permission.
#[derive(Debug, Clone)]
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
