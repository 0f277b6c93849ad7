//! WebSocket over a gated stream, RFC 6455.
//!
//! Of tungstenite this uses the header of a frame, the opcodes and the keys of the handshake. Its `WebSocket` is not used,
//! for three reasons. It logs every frame and every message at `trace`, in both directions and without a switch, signatures
//! and user data included (X1). It copies each message, which costs as much as everything else that happens to a small one.
//! And it reads its stream by itself, where here the reader thread reads without the link's lock.

mod decoder;
mod outgoing;
mod upgrade;

#[cfg(test)]
mod autobahn;

use std::io::{self, Read};

use super::{gate::Gate, stream::Stream};
use outgoing::Outgoing;

pub(crate) use decoder::{Decoder, Incoming, Sender, Violation};
pub(crate) use upgrade::{Answer, read, request};

/// One record of TLS is never longer.
const RECORD: usize = 16 * 1024;

/// An open WebSocket, as the client of it.
pub(super) struct WebSocket {
    stream: Stream,
    decoder: Decoder,
    outgoing: Outgoing,
    /// What has come together with the answer to the upgrade.
    early: Vec<u8>,
    /// What TLS has decrypted.
    clear: Box<[u8]>,
}

/// How reading ended.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer ended the stream.
    Ended,
    /// The peer broke the rules, and is to be told by a close frame.
    Violated(Violation),
    Io(io::Error),
}

impl WebSocket {
    /// Over a stream on which the upgrade has been done, behind a gate that is closed. `early` has come after the upgrade.
    /// Messages may have `limit` bytes.
    pub(super) fn new(stream: Stream, early: Vec<u8>, limit: usize) -> Self {
        let clear = vec![0; RECORD].into_boxed_slice();
        Self { stream, decoder: Decoder::new(Sender::Server, limit), outgoing: Outgoing::new(), early, clear }
    }

    pub(super) fn gate(&self) -> &Gate {
        self.stream.gate()
    }

    pub(super) fn gate_mut(&mut self) -> &mut Gate {
        self.stream.gate_mut()
    }

    /// Hands over every message that came together with the handshakes, until `each` says that it was the last. To be
    /// called once, before [`receive`](Self::receive).
    pub(super) fn begin(&mut self, mut each: impl FnMut(Incoming<'_>) -> bool) -> Result<(), Broken> {
        let early = std::mem::take(&mut self.early);
        if pass_on(&mut self.decoder, &mut self.outgoing, &early, &mut each)? { self.drain(&mut each) } else { Ok(()) }
    }

    /// Takes what has been read from the network, nothing being the end of the stream, and hands over every message in it,
    /// until `each` says that it was the last. Pings and close frames are answered with the next [`flush`](Self::flush).
    pub(super) fn receive(&mut self, bytes: &[u8], mut each: impl FnMut(Incoming<'_>) -> bool) -> Result<(), Broken> {
        if self.stream.is_tls() {
            self.stream.gate_mut().bring(bytes);
            return self.drain(&mut each);
        }
        if bytes.is_empty() {
            return Err(Broken::Ended);
        }
        pass_on(&mut self.decoder, &mut self.outgoing, bytes, &mut each).map(drop)
    }

    /// Reads what lies in the stream.
    fn drain(&mut self, each: &mut impl FnMut(Incoming<'_>) -> bool) -> Result<(), Broken> {
        loop {
            let bytes = match self.stream.read(&mut self.clear) {
                Ok(0) => return Err(Broken::Ended),
                Ok(count) => self.clear.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Broken::Io(error)),
            };
            if !pass_on(&mut self.decoder, &mut self.outgoing, bytes, each)? {
                return Ok(());
            }
        }
    }

    pub(super) fn send(&mut self, text: &str) {
        self.outgoing.text(text);
    }

    pub(super) fn close(&mut self, code: u16) {
        self.outgoing.close(Some(code));
    }

    /// Writes what waits. An error of the kind `WouldBlock` says that the rest is to be written later.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.outgoing.flush(&mut self.stream)
    }
}

/// Hands over the messages of some bytes, and answers those to which WebSocket itself has an answer. False when no more are
/// wanted.
fn pass_on(
    decoder: &mut Decoder,
    outgoing: &mut Outgoing,
    mut bytes: &[u8],
    each: &mut impl FnMut(Incoming<'_>) -> bool,
) -> Result<bool, Broken> {
    loop {
        let message = match decoder.next(&mut bytes) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(true),
            Err(violation) => return Err(Broken::Violated(violation)),
        };
        match &message {
            Incoming::Ping(payload) => outgoing.pong(payload),
            // RFC 6455, section 5.5.1: the answer has the same code.
            Incoming::Close(frame) => {
                outgoing.close(frame.map(|(code, _)| if is_sendable(code) { code } else { 1002 }))
            }
            _ => {}
        }
        if !each(message) {
            return Ok(false);
        }
    }
}

/// RFC 6455, section 7.4, with the codes that the registry has added since.
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
