//! The sources of permissions, and one request to them (A2).

use std::time::{Duration, Instant};

use super::{
    failure::Failure,
    http::{Http, Post},
};
use crate::{
    AuthRequest, ChannelAuth, Error, UserAuth,
    auth::Authorize,
    config::{AuthEndpoint, AuthPlan, Authenticate, AuthorizeBatch, ChannelPlan, SignedUser, Signer},
    io::{guard::user_code::CallContext, intents::LentOptions},
    protocol::{auth_response, channel_name::ChannelKind, secretbox::SharedSecret, signature},
    session::{AuthAnswer, AuthOutcome, AuthSubject, PendingAuth},
};

/// The name of the program's closures, in errors and log records.
const CLOSURE: &str = "the authorizer";

/// The source of permissions for channels: the first that is configured.
enum ChannelSource<'a> {
    Closure(&'a Authorize),
    Batch(&'a AuthorizeBatch),
    Endpoint(&'a AuthEndpoint),
    Secret(&'a Signer),
    None,
}

/// The source of sign-ins: the first that is configured.
enum UserSource<'a> {
    Closure(&'a Authenticate),
    Endpoint(&'a AuthEndpoint),
    Secret { signer: &'a Signer, user: &'a SignedUser },
    None,
}

impl<'a> ChannelSource<'a> {
    /// The channel's own options come before those of the client.
    fn of(auth: &'a AuthPlan, own: Option<&'a ChannelPlan>) -> Self {
        match own.map(|own| (&own.authorizer, &own.endpoint)) {
            Some((Some(closure), _)) => Self::Closure(closure),
            Some((None, Some(endpoint))) => Self::Endpoint(endpoint),
            Some((None, None)) | None => Self::of_client(auth),
        }
    }

    fn of_client(auth: &'a AuthPlan) -> Self {
        match (&auth.authorizer, &auth.batch_authorizer, &auth.endpoint, &auth.signer) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(batch), ..) => Self::Batch(batch),
            (None, None, Some(endpoint), _) => Self::Endpoint(endpoint),
            (None, None, None, Some(signer)) => Self::Secret(signer),
            (None, None, None, None) => Self::None,
        }
    }
}

impl<'a> UserSource<'a> {
    fn of(auth: &'a AuthPlan) -> Self {
        let signer = auth.signer.as_ref().and_then(|signer| Some((signer, signer.user.as_ref()?)));
        match (&auth.user_authenticator, &auth.user_endpoint, signer) {
            (Some(closure), ..) => Self::Closure(closure),
            (None, Some(endpoint), _) => Self::Endpoint(endpoint),
            (None, None, Some((signer, user))) => Self::Secret { signer, user },
            (None, None, None) => Self::None,
        }
    }
}

/// The time limits for another request after a failure (A4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// The wait before it, unless the answer asks for a longer one.
    pub delay: Duration,
    /// The session waits for the answer until then. After the last request this is over already.
    pub end: Instant,
}

impl Retry {
    /// A transient failure becomes the answer only if the next request would come too late.
    fn allows(&self, failure: &Failure) -> bool {
        let delay = failure.retry_after().unwrap_or_default().max(self.delay);
        failure.is_transient() && delay < self.end.saturating_duration_since(Instant::now())
    }
}

/// The result of one request.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub answers: Vec<AuthAnswer>,
    /// Requests that may be made again.
    pub to_repeat: Vec<PendingAuth>,
    /// The shortest wait before that.
    pub retry_after: Duration,
}

/// Asks the configured sources for permissions.
pub(crate) struct Authorizer<'a> {
    pub auth: &'a AuthPlan,
    /// Returns the channel's own options, if it has any.
    pub own_options: &'a dyn Fn(&str) -> Option<LentOptions>,
    /// For the closures of the program.
    pub context: CallContext,
}

impl Authorizer<'_> {
    /// Returns the answers that need no waiting: signatures with the app's secret, and errors if no source is configured.
    /// The other requests come in groups, each for one HTTP request or one call of a closure.
    pub fn answer_at_once(&self, requests: Vec<PendingAuth>) -> (Vec<AuthAnswer>, Vec<Vec<PendingAuth>>) {
        let (mut answers, mut groups, mut batch) = (Vec::new(), Vec::new(), Vec::new());
        for pending in requests {
            match self.outcome_at_once(&pending.subject) {
                AtOnce::Answer(Ok(outcome)) => answers.push(pending.answered(outcome)),
                AtOnce::Answer(Err(error)) => answers.push(pending.failed(error)),
                AtOnce::Group => groups.push(vec![pending]),
                AtOnce::Batch => batch.push(pending),
            }
        }
        groups.extend(Some(batch).filter(|batch| !batch.is_empty()));
        (answers, groups)
    }

    fn outcome_at_once(&self, subject: &AuthSubject) -> AtOnce {
        match subject {
            AuthSubject::Channel(request) => self.channel_at_once(request),
            AuthSubject::User { socket_id } => match UserSource::of(self.auth) {
                UserSource::Closure(_) | UserSource::Endpoint(_) => AtOnce::Group,
                UserSource::Secret { signer, user } => {
                    AtOnce::Answer(Ok(AuthOutcome::user(sign_user(signer, user, socket_id))))
                }
                UserSource::None => {
                    let failure = Failure::refused("nothing is configured that signs users in");
                    AtOnce::Answer(Err(self.error(failure, subject)))
                }
            },
        }
    }

    fn channel_at_once(&self, request: &AuthRequest) -> AtOnce {
        let own = (self.own_options)(request.channel());
        match ChannelSource::of(self.auth, own.as_ref().and_then(LentOptions::as_options)) {
            ChannelSource::Closure(_) | ChannelSource::Endpoint(_) => AtOnce::Group,
            ChannelSource::Batch(_) => AtOnce::Batch,
            ChannelSource::Secret(signer) => AtOnce::Answer(match sign_channel(signer, request) {
                Ok(auth) => Ok(AuthOutcome::channel(request, auth)),
                Err(failure) => Err(failure.into_error(Some(request.channel()), self.auth.timeout)),
            }),
            ChannelSource::None => AtOnce::Answer(Err(Error::NoAuthorizer { channel: request.channel().to_owned() })),
        }
    }

    /// Makes one HTTP request, or calls one closure, for this group. Blocks.
    pub fn ask(&self, http: &Http, group: Vec<PendingAuth>, retry: Retry) -> Exchange {
        let results = match &group[..] {
            [pending] => vec![self.ask_for(http, &pending.subject)],
            _ => self.ask_for_batch(&group),
        };
        let mut exchange = Exchange::default();
        for (pending, result) in group.into_iter().zip(results) {
            match result {
                Ok(outcome) => exchange.answers.push(pending.answered(outcome)),
                Err(failure) if retry.allows(&failure) => {
                    record!(debug, "auth: {}: {failure}", pending.subject.channel().unwrap_or("sign-in"));
                    exchange.retry_after = exchange.retry_after.max(failure.retry_after().unwrap_or_default());
                    exchange.to_repeat.push(pending);
                }
                Err(failure) => {
                    let error = self.error(failure, &pending.subject);
                    exchange.answers.push(pending.failed(error));
                }
            }
        }
        exchange
    }

    fn ask_for(&self, http: &Http, subject: &AuthSubject) -> Result<AuthOutcome, Failure> {
        match subject {
            AuthSubject::Channel(request) => {
                self.ask_for_channel(http, request).map(|auth| AuthOutcome::channel(request, auth))
            }
            AuthSubject::User { socket_id } => self.ask_for_user(http, socket_id).map(AuthOutcome::user),
        }
    }

    fn ask_for_channel(&self, http: &Http, request: &AuthRequest) -> Result<ChannelAuth, Failure> {
        let channel = request.channel();
        let own = (self.own_options)(channel);
        match ChannelSource::of(self.auth, own.as_ref().and_then(LentOptions::as_options)) {
            ChannelSource::Closure(closure) => Ok(Failure::of_call(self.context, CLOSURE, || closure(request))??),
            ChannelSource::Batch(closure) => {
                let results = self.call_batch(closure, std::slice::from_ref(request));
                results.into_iter().next().unwrap_or_else(|| Err(not_configured()))
            }
            ChannelSource::Endpoint(AuthEndpoint { url, request: options }) => {
                let (timeout, socket_id) = (self.auth.timeout, request.socket_id());
                let post = Post { url, options, timeout, socket_id, channel: Some(channel) };
                http.post(&post, |body| auth_response::channel_from(body, channel))
            }
            ChannelSource::Secret(signer) => sign_channel(signer, request),
            ChannelSource::None => Err(not_configured()),
        }
    }

    fn ask_for_user(&self, http: &Http, socket_id: &str) -> Result<UserAuth, Failure> {
        match UserSource::of(self.auth) {
            UserSource::Closure(closure) => Ok(Failure::of_call(self.context, CLOSURE, || closure(socket_id))??),
            UserSource::Endpoint(AuthEndpoint { url, request: options }) => {
                let post = Post { url, options, timeout: self.auth.timeout, socket_id, channel: None };
                http.post(&post, auth_response::user_from)
            }
            UserSource::Secret { .. } | UserSource::None => Err(not_configured()),
        }
    }

    /// The channels of a group belong to the batch authorizer.
    fn ask_for_batch(&self, group: &[PendingAuth]) -> Vec<Result<AuthOutcome, Failure>> {
        let requests: Vec<_> = group.iter().filter_map(|pending| pending.subject.request().cloned()).collect();
        let results = match ChannelSource::of_client(self.auth) {
            ChannelSource::Batch(closure) => self.call_batch(closure, &requests),
            _ => requests.iter().map(|_| Err(not_configured())).collect(),
        };
        let outcomes = requests.iter().zip(results);
        outcomes.map(|(request, result)| result.map(|auth| AuthOutcome::channel(request, auth))).collect()
    }

    /// Returns one result for each request.
    fn call_batch(&self, closure: &AuthorizeBatch, requests: &[AuthRequest]) -> Vec<Result<ChannelAuth, Failure>> {
        let absent = || Failure::Malformed("of the batch authorizer does not have this channel".to_owned());
        let (results, absent) = match Failure::of_call(self.context, CLOSURE, || closure(requests)) {
            Ok(results) => (results, absent()),
            Err(failure) => (Vec::new(), failure),
        };
        let mut results = results.into_iter().map(|result| result.map_err(Failure::from));
        requests.iter().map(|_| results.next().unwrap_or_else(|| Err(absent.clone()))).collect()
    }

    fn error(&self, failure: Failure, subject: &AuthSubject) -> Error {
        failure.into_error(subject.channel(), self.auth.timeout)
    }
}

/// How a request is answered.
enum AtOnce {
    Answer(Result<AuthOutcome, Error>),
    /// By a group of its own.
    Group,
    /// Together with others, by the batch authorizer.
    Batch,
}

/// The channel's own options were withdrawn since it was grouped.
fn not_configured() -> Failure {
    Failure::refused("no authorizer is configured")
}

fn sign_user(signer: &Signer, user: &SignedUser, socket_id: &str) -> UserAuth {
    let data = user.data.expose();
    UserAuth::new(signature::user(&signer.app_key, signer.secret.expose(), socket_id, data), data)
}

fn sign_channel(signer: &Signer, request: &AuthRequest) -> Result<ChannelAuth, Failure> {
    let Signer { app_key, secret, user, master_key } = signer;
    let channel = request.channel();
    let sign = |data| signature::channel(app_key, secret.expose(), request.socket_id(), channel, data);
    match ChannelKind::of(channel) {
        kind if kind.is_presence() => {
            let user =
                user.as_ref().ok_or_else(|| Failure::refused("a presence channel needs the option user_data"))?;
            let member = user.member.expose();
            Ok(ChannelAuth::new(sign(Some(member))).channel_data(member))
        }
        kind if kind.is_encrypted() => {
            let no_key = || Failure::refused("an encrypted channel needs the option encryption_master_key");
            let shared = SharedSecret::derive(channel, master_key.as_ref().ok_or_else(no_key)?);
            Ok(ChannelAuth::new(sign(None)).shared_secret(shared.to_base64()))
        }
        _ => Ok(ChannelAuth::new(sign(None))),
    }
}
