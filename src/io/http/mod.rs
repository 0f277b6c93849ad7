//! Asking an auth endpoint, over HTTP/1.1 (A1).
//!
//! In scope: one POST at a time on a connection, kept for the next one where the server lets it; answers with a length, in
//! chunks, or up to the end of the stream. Out of scope, and refused: redirects, compression, upgrades. A library for HTTP
//! would do for this, but ureq logs the bytes of every request at `trace`, credentials included, and has no switch for it (X1).

pub(crate) mod request;
pub(crate) mod response;

use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{
    authorizer::Failure,
    dial::{Dial, Target},
    process::Process,
    reach::left,
    stop::Stop,
    stream::Stream,
    tls,
    traffic::Traffic,
};
use crate::{
    Error, Source,
    config::{Auth, Config, HttpUrl},
    error::excerpt,
    sync::atomic::AtomicBool,
};
use response::{Limits, Response, Unreadable};

/// A permission has some hundred bytes.
const MAX_BODY: usize = 1 << 20;

/// What is read of a refusal. 200 characters of it are told.
const MAX_REFUSAL: usize = 4096;

/// No server keeps a channel waiting for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// As many as there are threads that ask.
const MAX_IDLE: usize = 8;

/// The client of the auth endpoints. Lives as long as there is something to ask.
pub(super) struct Http {
    config: Config,
    connector: Arc<tls::Connector>,
    /// Not that of the client's counters, which tell of its socket.
    traffic: Arc<Traffic>,
    process: Process,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Nothing is to be asked any more.
    over: bool,
    /// The connections that are being made or used.
    under_way: Vec<Arc<Stop>>,
    /// Those that wait for another request.
    idle: Vec<Connection>,
}

/// A connection to an endpoint, with the way to interrupt it.
struct Connection {
    stream: Stream,
    stop: Arc<Stop>,
    /// Where it leads: scheme, host and port.
    origin: String,
}

/// A connection is interrupted by `end` only while it is under way.
struct UnderWay<'a> {
    http: &'a Http,
    stop: Arc<Stop>,
}

impl Http {
    pub(super) fn new(config: &Config, connector: &Arc<tls::Connector>) -> Self {
        Self {
            config: config.clone(),
            connector: Arc::clone(connector),
            traffic: Arc::default(),
            process: Process::current(),
            state: Mutex::default(),
        }
    }

    /// Interrupts what is under way, and refuses everything from now on.
    pub(super) fn end(&self) {
        let State { under_way, idle, .. } =
            std::mem::replace(&mut *self.state.lock(), State { over: true, ..State::default() });
        under_way.iter().for_each(|stop| stop.set());
        drop(idle);
    }

    /// Sends one request, and gives the body of a success. `inside` is set while closures of the program run.
    pub(super) fn post(
        &self,
        options: &Auth,
        url: &str,
        fields: &[(&str, &str)],
        inside: &AtomicBool,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let url = HttpUrl::parse(url).map_err(|_| Failure::refused("the endpoint is not a URL"))?;
        let request = request::build(options, &url, fields, inside)?;
        // A closure of the program may have forked, and this may be the child, whose connections these are not (H7).
        self.process.check().map_err(|error| Failure::refused(&error.to_string()))?;
        let deadline = Instant::now() + options.timeout;
        let response = self.exchange(&url, &request, deadline, options.timeout).map_err(|failed| match failed {
            _ if left(deadline).is_zero() => Failure::Timeout,
            Failed::Error(error) if error.is_timeout() => Failure::Timeout,
            Failed::Error(error) => network(&url, Arc::new(error)),
            Failed::Unreadable(Unreadable::Unheard(error) | Unreadable::Io(error)) => network(&url, Arc::new(error)),
            Failed::Unreadable(Unreadable::Malformed(reason)) => Failure::Malformed(reason),
        })?;
        if response.is_success() { Ok(response.body) } else { Err(refusal(&response)) }
    }

    /// On a connection that is kept, when there is one. That the server ends such a connection in the moment of the request
    /// is nobody's fault: when nothing at all of an answer has come, the request goes out again on a new one.
    fn exchange(
        &self,
        url: &HttpUrl,
        request: &[u8],
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Response, Failed> {
        if let Some(connection) = self.take_idle(&url.origin()) {
            match self.speak(connection, request, deadline) {
                Err(Unreadable::Unheard(error)) if is_over(&error) && !self.state.lock().over => {}
                result => return result.map_err(Failed::Unreadable),
            }
        }
        let connection = self.open(url, deadline, timeout).map_err(Failed::Error)?;
        self.speak(connection, request, deadline).map_err(Failed::Unreadable)
    }

    fn open(&self, url: &HttpUrl, deadline: Instant, timeout: Duration) -> Result<Connection, Error> {
        let stop = Arc::new(Stop::new());
        let _under_way = self.begin(&stop).ok_or(Error::Disconnected)?;
        let (config, connector, traffic) = (&self.config, &self.connector, &self.traffic);
        let dial = Dial { config, connector, deadline, timeout, stop: &stop, traffic };
        let target = Target { host: &url.host, port: url.port, tls: url.tls };
        let stream = dial.stream(&target, &|_| ())?;
        Ok(Connection { stream, stop, origin: url.origin() })
    }

    fn speak(&self, mut connection: Connection, request: &[u8], deadline: Instant) -> Result<Response, Unreadable> {
        let stop = Arc::clone(&connection.stop);
        let _under_way = self.begin(&stop).ok_or_else(|| Unreadable::Io(io::ErrorKind::Interrupted.into()))?;
        connection.stream.gate_mut().set_deadline(deadline);
        // A server may answer, and stop reading, before it has all of the request.
        let written = connection.stream.write_all(request);
        let limits = Limits { success: MAX_BODY, refusal: MAX_REFUSAL };
        let response = match (response::read(&mut connection.stream, &limits), written) {
            (Err(Unreadable::Unheard(_)), Err(error)) => return Err(Unreadable::Unheard(error)),
            (response, _) => response?,
        };
        if response.keeps_connection && connection.stream.is_silent() {
            self.keep(connection);
        }
        Ok(response)
    }

    /// `None` when nothing is to be asked any more.
    fn begin(&self, stop: &Arc<Stop>) -> Option<UnderWay<'_>> {
        let mut state = self.state.lock();
        if state.over {
            return None;
        }
        state.under_way.push(Arc::clone(stop));
        Some(UnderWay { http: self, stop: Arc::clone(stop) })
    }

    fn take_idle(&self, origin: &str) -> Option<Connection> {
        let mut state = self.state.lock();
        state.idle.retain(|connection| connection.stream.is_silent());
        let index = state.idle.iter().position(|connection| connection.origin == origin)?;
        Some(state.idle.swap_remove(index))
    }

    fn keep(&self, connection: Connection) {
        let mut state = self.state.lock();
        if !state.over && state.idle.len() < MAX_IDLE {
            state.idle.push(connection);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.http.state.lock().under_way.retain(|stop| !Arc::ptr_eq(stop, &self.stop));
    }
}

/// Why there is no answer.
enum Failed {
    Error(Error),
    Unreadable(Unreadable),
}

/// Whether the peer had ended the connection.
fn is_over(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof, WriteZero};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof | WriteZero)
}

/// Without the path and the query, where tokens may stand.
fn network(url: &HttpUrl, source: Source) -> Failure {
    Failure::Network { endpoint: url.authority(), source }
}

fn refusal(response: &Response) -> Failure {
    let message = excerpt(String::from_utf8_lossy(&response.body).trim());
    // In seconds. Dates depend on clocks that nobody has compared, and are left to the back-off.
    let retry_after = response.retry_after.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    Failure::Refused { status: Some(response.status), message, retry_after }
}
