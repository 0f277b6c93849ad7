//! Asking an auth endpoint, over HTTP (A1).

use std::{
    io::Read,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use ureq::http::{HeaderMap, Request, Response, Uri, header::RETRY_AFTER};
use zeroize::Zeroizing;

use super::{
    authorizer::{Failure, user_code},
    http_connect::{BUFFER, Door, Names},
    stop::Stop,
    tls,
};
use crate::{
    Source,
    auth::Secret,
    config::{Auth, Config, Pairs, checked_header},
    error::excerpt,
};

/// A permission has some hundred bytes.
const MAX_BODY: u64 = 1 << 20;

/// What is read of a refusal. 200 characters of it are told.
const MAX_REFUSAL: u64 = 4096;

/// No server keeps a channel waiting for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The client of the auth endpoints. Lives as long as there is something to ask.
pub(super) struct Http {
    agent: ureq::Agent,
    stop: Arc<Stop>,
}

impl Http {
    pub(super) fn new(config: &Config, connector: &Arc<tls::Connector>) -> Self {
        let stop = Arc::new(Stop::new());
        let settings = ureq::Agent::config_builder()
            // A redirect is an answer like any other: credentials go to the configured host alone.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_response_header_size(BUFFER / 2)
            .timeout_global(Some(config.auth().timeout))
            // Frameworks that would redirect a browser to a login page answer this with a status.
            .accept("application/json")
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "-rust/", env!("CARGO_PKG_VERSION")))
            .build();
        let door = Door { connector: Arc::clone(connector), config: config.clone() };
        let names = Names { stop: Arc::clone(&stop) };
        Self { agent: ureq::Agent::with_parts(settings, door, names), stop }
    }

    /// Interrupts what is under way, and refuses everything from now on.
    pub(super) fn end(&self) {
        self.stop.set();
        self.agent.clone().shutdown();
    }

    /// Sends one request, and gives the body of a success.
    pub(super) fn post(
        &self,
        options: &Auth,
        url: &str,
        fields: &[(&str, &str)],
        inside: &AtomicBool,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let request = request(options, url, fields, inside)?;
        let deadline = Instant::now() + options.timeout;
        let mut response = self.agent.run(request).map_err(|error| failure(error, url, deadline))?;
        if !response.status().is_success() {
            return Err(refusal(&mut response));
        }
        let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec();
        body.map(Zeroizing::new).map_err(|error| failure(error, url, deadline))
    }
}

fn request<'a>(
    options: &Auth,
    url: &str,
    fields: &[(&'a str, &'a str)],
    inside: &AtomicBool,
) -> Result<Request<Vec<u8>>, Failure> {
    let evaluated = evaluate(&options.params_with, inside, "parameters")?;
    let fresh = evaluated.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let params = options.params.iter().map(|(name, value)| (name.as_str(), value.expose())).chain(fresh);
    // Nothing takes the place of the client's own fields.
    let fields = fields.iter().copied().chain(params.filter(|(name, _)| !fields.iter().any(|(own, _)| own == name)));
    let (kind, body) = if options.json {
        ("application/json", json(fields))
    } else {
        ("application/x-www-form-urlencoded", form(fields))
    };
    let request = Request::post(url).header("content-type", kind).body(body.into_bytes());
    let mut request = request.map_err(|_| Failure::refused("the request cannot be made"))?;
    for (name, value) in &options.headers {
        add(request.headers_mut(), name, value)?;
    }
    for (name, value) in evaluate(&options.headers_with, inside, "headers")? {
        add(request.headers_mut(), &name, &Secret::new(value))?;
    }
    Ok(request)
}

/// What the user's closure says for this request.
fn evaluate(closure: &Option<Pairs>, inside: &AtomicBool, what: &str) -> Result<Vec<(String, String)>, Failure> {
    let Some(closure) = closure else { return Ok(Vec::new()) };
    let evaluated = user_code(inside, || closure());
    evaluated.ok_or_else(|| Failure::refused(&format!("the closure for the {what} panicked")))
}

fn add(headers: &mut HeaderMap, name: &str, value: &Secret) -> Result<(), Failure> {
    let (name, value) = checked_header(name, value.expose()).map_err(|reason| Failure::refused(&reason))?;
    headers.append(name, value);
    Ok(())
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    use crate::protocol::percent::encode;
    fields.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

fn json<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let object: Map<_, _> = fields.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    Value::Object(object).to_string()
}

fn refusal(response: &mut Response<ureq::Body>) -> Failure {
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    // What can be read of it will do: the status says enough.
    let _ = response.body_mut().as_reader().take(MAX_REFUSAL).read_to_end(&mut body);
    let message = excerpt(String::from_utf8_lossy(&body).trim());
    Failure::Refused { status: Some(response.status().as_u16()), message, retry_after }
}

/// In seconds. Dates depend on clocks that nobody has compared, and are left to the back-off.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn failure(error: ureq::Error, url: &str, deadline: Instant) -> Failure {
    use ureq::Error as Http;
    if matches!(error, Http::Timeout(_)) || Instant::now() >= deadline {
        return Failure::Timeout;
    }
    let network = |source: Source| {
        // Without the path and the query, where tokens may stand.
        let uri = url.parse::<Uri>().unwrap_or_default();
        let endpoint = uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        Failure::Network { endpoint, source }
    };
    match error {
        Http::Io(error) => network(Arc::new(error)),
        Http::HostNotFound | Http::ConnectionFailed => network(Arc::new(error)),
        Http::BodyExceedsLimit(limit) => Failure::Malformed(format!("is larger than {limit} bytes")),
        Http::LargeResponseHeader(..) => Failure::Malformed("has too large a head".to_owned()),
        other => Failure::Malformed(format!("is not HTTP: {}", excerpt(&other.to_string()))),
    }
}
