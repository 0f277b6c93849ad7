//! Connections that the program makes itself: a tunnel, a Unix socket, a pipe in memory (C11).

use std::{
    fmt,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use crate::{Error, Source};

type Closure = dyn Fn(&DialRequest) -> Result<ByteStream, Source> + Send + Sync;

/// The closure of [`Config::dialer`](super::Config::dialer).
#[derive(Clone)]
pub(crate) struct Dialer(Arc<Closure>);

impl Dialer {
    pub(super) fn new<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        dial: impl Fn(&DialRequest) -> Result<ByteStream, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |request| dial(request).map_err(|error| Source::from(error.into()))))
    }

    /// Runs the program's closure. `io` catches its panics.
    pub(crate) fn dial(&self, request: &DialRequest) -> Result<ByteStream, Error> {
        (self.0)(request).map_err(|source| Error::Dialer { source })
    }
}

/// Where a [dialer](super::Config::dialer) is to connect.
#[derive(Debug, Clone)]
pub struct DialRequest {
    host: String,
    port: u16,
    time_left: Duration,
}

impl DialRequest {
    pub(crate) fn new(host: &str, port: u16, time_left: Duration) -> Self {
        Self { host: host.to_owned(), port, time_left }
    }

    /// The host as it is configured: a name, or an address without brackets. A name may end in a dot, and an IPv6
    /// address in a zone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port as it is configured, or the scheme's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is left of [`Config::connect_timeout`](super::Config::connect_timeout). A connection that comes later is closed
    /// at once.
    pub fn time_left(&self) -> Duration {
        self.time_left
    }
}

/// A connection that a [dialer](super::Config::dialer) has made. TLS, where it is configured, and WebSocket go over it.
pub struct ByteStream {
    kind: Kind,
}

/// How a connection is read, written and ended.
pub(crate) enum Kind {
    Socket(TcpStream),
    Halves { reader: Box<dyn Read + Send>, writer: Box<dyn Write + Send>, shutdown: Box<dyn Fn() + Send + Sync> },
}

impl ByteStream {
    /// A TCP connection.
    pub fn tcp(stream: TcpStream) -> Self {
        Self { kind: Kind::Socket(stream) }
    }

    /// A connection to a Unix socket. It is read and written like one of TCP.
    #[cfg(unix)]
    pub fn unix(stream: std::os::unix::net::UnixStream) -> Self {
        Self { kind: Kind::Socket(std::os::fd::OwnedFd::from(stream).into()) }
    }

    /// Any other stream of bytes, as its two halves and a closure that ends it.
    ///
    /// Both halves block. `shutdown` ends the connection, after `disconnect`, at a deadline, or when the peer is dead: a
    /// blocked read then returns (0, or any error), and so does a blocked write. It may be called several times and from
    /// any thread. The writer runs on a thread of its own, so that a peer that reads nothing does not block the client. An
    /// error of the writer ends the connection.
    pub fn new(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        shutdown: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (reader, writer, shutdown) = (Box::new(reader), Box::new(writer), Box::new(shutdown));
        Self { kind: Kind::Halves { reader, writer, shutdown } }
    }

    pub(crate) fn into_kind(self) -> Kind {
        self.kind
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Socket(_) => "ByteStream(socket)",
            Kind::Halves { .. } => "ByteStream(halves)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> DialRequest {
        DialRequest::new("example.com", 443, Duration::from_secs(1))
    }

    #[test]
    fn c11_a_dialer_is_told_where_to_connect() {
        let dialer = Dialer::new(|request| -> Result<ByteStream, String> {
            Err(format!("{}:{} in {:?}", request.host(), request.port(), request.time_left()))
        });
        let error = dialer.dial(&request()).expect_err("it refuses");
        assert_eq!(error.to_string(), "dialer: example.com:443 in 1s");
    }
}
