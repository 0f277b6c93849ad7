//! WebSocket (RFC 6455) over a fed transport. tungstenite does the framing in both directions.

mod codec;

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use tungstenite::Message;

use super::{Transport, maybe_tls::MaybeTlsStream};
use crate::secret::Secret;

pub(crate) use codec::{Codec, ReadError};

/// The client's end of an open WebSocket.
pub(crate) struct WebSocket {
    pub stream: MaybeTlsStream,
    pub codec: Codec,
}

impl WebSocket {
    /// Takes a stream after the upgrade, whose transport is fed. `early` are the bytes that arrived after the upgrade. A
    /// message may have up to `limit` bytes.
    pub fn new(stream: MaybeTlsStream, early: Vec<u8>, limit: usize) -> Self {
        Self { stream, codec: Codec::new(early, limit) }
    }

    pub fn transport(&self) -> &Transport {
        self.stream.transport()
    }

    pub fn transport_mut(&mut self) -> &mut Transport {
        self.stream.transport_mut()
    }

    /// Passes on every message that arrived together with the handshakes, until `each` returns false. Call it once,
    /// before [`receive`](Self::receive).
    pub fn begin(&mut self, each: impl FnMut(Message) -> bool) -> Result<(), ReadError> {
        self.codec.read(&mut self.stream, each)
    }

    /// Takes the bytes of one read, and passes on every message in them until `each` returns false. No bytes mean the
    /// end of the stream. The next [`flush`](Self::flush) answers Pings and close frames.
    pub fn receive(&mut self, bytes: &[u8], each: impl FnMut(Message) -> bool) -> Result<(), ReadError> {
        if self.stream.is_tls() {
            self.stream.transport_mut().feed(bytes);
            return self.codec.read(&mut self.stream, each);
        }
        // Without TLS the bytes need no copy in the transport.
        self.codec.read(&mut Received { bytes, is_end: bytes.is_empty() }, each)
    }

    /// Sends a text. `WouldBlock` means that the rest of it waits for the next [`flush`](Self::flush).
    pub fn send(&mut self, text: Secret) -> io::Result<()> {
        self.codec.send(&mut self.stream, text)
    }

    /// Sends a close frame, as far as the peer takes it. Nothing is sent after it.
    pub fn close(&mut self, code: u16) -> io::Result<()> {
        self.codec.close(&mut self.stream, code)
    }

    /// Writes the frames that wait. `WouldBlock` means that the rest waits for the next call.
    pub fn flush(&mut self) -> io::Result<()> {
        self.codec.flush(&mut self.stream)
    }
}

/// The bytes of one read, and then `WouldBlock` or the end of the stream.
struct Received<'a> {
    bytes: &'a [u8],
    is_end: bool,
}

impl Read for Received<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(buffer)? {
            0 if !self.is_end => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}
