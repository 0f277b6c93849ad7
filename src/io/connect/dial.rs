//! Opens a stream and then a WebSocket, before one absolute deadline (C3).

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::Socket;
use tungstenite::handshake::client::generate_key;

use super::{
    happy_eyeballs::{self, ConnectError, left},
    proxy::{self, TunnelError},
    refusal,
    upgrade::{self, Answer},
};
use crate::{
    ConnectPhase, Error, ProxyProblem, Source,
    config::{ByteStream, DialRequest, Dialer, Endpoint, Plan, Proxy, Scheme, address, without_zone},
    io::{
        guard::{
            fork::ForkGuard,
            user_code::{self, CallContext, Permit, UserCodeError},
        },
        transport::{
            Transport,
            cancel::CancelToken,
            halves::{ByteCounters, Halves, ReadHalf},
            maybe_tls::{self, MaybeTlsStream},
            tls,
            websocket::WebSocket,
        },
    },
    sync::atomic::AtomicUsize,
};

/// The circumstances of one attempt to connect.
pub(crate) struct Dial<'a> {
    pub plan: &'a Plan,
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub connector: &'a tls::Connector,
    pub deadline: Instant,
    /// The whole time of the attempt to connect, for the error about the deadline.
    pub timeout: Duration,
    pub cancel: &'a Arc<CancelToken>,
    pub byte_counters: &'a Arc<ByteCounters>,
}

/// The peer at the end of a stream.
pub(crate) struct Target<'a> {
    pub host: &'a str,
    pub port: u16,
    pub scheme: Scheme,
    /// The name to verify in the certificate.
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub tls_name: &'a str,
}

/// An open WebSocket, and the read half of its stream.
pub(crate) struct Dialled {
    pub web: WebSocket,
    pub read_half: ReadHalf,
}

/// The limit for calls of the program's closures that run at the same time: one of the current attempt to connect, the
/// others of abandoned ones.
const MAX_CALLS: usize = 4;

/// Calls the closures that dial and that make URLs. Only a few calls run at a time, so that closures that never return do
/// not pile up.
pub(crate) struct DialerCalls {
    running: Arc<AtomicUsize>,
    process: ForkGuard,
}

impl DialerCalls {
    pub fn new(process: ForkGuard) -> Self {
        Self { running: Arc::default(), process }
    }

    /// The address for one attempt to connect. The program's closure makes it, if there is one.
    pub fn endpoint<'a>(&self, plan: &'a Plan, cancel: &CancelToken) -> Result<Cow<'a, Endpoint>, Error> {
        if !plan.has_url_closure() {
            return plan.endpoint();
        }
        if cancel.is_set() {
            return Err(Error::Disconnected);
        }
        let refused = |reason| Error::DialUrl { reason: format!("could not be made: {reason}") };
        self.run("the closure that makes URLs", || plan.endpoint(), refused)
    }

    fn dial(&self, dialer: &Dialer, request: &DialRequest) -> Result<ByteStream, Error> {
        let refused = |reason| Error::Dialer { source: Arc::new(io::Error::other(reason)) };
        self.run("the dialer", || dialer.dial(request), refused)
    }

    fn run<T>(
        &self,
        name: &str,
        closure: impl FnOnce() -> Result<T, Error>,
        refused: impl FnOnce(&'static str) -> Error,
    ) -> Result<T, Error> {
        let Some(permit) = Permit::take(&self.running, MAX_CALLS) else {
            return Err(refused("it has not returned from earlier attempts"));
        };
        let result = user_code::call(CallContext::new(self.process), name, closure);
        drop(permit);
        match result {
            Ok(result) => result,
            Err(UserCodeError::Panicked) => Err(refused("it panicked")),
            Err(UserCodeError::Forked) => Err(Error::Forked),
        }
    }
}

impl Dial<'_> {
    /// Opens a WebSocket, and calls `reached` at the beginning of each phase. With `tls`, the connection uses TLS even if
    /// the configuration has it off.
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
                self.secure(&target, MaybeTlsStream::Plain(Transport::new(halves, self.deadline)), &reached)?
            }
            None => self.stream(&target, &reached)?,
        };
        reached(ConnectPhase::Upgrade);
        let early = self.upgrade(&endpoint, &mut stream)?;
        let failed = |error| Error::Tcp { address: endpoint.address(), source: Arc::new(error) };
        let read_half = stream.transport_mut().take_read_half().map_err(failed)?;
        let read_half = read_half.ok_or_else(|| Error::lost("the stream is read already"))?;
        Ok(Dialled { web: WebSocket::new(stream, early, self.plan.limits.max_message_size), read_half })
    }

    /// Opens a stream to the target, through the proxy if there is one, and with TLS if the target has it.
    pub fn stream(&self, target: &Target<'_>, reached: &impl Fn(ConnectPhase)) -> Result<MaybeTlsStream, Error> {
        let stream = match self.plan.proxy_for(target.scheme.is_tls(), target.host, target.port) {
            None => MaybeTlsStream::Plain(self.connect(target.host, target.port, reached)?),
            Some(proxy) => self.tunnel(proxy, target, reached)?,
        };
        self.secure(target, stream, reached)
    }

    /// Opens a stream through the proxy to the target.
    fn tunnel(
        &self,
        proxy: &Proxy,
        target: &Target<'_>,
        reached: &impl Fn(ConnectPhase),
    ) -> Result<MaybeTlsStream, Error> {
        let transport =
            self.connect(&proxy.host, proxy.port, reached).map_err(|error| proxy_unreachable(proxy, error))?;
        reached(ConnectPhase::Proxy);
        let mut stream = MaybeTlsStream::Plain(transport);
        #[cfg(feature = "native-tls")]
        if proxy.scheme.is_tls() {
            let secured = self.connector.secure_proxy(&proxy.host, stream, &self.plan.tls);
            stream = secured.map_err(|error| self.proxy_tls_error(proxy, error))?;
        }
        let tunnel = proxy::tunnel(proxy, &mut stream, without_zone(target.host), target.port);
        tunnel.map_err(|reason| self.tunnel_error(reason, proxy))?;
        Ok(stream)
    }

    fn connect(&self, host: &str, port: u16, reached: &impl Fn(ConnectPhase)) -> Result<Transport, Error> {
        reached(ConnectPhase::Dns);
        let addresses = happy_eyeballs::resolve(host, port, self.cancel, self.deadline).map_err(|error| {
            self.connect_error(error, ConnectPhase::Dns, |source| Error::Dns { host: host.to_owned(), source })
        })?;
        reached(ConnectPhase::Tcp);
        let failed = |source: Source| Error::Tcp { address: address(host, port), source };
        let socket: Socket = happy_eyeballs::connect(addresses, self.cancel, self.deadline)
            .map_err(|error| self.connect_error(error, ConnectPhase::Tcp, failed))?;
        // Events are small, and are sent at once.
        socket.set_tcp_nodelay(true).map_err(|error| failed(Arc::new(error)))?;
        Ok(Transport::new(Halves::of_socket(socket.into(), self.byte_counters), self.deadline))
    }

    /// Calls the program's closure. A stream that it returns too late is closed.
    fn dial_by(&self, dialer: &Dialer, calls: &DialerCalls, target: &Target<'_>) -> Result<Halves, Error> {
        // The program's closure is not called after the client has ended.
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

    /// Makes the WebSocket upgrade (RFC 6455, section 4). Returns the bytes that came after the answer.
    fn upgrade(&self, endpoint: &Endpoint, stream: &mut MaybeTlsStream) -> Result<Vec<u8>, Error> {
        let key = generate_key();
        let request = upgrade::request(&endpoint.target, &endpoint.authority(), &key, &self.plan.headers);
        stream.write_all(&request).map_err(|error| self.upgrade_failed(endpoint, error))?;
        let mut answer = Vec::with_capacity(1024);
        loop {
            let mut meaning = upgrade::read(&answer, &key)?;
            if matches!(meaning, Answer::Incomplete)
                && refusal::read_some(stream, &mut answer).map_err(|error| self.upgrade_failed(endpoint, error))? == 0
            {
                meaning = upgrade::cut_off(&answer).ok_or_else(|| no_answer(endpoint, "ended"))?;
            }
            match meaning {
                Answer::Incomplete => {}
                Answer::Accepted { head } => return Ok(answer.split_off(head)),
                Answer::Refused { status, head, body, is_chunked } => {
                    stream.transport_mut().set_deadline(self.deadline.min(Instant::now() + refusal::READ_WITHIN));
                    let more = if stream.transport().keeps_deadlines() { body.unwrap_or(refusal::MAX_BODY) } else { 0 };
                    let body = refusal::read(stream, answer.split_off(head), more, is_chunked);
                    return Err(Error::UpgradeStatus { status, body });
                }
            }
        }
    }

    fn upgrade_failed(&self, endpoint: &Endpoint, error: io::Error) -> Error {
        match error.kind() {
            _ if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Upgrade),
            io::ErrorKind::ConnectionReset => no_answer(endpoint, "reset"),
            io::ErrorKind::UnexpectedEof => no_answer(endpoint, "ended"),
            _ => maybe_tls::late_refusal(&error).cloned().unwrap_or_else(|| Error::Upgrade {
                reason: format!("the connection failed: {error}"),
                source: Some(Arc::new(error)),
            }),
        }
    }

    /// The error for a failed handshake with the proxy.
    fn proxy_tls_error(&self, proxy: &Proxy, error: Error) -> Error {
        match error {
            Error::Tls { .. } if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Proxy),
            Error::Tls { problem, .. } => Error::proxy_tls(proxy.address(), problem, Arc::new(error)),
            other => other,
        }
    }

    fn tunnel_error(&self, reason: TunnelError, proxy: &Proxy) -> Error {
        let address = proxy.address();
        match reason {
            TunnelError::Io(_) if left(self.deadline).is_zero() => self.timed_out(ConnectPhase::Proxy),
            TunnelError::Io(error) => match maybe_tls::late_refusal(&error) {
                Some(refusal) => self.proxy_tls_error(proxy, refusal.clone()),
                None => Error::Proxy {
                    address,
                    status: None,
                    problem: ProxyProblem::Ended,
                    reason: format!("the connection failed: {error}"),
                    source: Some(Arc::new(error)),
                },
            },
            TunnelError::Refused { status, problem, reason } => {
                Error::Proxy { address, status, problem, reason, source: None }
            }
        }
    }

    fn connect_error(&self, error: ConnectError, phase: ConnectPhase, failed: impl FnOnce(Source) -> Error) -> Error {
        match error {
            ConnectError::Cancelled => Error::Disconnected,
            ConnectError::TimedOut => self.timed_out(phase),
            ConnectError::Failed(source) => failed(Arc::new(source)),
            ConnectError::Thread(error) => error,
        }
    }

    fn timed_out(&self, phase: ConnectPhase) -> Error {
        Error::ConnectTimeout { phase, after: self.timeout }
    }
}

/// Turns an error about the proxy's own address into a proxy error.
fn proxy_unreachable(proxy: &Proxy, error: Error) -> Error {
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

/// The error for a connection that ended before the answer.
fn no_answer(endpoint: &Endpoint, how: &str) -> Error {
    let hint = if endpoint.scheme.is_tls() { "" } else { "; a port that expects TLS does so, too (the option tls)" };
    let source = io::Error::from(io::ErrorKind::UnexpectedEof);
    let reason = format!("the server {how} the connection instead of answering{hint}");
    Error::Upgrade { reason, source: Some(Arc::new(source)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn c11_a_panic_of_a_dialer_fails_the_attempt() {
        let config = Config::host("key", "host")
            .tls(false)
            .dialer(|_| -> Result<ByteStream, io::Error> { panic!("on purpose") });
        let plan = config.plan().expect("a good configuration");
        let dialer = plan.dialer.as_ref().expect("it was configured");
        let request = DialRequest::new("example.com", 443, Duration::from_secs(1));
        let error = DialerCalls::new(ForkGuard::current()).dial(dialer, &request).expect_err("no stream");
        assert_eq!(error.to_string(), "dialer: it panicked");
    }
}
