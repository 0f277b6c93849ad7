//! Asking an auth endpoint (A1).
//!
//! ureq speaks HTTP, keeps connections for the next request, and holds the deadline. Connections are made by [`transport`],
//! like the socket's: by the proxy, with the same TLS, and so that [`Http::end`] interrupts them in every phase. Heads of
//! answers go through [`head_filter`] first, so that the status counts before anything else. No redirect is followed.

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
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body,
    http::{Request, Response},
    unversioned::transport::Connector,
};
use zeroize::Zeroizing;

pub(crate) use super::authorizer::Failure;
use super::{process::Process, reach::left, tls};
use crate::{
    Error, Source,
    config::{Auth, Config, HttpUrl},
    error::excerpt,
    wiped::Wiped,
};
use head_filter::CODING;
use transport::{Network, NoNames};

/// A permission has some hundred bytes.
const MAX_BODY: u64 = 1 << 20;

/// At most this is read of the body of a refusal. An error reports 200 characters of it.
const MAX_REFUSAL: u64 = 4096;

/// No server keeps a channel waiting for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// One for each thread that asks.
const MAX_IDLE: usize = 8;

/// Servers end connections that are idle for longer, as a rule.
const MAX_IDLE_AGE: Duration = Duration::from_secs(15);

/// One read of a body takes at most this.
const CHUNK: usize = 4096;

/// The client of the auth endpoints. Lives as long as there is something to ask.
pub(crate) struct Http {
    agent: Agent,
    process: Process,
}

impl Http {
    pub(super) fn new(config: &Config, connector: &Arc<tls::Connector>) -> Self {
        let (config, connector) = (config.clone(), Arc::clone(connector));
        Self::over(Network { config, connector, traffic: Arc::default() })
    }

    /// A client of what this connector connects to.
    pub(crate) fn over(connector: impl Connector) -> Self {
        let settings = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            // Frameworks that would redirect a browser to a login page answer this with a status.
            .accept("application/json")
            .accept_encoding("")
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "-rust/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: Agent::with_parts(settings, connector, NoNames), process: Process::current() }
    }

    /// Interrupts all requests under way, and refuses every request from now on.
    pub(super) fn end(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends one request, and returns what `make` makes of the body of a success. `inside` is set while closures of the program run.
    pub(crate) fn post<T>(
        &self,
        options: &Auth,
        text: &str,
        fields: &[(&str, &str)],
        inside: &AtomicBool,
        make: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let url = HttpUrl::parse(text).map_err(|_| Failure::refused("the endpoint is not a URL"))?;
        let (request, body) = request::build(options, (text, &url), fields, inside)?;
        // A closure of the program may have forked, and this may be the child, whose connections these are not (H7).
        self.process.check().map_err(|error| Failure::refused(&error.to_string()))?;
        let deadline = Instant::now() + options.timeout;
        let failed = |error| failure(error, &url, deadline);
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

    /// A server may end a kept connection at the moment of the request. When nothing at all of an answer was received, the
    /// request goes out once more, on a new connection.
    fn send(&self, request: &Request<()>, body: &[u8], deadline: Instant) -> Result<Response<Body>, ureq::Error> {
        let attempt = |idle_age| {
            let attempt = self.agent.configure_request(request.clone().map(|()| body));
            self.agent.run(attempt.timeout_global(Some(left(deadline))).max_idle_age(idle_age).build())
        };
        match attempt(MAX_IDLE_AGE) {
            Err(ureq::Error::ConnectionFailed) => attempt(Duration::ZERO),
            result => result,
        }
    }
}

/// The status says enough, where the body cannot be read.
fn refusal(response: &mut Response<Body>) -> Failure {
    let mut body = Wiped::default();
    let _ = read(&mut response.body_mut().as_reader().take(MAX_REFUSAL), &mut body);
    let message = match (str::from_utf8(&body), header(response, CODING)) {
        (Err(_), Some(coding)) => format!("a body that is not text; its Content-Encoding is {coding}"),
        _ => excerpt(String::from_utf8_lossy(&body).trim()),
    };
    // In seconds. Dates depend on clocks that nobody has compared, and are left to the back-off.
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
    // Without the path and the query, where tokens may stand.
    let network = |source: Source| Failure::Network { endpoint: url.authority(), source };
    match error {
        _ if left(deadline).is_zero() => Failure::Timeout,
        Http::Timeout(_) => Failure::Timeout,
        // In this order: of dialling, of the stream, and why an answer is not as it should be.
        Http::Other(reason) => match reason.downcast::<Error>().map_err(|reason| reason.downcast::<io::Error>()) {
            Ok(error) if error.is_timeout() => Failure::Timeout,
            Ok(error) => network(Arc::new(*error)),
            Err(Ok(error)) => network(Arc::new(*error)),
            Err(Err(reason)) => Failure::Malformed(reason.to_string()),
        },
        Http::Io(error) => network(Arc::new(error)),
        // The stream ended inside of a chunk.
        Http::BodyStalled => network(Arc::new(io::Error::from(io::ErrorKind::UnexpectedEof))),
        Http::BodyExceedsLimit(limit) => Failure::Malformed(format!("is larger than {limit} bytes")),
        Http::Protocol(_) | Http::Http(_) => Failure::Malformed(format!("is not HTTP ({error})")),
        other => network(Arc::new(io::Error::other(other))),
    }
}
