//! From the parsed configuration to an open stream, and on to an open WebSocket, under one absolute deadline (C3).

use std::{
    borrow::Cow,
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::Socket;
use tungstenite::handshake::client::generate_key;

use super::{
    chunked,
    happy_eyeballs::{self, ConnectError, left},
    proxy::{self, NoTunnel},
    upgrade::{self, Answer},
};
use crate::{
    ConnectPhase, Error, ProxyProblem, Source,
    config::{ByteStream, DialRequest, Dialer, Endpoint, Plan, Proxy, Scheme, address, without_zone},
    delivery::permit::Permit,
    error::excerpt,
    io::{
        guard::fork::ForkGuard,
        transport::{
            Transport,
            byte_counters::ByteCounters,
            cancel::CancelToken,
            halves::{Halves, ReadHalf},
            maybe_tls::{self, MaybeTlsStream},
            tls,
            websocket::WebSocket,
        },
    },
    sync::atomic::AtomicUsize,
};

/// The limits for reading the body of a refusal. The error quotes up to 200 characters of it.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
const MAX_REFUSAL: usize = 1024;

/// What an attempt to connect needs to know.
pub(crate) struct Dial<'a> {
    pub plan: &'a Plan,
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub connector: &'a tls::Connector,
    pub deadline: Instant,
    /// How long the deadline was, for the error that it has come.
    pub timeout: Duration,
    pub cancel: &'a Arc<CancelToken>,
    /// Where its bytes are counted.
    pub byte_counters: &'a Arc<ByteCounters>,
}

/// Where a stream leads.
pub(crate) struct Target<'a> {
    pub host: &'a str,
    pub port: u16,
    pub scheme: Scheme,
    /// The name to verify in the certificate.
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub tls_name: &'a str,
}

/// An open WebSocket, and the half of its stream that is to be read.
pub(crate) struct Dialled {
    pub web: WebSocket,
    pub read_half: ReadHalf,
}

/// Up to this many calls of the program's closures may run at once: that of the current attempt, and those of abandoned
/// ones.
const MAX_CALLS: usize = 4;

/// The calls of the closures that dial and that make URLs, few at a time, so that closures that never return do not pile
/// up.
pub(crate) struct DialerCalls {
    running: Arc<AtomicUsize>,
    process: ForkGuard,
}

impl DialerCalls {
    pub fn new(process: ForkGuard) -> Self {
        Self { running: Arc::default(), process }
    }

    /// The address for one attempt, which the program's closure may have to make.
    pub fn endpoint_of_attempt<'a>(&self, plan: &'a Plan, cancel: &CancelToken) -> Result<Cow<'a, Endpoint>, Error> {
        if !plan.has_url_closure() {
            return plan.endpoint();
        }
        if cancel.is_set() {
            return Err(Error::Disconnected);
        }
        self.run(|| plan.endpoint(), |busy| Error::DialUrl { reason: format!("could not be made: {busy}") })
    }

    fn dial(&self, dialer: &Dialer, request: &DialRequest) -> Result<ByteStream, Error> {
        self.run(|| dialer.dial(request), |busy| Error::Dialer { source: Arc::new(io::Error::other(busy)) })
    }

    fn run<T>(
        &self,
        closure: impl FnOnce() -> Result<T, Error>,
        refused: impl FnOnce(&'static str) -> Error,
    ) -> Result<T, Error> {
        let place = Permit::take(&self.running, MAX_CALLS);
        let place = place.ok_or_else(|| refused("it has not returned from earlier attempts"))?;
        let result = closure();
        drop(place);
        // The closure may have forked, and this may be the child, where the client does nothing (H7).
        self.process.check()?;
        result
    }
}

impl Dial<'_> {
    /// Opens a WebSocket; calls `reached` at the beginning of each phase. `tls` insists on TLS if the configuration has it
    /// off.
    pub fn web_socket(
        &self,
        endpoint: Cow<'_, Endpoint>,
        tls: bool,
        calls: &DialerCalls,
        reached: impl Fn(ConnectPhase),
    ) -> Result<Dialled, Error> {
        let endpoint = if tls { Cow::Owned(endpoint.into_owned().over_tls()?) } else { endpoint };
        let Endpoint { host, port, scheme, .. } = &*endpoint;
        let target = Target { host, port: *port, scheme: *scheme, tls_name: self.plan.tls.server_name(host) };
        let mut stream = match &self.plan.dialer {
            Some(dialer) => {
                reached(ConnectPhase::Tcp);
                let halves = self.dial_by(dialer, calls, &target)?;
                self.secure(&target, MaybeTlsStream::Plain(Transport::open(halves, self.deadline)), &reached)?
            }
            None => self.stream(&target, &reached)?,
        };
        reached(ConnectPhase::Upgrade);
        let early = self.upgrade(&endpoint, &mut stream)?;
        let failed = |error| Error::Tcp { address: endpoint.address(), source: Arc::new(error) };
        let read_half = stream.transport_mut().close().map_err(failed)?;
        let read_half = read_half.ok_or_else(|| Error::lost("the stream is read already"))?;
        Ok(Dialled { web: WebSocket::new(stream, early, self.plan.max_message_size), read_half })
    }

    /// Opens a stream, by the proxy where there is one, with TLS where the target has it.
    pub fn stream(&self, target: &Target<'_>, reached: &impl Fn(ConnectPhase)) -> Result<MaybeTlsStream, Error> {
        let stream = match self.plan.proxy_for(target.scheme.is_tls(), target.host, target.port) {
            None => MaybeTlsStream::Plain(self.connect(target.host, target.port, reached)?),
            Some(proxy) => self.tunnel(proxy, target, reached)?,
        };
        self.secure(target, stream, reached)
    }

    /// A stream through the proxy to the target.
    fn tunnel(
        &self,
        proxy: &Proxy,
        target: &Target<'_>,
        reached: &impl Fn(ConnectPhase),
    ) -> Result<MaybeTlsStream, Error> {
        let transport = self.connect(&proxy.host, proxy.port, reached).map_err(|error| absent(proxy, error))?;
        reached(ConnectPhase::Proxy);
        let mut stream = MaybeTlsStream::Plain(transport);
        #[cfg(feature = "native-tls")]
        if proxy.scheme.is_tls() {
            let secured = self.connector.secure_proxy(&proxy.host, stream, &self.plan.tls);
            stream = secured.map_err(|error| self.insecure(proxy, error))?;
        }
        let tunnel = proxy::tunnel(proxy, &mut stream, without_zone(target.host), target.port);
        tunnel.map_err(|reason| self.no_tunnel(reason, proxy))?;
        Ok(stream)
    }

    fn connect(&self, host: &str, port: u16, reached: &impl Fn(ConnectPhase)) -> Result<Transport, Error> {
        reached(ConnectPhase::Dns);
        let addresses = happy_eyeballs::resolve(host, port, self.cancel, self.deadline).map_err(|unreached| {
            self.error(unreached, ConnectPhase::Dns, |source| Error::Dns { host: host.to_owned(), source })
        })?;
        reached(ConnectPhase::Tcp);
        let failed = |source: Source| Error::Tcp { address: address(host, port), source };
        let socket: Socket = happy_eyeballs::connect(addresses, self.cancel, self.deadline)
            .map_err(|unreached| self.error(unreached, ConnectPhase::Tcp, failed))?;
        // Events are small and wait for no more to come.
        socket.set_tcp_nodelay(true).map_err(|error| failed(Arc::new(error)))?;
        Ok(Transport::open(Halves::of_socket(socket.into(), self.byte_counters), self.deadline))
    }

    /// What the program's own closure returns too late is closed.
    fn dial_by(&self, dialer: &Dialer, calls: &DialerCalls, target: &Target<'_>) -> Result<Halves, Error> {
        // The closure is the program's own, and nothing of it is begun any more once the client has ended.
        if self.cancel.is_set() {
            return Err(Error::Disconnected);
        }
        let request = DialRequest::new(target.host, target.port, left(self.deadline));
        let halves = Halves::of_dialled(calls.dial(dialer, &request)?.into_parts(), self.byte_counters)?;
        if !self.cancel.watch(0, halves.close_handle.clone()) {
            halves.close_handle.close();
            return Err(Error::Disconnected);
        }
        Ok(halves)
    }

    fn secure(
        &self,
        target: &Target<'_>,
        stream: MaybeTlsStream,
        reached: &impl Fn(ConnectPhase),
    ) -> Result<MaybeTlsStream, Error> {
        if target.scheme.is_tls() {
            reached(ConnectPhase::Tls);
        }
        match target.scheme {
            Scheme::Plain => Ok(stream),
            #[cfg(feature = "native-tls")]
            Scheme::Tls => {
                let secured = self.connector.secure(target.tls_name, stream, &self.plan.tls);
                secured.map_err(|error| match error {
                    Error::Tls { .. } if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Tls),
                    other => other,
                })
            }
        }
    }

    /// RFC 6455, section 4. Returns what came after the answer.
    fn upgrade(&self, endpoint: &Endpoint, stream: &mut MaybeTlsStream) -> Result<Vec<u8>, Error> {
        let key = generate_key();
        let request = upgrade::request(&endpoint.target, &endpoint.authority(), &key, &self.plan.headers);
        stream.write_all(&request).map_err(|error| self.upgrade_failed(endpoint, error))?;
        let mut answer = Vec::with_capacity(1024);
        loop {
            let mut meaning = upgrade::read(&answer, &key)?;
            if matches!(meaning, Answer::Incomplete)
                && read_some(stream, &mut answer).map_err(|error| self.upgrade_failed(endpoint, error))? == 0
            {
                meaning = upgrade::cut_off(&answer).ok_or_else(|| unanswered(endpoint, "ended"))?;
            }
            match meaning {
                Answer::Incomplete => {}
                Answer::Accepted { head } => return Ok(answer.split_off(head)),
                Answer::Refused { status, head, body, is_chunked } => {
                    stream.transport_mut().set_deadline(self.deadline.min(Instant::now() + REFUSAL_WITHIN));
                    let more = if stream.transport().keeps_deadlines() { body.unwrap_or(MAX_REFUSAL) } else { 0 };
                    let body = read_refusal(stream, answer.split_off(head), more, is_chunked);
                    return Err(Error::UpgradeStatus { status, body });
                }
            }
        }
    }

    fn upgrade_failed(&self, endpoint: &Endpoint, error: io::Error) -> Error {
        match error.kind() {
            _ if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Upgrade),
            io::ErrorKind::ConnectionReset => unanswered(endpoint, "reset"),
            io::ErrorKind::UnexpectedEof => unanswered(endpoint, "ended"),
            _ => maybe_tls::late_refusal(&error).cloned().unwrap_or_else(|| Error::Upgrade {
                reason: format!("the connection failed: {error}"),
                source: Some(Arc::new(error)),
            }),
        }
    }

    /// The error for a failed handshake with the proxy.
    fn insecure(&self, proxy: &Proxy, error: Error) -> Error {
        match error {
            Error::Tls { .. } if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Proxy),
            Error::Tls { problem, .. } => Error::proxy_tls(proxy.address(), problem, Arc::new(error)),
            other => other,
        }
    }

    fn no_tunnel(&self, reason: NoTunnel, proxy: &Proxy) -> Error {
        let address = proxy.address();
        match reason {
            NoTunnel::Io(_) if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Proxy),
            NoTunnel::Io(error) => match maybe_tls::late_refusal(&error) {
                Some(refusal) => self.insecure(proxy, refusal.clone()),
                None => Error::Proxy {
                    address,
                    status: None,
                    problem: ProxyProblem::Ended,
                    reason: format!("the connection failed: {error}"),
                    source: Some(Arc::new(error)),
                },
            },
            NoTunnel::Refused { status, problem, reason } => {
                Error::Proxy { address, status, problem, reason, source: None }
            }
        }
    }

    fn error(&self, unreached: ConnectError, phase: ConnectPhase, failed: impl FnOnce(Source) -> Error) -> Error {
        match unreached {
            ConnectError::Stopped => Error::Disconnected,
            ConnectError::TimedOut => self.timed_out(phase),
            ConnectError::Failed(source) => failed(Arc::new(source)),
            ConnectError::Thread(error) => error,
        }
    }

    fn timed_out(&self, phase: ConnectPhase) -> Error {
        Error::ConnectTimeout { phase, after: self.timeout }
    }
}

/// That the proxy itself cannot be reached is no failure of the server's address.
fn absent(proxy: &Proxy, error: Error) -> Error {
    match error {
        Error::Dns { source, .. } | Error::Tcp { source, .. } => Error::Proxy {
            address: proxy.address(),
            status: None,
            problem: ProxyProblem::Absent,
            reason: format!("it cannot be resolved or reached: {source}"),
            source: Some(source),
        },
        other => other,
    }
}

/// The connection was over before there was an answer.
fn unanswered(endpoint: &Endpoint, how: &str) -> Error {
    let hint = if endpoint.scheme.is_tls() { "" } else { "; a port that expects TLS does so, too (Config::tls)" };
    let source = io::Error::from(io::ErrorKind::UnexpectedEof);
    let reason = format!("the server {how} the connection instead of answering{hint}");
    Error::Upgrade { reason, source: Some(Arc::new(source)) }
}

/// The beginning of a body that says why. What does not come soon is not waited for: the status says enough.
fn read_refusal(stream: &mut MaybeTlsStream, mut body: Vec<u8>, length: usize, is_chunked: bool) -> String {
    let is_whole =
        |body: &[u8]| body.len() >= length.min(MAX_REFUSAL) || (is_chunked && chunked::content(body).is_whole);
    while !is_whole(&body) && read_some(stream, &mut body).is_ok_and(|count| count > 0) {}
    if is_chunked {
        body = chunked::content(&body).bytes;
    }
    excerpt(String::from_utf8_lossy(&body).trim())
}

fn read_some(stream: &mut MaybeTlsStream, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 1024];
    let count = stream.read(&mut chunk)?;
    into.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count)
}
