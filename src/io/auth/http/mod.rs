//! Asking an auth endpoint (A1).
//!
//! ureq speaks HTTP, keeps connections for the next request, and enforces the deadline. [`transport`] makes the
//! connections in the same way as the socket's: through the proxy, with the same TLS, and so that [`Http::end`]
//! interrupts them in every phase. [`head_filter`] reads the head of each answer first, so that the status counts
//! before anything else. Redirects are not followed.

mod head_filter;
mod request;
#[cfg(any(test, fuzzing))]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
mod transport;

use std::{
    io::{self, Read},
    str,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body,
    http::{Request, Response},
    unversioned::transport::Connector,
};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::{
    Error, Source,
    config::{HttpUrl, Plan},
    error::excerpt,
    io::{
        connect::happy_eyeballs::left,
        guard::{fork::ForkGuard, user_code::CallContext},
        transport::tls,
    },
    secret::Wiped,
};

use head_filter::CODING;
pub(crate) use request::Post;
use transport::{Network, NoResolver};

/// The limit for the body of a success. A permission has a few hundred bytes.
const MAX_BODY: u64 = 1 << 20;

/// The limit for the body of a refusal. An error quotes up to 200 characters of it.
const MAX_REFUSAL: u64 = 4096;

/// A longer `Retry-After` is cut to this, because a channel waits for it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// One idle connection for each auth thread.
const MAX_IDLE: usize = 8;

/// Most servers close connections that are idle for longer.
const MAX_IDLE_AGE: Duration = Duration::from_secs(15);

/// The most bytes that one read of a body takes.
const CHUNK: usize = 4096;

/// The HTTP client for the auth endpoints. It lives as long as requests are pending.
pub(crate) struct Http {
    agent: Agent,
    /// For the closures of the program that give headers and parameters.
    context: CallContext,
}

impl Http {
    pub fn new(plan: &Arc<Plan>, connector: &Arc<tls::Connector>) -> Self {
        let (plan, connector) = (Arc::clone(plan), Arc::clone(connector));
        Self::over(Network { plan, connector, byte_counters: Arc::default() })
    }

    /// A client that gets its connections from this connector.
    pub fn over(connector: impl Connector) -> Self {
        let settings = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            // Asked for JSON, frameworks answer with a status where they would redirect a browser to a login page.
            .accept("application/json")
            .accept_encoding("")
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "-rust/", env!("CARGO_PKG_VERSION")))
            .build();
        let context = CallContext::new(ForkGuard::current());
        Self { agent: Agent::with_parts(settings, connector, NoResolver), context }
    }

    /// Interrupts all requests under way, and refuses every request from now on.
    pub fn end(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends one request, and returns the result of `make` for the body of a success.
    pub fn post<T>(&self, post: &Post<'_>, make: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, Failure> {
        let (request, body) = request::build(post, self.context)?;
        let deadline = Instant::now() + post.timeout;
        let failed = |error| failure(error, post.url, deadline);
        let mut response = self.send(&request, &body, deadline).map_err(failed)?;
        if !response.status().is_success() {
            return Err(refusal(&mut response));
        }
        let mut body = Wiped::default();
        let mut reader = response.body_mut().with_config().limit(MAX_BODY).reader();
        read(&mut reader, &mut body).map_err(|error| failed(error.into()))?;
        make(&body).map_err(|reason| match header(&response, CODING) {
            Some(coding) if reason.starts_with("is not") => {
                Failure::Malformed(format!("is not JSON; its Content-Encoding is {coding}"))
            }
            _ => Failure::Malformed(reason),
        })
    }

    /// A server may close an idle connection at the moment of the request. If the connection ends before the first byte
    /// of an answer, the request is sent once more, on a new connection.
    fn send(&self, request: &Request<()>, body: &[u8], deadline: Instant) -> Result<Response<Body>, ureq::Error> {
        let send = |idle_age| {
            let request = self.agent.configure_request(request.clone().map(|()| body));
            self.agent.run(request.timeout_global(Some(left(deadline))).max_idle_age(idle_age).build())
        };
        match send(MAX_IDLE_AGE) {
            Err(ureq::Error::ConnectionFailed) => send(Duration::ZERO),
            result => result,
        }
    }
}

/// The failure for an answer that is not a success. An error while reading the body is ignored: the status is enough.
fn refusal(response: &mut Response<Body>) -> Failure {
    let mut body = Wiped::default();
    let _ = read(&mut response.body_mut().as_reader().take(MAX_REFUSAL), &mut body);
    let message = match (str::from_utf8(&body), header(response, CODING)) {
        (Err(_), Some(coding)) => format!("a body that is not text; its Content-Encoding is {coding}"),
        _ => excerpt(String::from_utf8_lossy(&body).trim()),
    };
    // A number of seconds. Dates are left to the back-off, because the clocks of client and server may differ.
    let seconds = header(response, "retry-after").and_then(|seconds| seconds.parse().ok());
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    Failure::Refused { status: Some(response.status().as_u16()), message, retry_after }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Reads to the end. The bytes before an error stay in `bytes`.
fn read(body: &mut impl Read, bytes: &mut Wiped) -> io::Result<()> {
    let mut chunk = Zeroizing::new([0; CHUNK]);
    loop {
        match body.read(chunk.as_mut_slice())? {
            0 => return Ok(()),
            count => bytes.push(chunk.get(..count).unwrap_or_default()),
        }
    }
}

fn failure(error: ureq::Error, url: &HttpUrl, deadline: Instant) -> Failure {
    use ureq::Error as Http;
    // The path and the query are left out, because they may contain tokens.
    let network = |source: Source| Failure::Network { endpoint: url.authority(), source };
    match error {
        _ if left(deadline).is_zero() => Failure::Timeout,
        Http::Timeout(_) => Failure::Timeout,
        // In this order: an error of dialling, an error of the stream, the reason why an answer is malformed.
        Http::Other(reason) => match reason.downcast::<Error>().map_err(|reason| reason.downcast::<io::Error>()) {
            Ok(error) if error.is_timeout() => Failure::Timeout,
            Ok(error) => network(Arc::new(*error)),
            Err(Ok(error)) => network(Arc::new(*error)),
            Err(Err(reason)) => Failure::Malformed(reason.to_string()),
        },
        Http::Io(error) => network(Arc::new(error)),
        // The stream ended inside a chunk.
        Http::BodyStalled => network(Arc::new(io::Error::from(io::ErrorKind::UnexpectedEof))),
        Http::BodyExceedsLimit(limit) => Failure::Malformed(format!("is larger than {limit} bytes")),
        Http::Protocol(_) | Http::Http(_) => Failure::Malformed(format!("is not HTTP ({error})")),
        other => network(Arc::new(io::Error::other(other))),
    }
}
