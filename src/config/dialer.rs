//! Closures of the program that run for each attempt to connect: one makes the connection, for example through a
//! tunnel or to a Unix socket (C11), and one makes the URL.

use std::{
    fmt,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use super::Config;
use crate::{Error, Source, catch::catch};

type Closure = dyn Fn(&DialRequest) -> Result<ByteStream, Source> + Send + Sync;

/// The closure of [`Config::dialer`].
#[derive(Clone)]
pub(crate) struct Dialer(Arc<Closure>);

impl Dialer {
    pub fn new<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        dial: impl Fn(&DialRequest) -> Result<ByteStream, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |request| dial(request).map_err(|error| Source::from(error.into()))))
    }

    /// Runs the program's closure. `io` catches its panics.
    pub fn dial(&self, request: &DialRequest) -> Result<ByteStream, Error> {
        (self.0)(request).map_err(|source| Error::Dialer { source })
    }
}

/// Connections that the program makes itself.
impl Config {
    /// Makes the connection of the socket by a closure of the program: through a tunnel, to a Unix socket, or in memory.
    /// Defaults to none.
    ///
    /// For each attempt to connect, the closure takes the place of name resolution, TCP and a proxy. TLS and WebSocket
    /// run over the stream that it returns. Requests to auth endpoints do not use it.
    ///
    /// The closure runs on the thread of the attempt, and cannot be interrupted. A stream that it returns after
    /// [`time_left`](DialRequest::time_left), or after a `disconnect`, is closed. An error of the closure is reported as
    /// [`Error::Dialer`]. While four calls have not returned, a fifth fails at once with the same error. Calls that wait
    /// for the client, such as [`Pusher::connect`](crate::Pusher::connect), return [`Error::WouldDeadlock`] inside the
    /// closure.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # fn config() -> pusher_channels::Config {
    /// use std::os::unix::net::UnixStream;
    /// use pusher_channels::{ByteStream, Config};
    ///
    /// let config = Config::host("app-key", "localhost")
    ///     .tls(false)
    ///     .dialer(|_| UnixStream::connect("/run/soketi.sock").map(ByteStream::unix));
    /// # config
    /// # }
    /// ```
    pub fn dialer<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        mut self,
        dial: impl Fn(&DialRequest) -> Result<ByteStream, E> + Send + Sync + 'static,
    ) -> Self {
        self.dialer = Some(Dialer::new(dial));
        self
    }
}

/// The address that a [dialer](Config::dialer) connects to.
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

    /// The configured host: a name, or an address without brackets. A name may end in a dot, and an IPv6 address in a
    /// zone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The configured TCP port, or the default port of the scheme.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The rest of [`Config::connect_timeout`]. A connection that is made later is closed at once.
    pub fn time_left(&self) -> Duration {
        self.time_left
    }
}

/// A connection that a [dialer](Config::dialer) has made. WebSocket runs over it, and TLS if it is configured.
pub struct ByteStream {
    parts: StreamParts,
}

/// The parts of a connection, by which it is read, written and ended.
pub(crate) enum StreamParts {
    Socket(TcpStream),
    Halves { reader: Box<dyn Read + Send>, writer: Box<dyn Write + Send>, shutdown: Box<dyn Fn() + Send + Sync> },
}

impl ByteStream {
    /// A TCP connection.
    pub fn tcp(stream: TcpStream) -> Self {
        Self { parts: StreamParts::Socket(stream) }
    }

    /// A connection to a Unix socket. It is read and written like a TCP connection.
    #[cfg(unix)]
    pub fn unix(stream: std::os::unix::net::UnixStream) -> Self {
        Self { parts: StreamParts::Socket(std::os::fd::OwnedFd::from(stream).into()) }
    }

    /// Any other stream of bytes, as its two halves and a closure that ends it.
    ///
    /// Both halves block. `shutdown` ends the connection: after `disconnect`, at a deadline, or when the peer is dead. A
    /// blocked read then returns 0 or any error, and a blocked write returns as well. `shutdown` may be called several
    /// times and from any thread. The writer runs on a thread of its own, so that the client goes on while the peer
    /// reads nothing. An error of the writer ends the connection.
    pub fn new(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        shutdown: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (reader, writer, shutdown) = (Box::new(reader), Box::new(writer), Box::new(shutdown));
        Self { parts: StreamParts::Halves { reader, writer, shutdown } }
    }

    pub(crate) fn into_parts(self) -> StreamParts {
        self.parts
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.parts {
            StreamParts::Socket(_) => "ByteStream(socket)",
            StreamParts::Halves { .. } => "ByteStream(halves)",
        })
    }
}

/// The closure of [`Config::url_with`].
#[derive(Clone)]
pub(crate) struct UrlSource(Arc<dyn Fn() -> String + Send + Sync>);

impl UrlSource {
    pub fn new(url: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(url))
    }

    /// Runs the program's closure. A panic in it fails the attempt.
    pub fn url(&self) -> Result<String, Error> {
        catch(|| (self.0)())
            .map_err(|_| Error::DialUrl { reason: "could not be made: the closure panicked".to_owned() })
    }
}

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> DialRequest {
        DialRequest::new("example.com", 443, Duration::from_secs(1))
    }

    #[test]
    fn c11_a_dialer_gets_host_port_and_time() {
        let dialer = Dialer::new(|request| -> Result<ByteStream, String> {
            Err(format!("{}:{} in {:?}", request.host(), request.port(), request.time_left()))
        });
        let error = dialer.dial(&request()).expect_err("it refuses");
        assert_eq!(error.to_string(), "dialer: example.com:443 in 1s");
    }
}
