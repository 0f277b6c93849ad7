//! Plain or TLS, over the gate. Through an `https://` proxy it is TLS inside TLS.

use std::io::{self, Read, Write};

use super::gate::Gate;
#[cfg(feature = "native-tls")]
use super::tls::Secured;

pub(super) enum Stream {
    Plain(Gate),
    #[cfg(feature = "native-tls")]
    Tls(Box<Secured>),
}

impl Stream {
    pub(super) fn gate(&self) -> &Gate {
        match self {
            Self::Plain(gate) => gate,
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.under().gate(),
        }
    }

    /// Whether an idle connection can still be used: the peer has sent nothing, not even the end of the stream. Bytes
    /// that TLS has already decrypted count as well.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Self::Plain(gate) => gate.is_silent(),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.has_read_all() && tls.under().is_silent(),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    pub(super) fn gate_mut(&mut self) -> &mut Gate {
        match self {
            Self::Plain(gate) => gate,
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.under_mut().gate_mut(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(gate) => gate.read(buffer),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(gate) => gate.write(data),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(gate) => gate.flush(),
            #[cfg(feature = "native-tls")]
            Self::Tls(tls) => tls.flush(),
        }
    }
}
