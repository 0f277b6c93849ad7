//! The connections of the HTTP authoriser: every wait of theirs can be interrupted, and TLS is the socket's own (C8, H6).
//!
//! ureq's own connector cannot be interrupted while it resolves a name or connects, and its TLS knows either the platform's
//! roots or the user's, not both.

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ureq::{
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport},
    },
};

use super::{
    reach::{self, Unreached, left},
    stop::Stop,
    tls,
};
use crate::config::Config;

/// Requests and answers are small.
pub(super) const BUFFER: usize = 16 * 1024;

/// How many addresses of a name are tried; as many as ureq holds.
const MAX_ADDRESSES: usize = 16;

/// Makes the connections of one agent.
pub(super) struct Door {
    pub(super) connector: Arc<tls::Connector>,
    pub(super) config: Config,
}

impl Connector for Door {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        let deadline = end_of(&details.timeout);
        let failed = |error| failure(error, deadline, &details.timeout);
        let wire = connect(details, deadline).map_err(failed)?;
        let stream =
            if details.needs_tls() { self.secure(details.uri, wire).map_err(failed)? } else { Stream::Plain(wire) };
        Ok(Some(Connection { stream, buffers: LazyBuffers::new(BUFFER, BUFFER) }))
    }
}

impl Door {
    #[cfg(feature = "native-tls")]
    fn secure(&self, uri: &Uri, wire: Wire) -> io::Result<Stream> {
        let host = bare_host(uri);
        let stream = self.connector.handshake(host, wire, &self.config).map_err(io::Error::other)?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    #[cfg(not(feature = "native-tls"))]
    fn secure(&self, _uri: &Uri, _wire: Wire) -> io::Result<Stream> {
        Err(io::Error::other(self.connector.unavailable(&self.config)))
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

/// What `Agent::shutdown` reaches is registered first, and refused once the agent is shut down, so that no socket is
/// connected afterwards.
fn connect(details: &ConnectionDetails<'_>, deadline: Instant) -> io::Result<Wire> {
    let handle = Arc::new(Handle(Arc::new(Stop::new())));
    let watched: Weak<dyn ShutdownHandle> = Arc::downgrade(&handle) as Weak<dyn ShutdownHandle>;
    (details.register_shutdown)(watched).map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
    let socket = reach::connect(details.addrs.to_vec(), &handle.0, deadline).map_err(io_error)?;
    // A request is written at once and waits for no more to come.
    socket.set_nodelay(true)?;
    Ok(Wire { stream: Watched { socket, _handle: handle }, deadline })
}

fn io_error(unreached: Unreached) -> io::Error {
    match unreached {
        Unreached::Stopped => io::ErrorKind::Interrupted.into(),
        Unreached::TimedOut => io::ErrorKind::TimedOut.into(),
        Unreached::Failed(error) => error,
        Unreached::Thread(error) => io::Error::other(error.to_string()),
    }
}

/// Resolves names so that nobody waits for the resolver once the work is to end.
pub(super) struct Names {
    pub(super) stop: Arc<Stop>,
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = bare_host(uri);
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let deadline = end_of(&timeout);
        let found = reach::resolve(host, port, &self.stop, deadline)
            .map_err(|unreached| failure(io_error(unreached), deadline, &timeout))?;
        let mut addresses = self.empty();
        found.into_iter().take(MAX_ADDRESSES).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// One connection, with the buffers that ureq wants at hand.
pub(super) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
}

enum Stream {
    Plain(Wire),
    #[cfg(feature = "native-tls")]
    Tls(Box<native_tls::TlsStream<Wire>>),
}

impl Stream {
    fn wire(&mut self) -> &mut Wire {
        match self {
            Self::Plain(wire) => wire,
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.get_mut(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(buffer),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.write_all(data),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.write_all(data),
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let deadline = end_of(&timeout);
        self.stream.wire().deadline = deadline;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output).map_err(|error| failure(error, deadline, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let deadline = end_of(&timeout);
        self.stream.wire().deadline = deadline;
        let read = self.stream.read(self.buffers.input_append_buf());
        let count = read.map_err(|error| failure(error, deadline, &timeout))?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    /// Whether an idle connection can be used again: nothing has come on it, not even its end.
    fn is_open(&mut self) -> bool {
        let socket = &self.stream.wire().stream.socket;
        let silent = socket.set_nonblocking(true).is_ok()
            && matches!(socket.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        silent && socket.set_nonblocking(false).is_ok()
    }

    fn is_tls(&self) -> bool {
        !matches!(self.stream, Stream::Plain(_))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// A socket under a deadline.
pub(super) struct Wire {
    stream: Watched,
    deadline: Instant,
}

/// A socket that `Agent::shutdown` reaches as long as it is used.
struct Watched {
    socket: TcpStream,
    _handle: Arc<Handle>,
}

struct Handle(Arc<Stop>);

impl ShutdownHandle for Handle {
    fn shutdown(&self) {
        self.0.set();
    }
}

impl Wire {
    fn time_left(&self) -> io::Result<Duration> {
        let left = left(self.deadline);
        // A timeout of zero would mean none at all.
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.time_left()?;
        self.stream.socket.set_read_timeout(Some(left))?;
        timed(self.stream.socket.read(buffer))
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let left = self.time_left()?;
        self.stream.socket.set_write_timeout(Some(left))?;
        timed(self.stream.socket.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// TLS libraries take `WouldBlock` for an invitation to try again, and it is none here.
fn timed(result: io::Result<usize>) -> io::Result<usize> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

/// The TLS libraries hide the cause of a failure, so that the clock tells whether it was the deadline.
fn failure(error: io::Error, deadline: Instant, timeout: &NextTimeout) -> ureq::Error {
    if left(deadline).is_zero() || error.kind() == io::ErrorKind::TimedOut {
        ureq::Error::Timeout(timeout.reason)
    } else {
        ureq::Error::Io(error)
    }
}

fn end_of(timeout: &NextTimeout) -> Instant {
    // Every request has a deadline; a day stands where ureq would have none.
    Instant::now() + (*timeout.after).min(Duration::from_secs(86_400))
}

/// A name, or an address without brackets.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}
