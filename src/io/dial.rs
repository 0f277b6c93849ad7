//! From a configuration to an open WebSocket, under one absolute deadline (C3).

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased, unbounded};
use socket2::{Domain, Protocol, Socket, Type};
use tungstenite::{
    HandshakeError, WebSocket,
    client::client_with_config,
    handshake::client::{Request, generate_key},
};

use super::{gate::Gate, link, stop::Stop, stream::Stream, tls};
use crate::{
    ConnectPhase, Error,
    config::{Config, Endpoint},
    error::excerpt,
};

/// RFC 8305, section 5: how long one address may keep the next one waiting.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// What an attempt to connect needs to know.
pub(super) struct Dial<'a> {
    pub(super) config: &'a Config,
    pub(super) connector: &'a tls::Connector,
    /// TLS also where the configuration has it off.
    pub(super) tls: bool,
    pub(super) deadline: Instant,
    pub(super) stop: &'a Arc<Stop>,
}

/// An open WebSocket, and a second handle of its socket to wait on.
pub(super) struct Dialled {
    pub(super) web: WebSocket<Stream>,
    pub(super) probe: TcpStream,
}

impl Dial<'_> {
    /// Dials; calls `reached` at the beginning of each phase.
    pub(super) fn run(&self, reached: impl Fn(ConnectPhase)) -> Result<Dialled, Error> {
        let endpoint = self.endpoint()?;
        reached(ConnectPhase::Dns);
        let addresses = self.resolve(&endpoint)?;
        reached(ConnectPhase::Tcp);
        let stream = self.connect(&endpoint, addresses)?;
        let lost = |source: io::Error| Error::Tcp { address: endpoint.address(), source: Arc::new(source) };
        // Events are small and wait for no more to come.
        stream.set_nodelay(true).map_err(lost)?;
        let probe = stream.try_clone().map_err(lost)?;
        let gate = Gate::open(stream, self.deadline);
        let stream = if endpoint.tls {
            reached(ConnectPhase::Tls);
            self.secure(&endpoint, gate)?
        } else {
            Stream::Plain(gate)
        };
        reached(ConnectPhase::Upgrade);
        let mut web = self.upgrade(&endpoint, stream)?;
        web.get_mut().gate_mut().close().map_err(lost)?;
        Ok(Dialled { web, probe })
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let endpoint = self.config.endpoint()?;
        if self.tls { endpoint.over_tls() } else { Ok(endpoint) }
    }

    fn timeout(&self, phase: ConnectPhase) -> Error {
        Error::ConnectTimeout { phase, after: self.config.settings().connect_timeout }
    }

    /// The resolver of the operating system cannot be interrupted, so it runs on a thread of its own, which is left
    /// behind when the time is over and ends when the resolver does.
    fn resolve(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(address) = endpoint.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, endpoint.port)]);
        }
        let (answer, answered) = bounded(1);
        let target = (endpoint.host.clone(), endpoint.port);
        spawn("pusher-resolve", move || {
            let found = target.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = answer.send(found);
        })?;
        let failed = |source| Error::Dns { host: endpoint.host.clone(), source: Arc::new(source) };
        select_biased! {
            recv(self.stop.signal()) -> _ => Err(Error::Disconnected),
            recv(answered) -> found => match found {
                Ok(Ok(found)) if !found.is_empty() => Ok(alternate(found)),
                Ok(Err(source)) => Err(failed(source)),
                _ => Err(failed(io::Error::from(io::ErrorKind::NotFound))),
            },
            default(left(self.deadline)) => Err(self.timeout(ConnectPhase::Dns)),
        }
    }

    /// Tries the addresses one after another, each 250 ms after the one before, or at once when that has failed. The
    /// first that connects wins.
    fn connect(&self, endpoint: &Endpoint, addresses: Vec<SocketAddr>) -> Result<TcpStream, Error> {
        let (result, results) = unbounded();
        let mut addresses = addresses.into_iter().enumerate();
        let mut running = 0usize;
        let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
        loop {
            let started = match addresses.next() {
                Some((attempt, address)) => {
                    self.start_connecting(attempt, address, result.clone())?;
                    running += 1;
                    true
                }
                None if running == 0 && left(self.deadline).is_zero() => {
                    return Err(self.timeout(ConnectPhase::Tcp));
                }
                None if running == 0 => {
                    return Err(Error::Tcp { address: endpoint.address(), source: Arc::new(last_error) });
                }
                None => false,
            };
            match self.first_result(&results, started)? {
                Some((winner, Ok(stream))) => {
                    self.stop.keep_only(winner);
                    return Ok(stream);
                }
                Some((_, Err(error))) => {
                    last_error = error;
                    running -= 1;
                }
                None => {}
            }
        }
    }

    /// `None` when it is time for the next address.
    fn first_result(
        &self,
        results: &Receiver<Connected>,
        another_may_follow: bool,
    ) -> Result<Option<Connected>, Error> {
        let time_left = left(self.deadline);
        let patience = if another_may_follow { time_left.min(NEXT_ADDRESS_AFTER) } else { time_left };
        select_biased! {
            recv(self.stop.signal()) -> _ => Err(Error::Disconnected),
            recv(results) -> result => Ok(result.ok()),
            default(patience) => {
                if left(self.deadline).is_zero() { Err(self.timeout(ConnectPhase::Tcp)) } else { Ok(None) }
            }
        }
    }

    fn start_connecting(&self, attempt: usize, address: SocketAddr, result: Sender<Connected>) -> Result<(), Error> {
        let (stop, deadline) = (Arc::clone(self.stop), self.deadline);
        spawn("pusher-connect", move || {
            let _ = result.send((attempt, connect_one(attempt, address, deadline, &stop)));
        })
    }

    fn secure(&self, endpoint: &Endpoint, gate: Gate) -> Result<Stream, Error> {
        self.connector.secure(&endpoint.host, gate, self.config).map_err(|error| match error {
            Error::Tls { .. } if left(self.deadline).is_zero() => self.timeout(ConnectPhase::Tls),
            other => other,
        })
    }

    /// RFC 6455, section 4. tungstenite checks the status and the accept key; that no extension came unasked is for us.
    fn upgrade(&self, endpoint: &Endpoint, stream: Stream) -> Result<WebSocket<Stream>, Error> {
        let request = self.request(endpoint)?;
        let limits = link::websocket_config(self.config.max_message());
        match client_with_config(request, stream, Some(limits)) {
            Ok((_, response)) if response.headers().contains_key("sec-websocket-extensions") => {
                Err(Error::Upgrade { reason: "the server uses an extension that was not asked for".to_owned() })
            }
            Ok((web, _)) => Ok(web),
            Err(_) if left(self.deadline).is_zero() => Err(self.timeout(ConnectPhase::Upgrade)),
            Err(HandshakeError::Failure(error)) => Err(refusal(error)),
            Err(HandshakeError::Interrupted(_)) => Err(self.timeout(ConnectPhase::Upgrade)),
        }
    }

    fn request(&self, endpoint: &Endpoint) -> Result<Request, Error> {
        let scheme = if endpoint.tls { "wss" } else { "ws" };
        let mut request = Request::builder()
            .uri(format!("{scheme}://{}{}", endpoint.authority(), endpoint.target))
            .header("Host", endpoint.authority())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key())
            .body(())
            .map_err(|error| Error::config("url", error.to_string()))?;
        for (name, value) in self.config.headers()? {
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

/// The number of the attempt, and what became of it.
type Connected = (usize, io::Result<TcpStream>);

fn connect_one(attempt: usize, address: SocketAddr, deadline: Instant, stop: &Stop) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if !stop.watch(attempt, socket.try_clone()?) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    // A little more than there is, so that it is the dialler's clock that runs out, which names the phase.
    socket.connect_timeout(&address.into(), left(deadline) + Duration::from_secs(1))?;
    Ok(socket.into())
}

/// RFC 8305, section 4: the families take turns, beginning with the one that the resolver put first.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut alternated = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return alternated,
            (a, b) => alternated.extend(a.into_iter().chain(b)),
        }
    }
}

/// In words that tell a wrong port from a wrong path.
fn refusal(error: tungstenite::Error) -> Error {
    use tungstenite::error::{Error as Web, ProtocolError};
    let reason = match error {
        Web::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body = excerpt(&String::from_utf8_lossy(body));
            return Error::UpgradeStatus { status: response.status().as_u16(), body };
        }
        Web::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake) => {
            "the server ended the connection instead of answering".to_owned()
        }
        Web::Protocol(ProtocolError::HttparseError(error)) => {
            format!("the answer is not HTTP ({error}); a port that expects TLS answers so, too")
        }
        Web::Io(error) => format!("the connection failed: {error}"),
        other => other.to_string(),
    };
    Error::Upgrade { reason }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    match thread::Builder::new().name(name.to_owned()).spawn(work) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Thread { name, source: Arc::new(source) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_address_families_take_turns() {
        let parse = |text: &str| -> Vec<SocketAddr> { text.split(' ').map(|a| a.parse().expect(a)).collect() };
        let mixed = parse("[::1]:1 [::2]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1");
        assert_eq!(alternate(mixed), parse("[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"));
        assert_eq!(alternate(parse("1.0.0.1:1 [::1]:1")), parse("1.0.0.1:1 [::1]:1"));
    }
}
