//! From a configuration to an open WebSocket, under one absolute deadline (C3).

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use tungstenite::{
    HandshakeError, WebSocket,
    client::client_with_config,
    handshake::client::{Request, generate_key},
};

use super::{
    gate::Gate,
    link,
    reach::{self, Unreached, left},
    stop::Stop,
    stream::Stream,
    tls,
};
use crate::{
    ConnectPhase, Error, Source,
    config::{Config, Endpoint},
    error::excerpt,
};

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

    fn resolve(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
        reach::resolve(&endpoint.host, endpoint.port, self.stop, self.deadline).map_err(|unreached| {
            self.error(unreached, ConnectPhase::Dns, |source| Error::Dns { host: endpoint.host.clone(), source })
        })
    }

    fn connect(&self, endpoint: &Endpoint, addresses: Vec<SocketAddr>) -> Result<TcpStream, Error> {
        reach::connect(addresses, self.stop, self.deadline).map_err(|unreached| {
            self.error(unreached, ConnectPhase::Tcp, |source| Error::Tcp { address: endpoint.address(), source })
        })
    }

    fn error(&self, unreached: Unreached, phase: ConnectPhase, failed: impl FnOnce(Source) -> Error) -> Error {
        match unreached {
            Unreached::Stopped => Error::Disconnected,
            Unreached::TimedOut => self.timeout(phase),
            Unreached::Failed(source) => failed(Arc::new(source)),
            Unreached::Thread(error) => error,
        }
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
