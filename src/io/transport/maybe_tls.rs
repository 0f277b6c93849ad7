//! A stream with or without TLS over a transport. Through an `https://` proxy it is TLS inside TLS.

use std::io::{self, Read, Write};

#[cfg(feature = "native-tls")]
use native_tls::TlsStream;

use super::Transport;
use crate::Error;
#[cfg(feature = "native-tls")]
use crate::TlsProblem;

pub(crate) enum MaybeTlsStream {
    Plain(Transport),
    #[cfg(feature = "native-tls")]
    Tls(Box<Secured>),
}

impl MaybeTlsStream {
    pub fn transport(&self) -> &Transport {
        match self {
            Self::Plain(transport) => transport,
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.under().transport(),
        }
    }

    /// Whether an idle connection can still be used: the peer has sent nothing, not even the end of the stream. Bytes
    /// that TLS has already decrypted count as well.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Plain(transport) => transport.is_silent(),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.has_read_all() && tls.under().is_silent(),
        }
    }

    pub fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    pub fn transport_mut(&mut self) -> &mut Transport {
        match self {
            Self::Plain(transport) => transport,
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.under_mut().transport_mut(),
        }
    }
}

impl Read for MaybeTlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(transport) => transport.read(buffer),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for MaybeTlsStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(transport) => transport.write(data),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(transport) => transport.flush(),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// The [`Error::Tls`] inside an error of a read. In TLS 1.3 a peer refuses the client certificate after the handshake.
pub(crate) fn late_refusal(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref().filter(|error| matches!(error, Error::Tls { .. }))
}

/// A stream after its handshake.
#[cfg(feature = "native-tls")]
pub(crate) struct Secured {
    pub stream: TlsStream<MaybeTlsStream>,
    /// The name that was verified.
    pub peer: String,
}

#[cfg(feature = "native-tls")]
impl Secured {
    /// The stream below TLS.
    pub fn under(&self) -> &MaybeTlsStream {
        self.stream.get_ref()
    }

    pub fn under_mut(&mut self) -> &mut MaybeTlsStream {
        self.stream.get_mut()
    }

    /// Whether every decrypted byte has been read.
    pub fn has_read_all(&self) -> bool {
        matches!(self.stream.buffered_read_size(), Ok(0))
    }

    /// Puts an [`Error::Tls`] inside the error if the peer refuses. An end of the stream without a `close_notify` alert
    /// becomes `UnexpectedEof`.
    fn explained(&self, error: io::Error) -> io::Error {
        use io::ErrorKind::{TimedOut, UnexpectedEof, WouldBlock};
        if matches!(error.kind(), WouldBlock | TimedOut) || late_refusal(&error).is_some() {
            return error;
        }
        match TlsProblem::of(&error) {
            TlsProblem::Refused => io::Error::new(error.kind(), Error::tls(&self.peer, error)),
            TlsProblem::Ended if error.raw_os_error().is_none() => io::Error::new(UnexpectedEof, error),
            _ => error,
        }
    }
}

#[cfg(feature = "native-tls")]
impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).map_err(|error| self.explained(error))
    }
}

#[cfg(feature = "native-tls")]
impl Write for Secured {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
