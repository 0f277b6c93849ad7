//! Reads messages and writes frames: tungstenite's `WebSocketContext`, with limits and without a stream of its own.
//!
//! tungstenite answers Pings and close frames by itself, and writes the answers while it reads. Here it reads from a
//! source that refuses writes, so that a failed write cannot hide messages that arrived before. The answers wait for
//! the next [`flush`](Codec::flush).
//!
//! tungstenite checks the length of a frame at once, and everything else when the frame is complete. A frame that
//! announces more than the limit is refused with 1009, even if it is a control frame. The buffers keep the size of the
//! largest message. The frames that were sent stay in the memory of the write buffer, masked.

use std::io::{self, Read, Write};

use tungstenite::{
    Bytes, Error, Message, Utf8Bytes,
    error::ProtocolError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use crate::secret::Secret;

/// tungstenite fills the buffer with zeros before each read; a larger one was slower when measured.
const READ_BUFFER: usize = 16 * 1024;

/// The limit in bytes for answers to Pings that wait. Beyond it only the last Ping is answered, as RFC 6455, section
/// 5.5.3, allows.
const MAX_ANSWERS: usize = 64 * 1024;

/// The limit in bytes for the headers of a message's fragments. A fragment of one byte has a header of two.
const MAX_FRAGMENT_HEADERS: usize = 2 << 20;

/// A client's frame has a header of up to 14 bytes, and a control frame a payload of up to 125 bytes.
const MAX_CONTROL_FRAME: usize = 14 + 125;

/// The size of the header of a server's control frame.
const CONTROL_HEADER: usize = 2;

/// The limit in bytes for the empty fragments of a message.
const MAX_EMPTY: usize = 64 * 1024;

/// The client's end of the WebSocket protocol.
pub(crate) struct Codec {
    context: WebSocketContext,
    limit: usize,
    /// The number of bytes since the last whole message, without those of control frames.
    unfinished: usize,
}

/// The reason why reading ended.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The peer ended the stream without a close frame.
    Ended,
    /// A message is larger than the limit.
    TooLarge,
    /// A text, or the reason of a close frame, is not UTF-8.
    NotUtf8,
    /// The peer broke another rule of the protocol, which the text names.
    Protocol(String),
    Io(io::Error),
}

impl ReadError {
    /// The close code that tells the peer which rule it broke, RFC 6455, section 7.4.1.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::TooLarge => Some(1009),
            Self::NotUtf8 => Some(1007),
            Self::Protocol(_) => Some(1002),
            Self::Ended | Self::Io(_) => None,
        }
    }
}

impl Codec {
    /// `early` are the bytes that arrived together with the answer to the upgrade. A message may have up to `limit`
    /// bytes.
    pub fn new(early: Vec<u8>, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_ANSWERS)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let context = WebSocketContext::from_partially_read(early, Role::Client, Some(config));
        Self { context, limit, unfinished: 0 }
    }

    /// Passes every message of the source to `each`, until the source has no more bytes for now (`WouldBlock`) or
    /// `each` returns false.
    pub fn read(&mut self, source: &mut impl Read, mut each: impl FnMut(Message) -> bool) -> Result<(), ReadError> {
        let mut source = ReadOnly { source, count: 0 };
        loop {
            let result = self.context.read(&mut source);
            self.unfinished += std::mem::take(&mut source.count);
            match result {
                Ok(message) => {
                    self.finish(&message);
                    if !each(message) {
                        return Ok(());
                    }
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return self.check_unfinished(),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    fn finish(&mut self, message: &Message) {
        self.unfinished = match message {
            // Control frames may stand between the fragments of a message.
            Message::Ping(payload) | Message::Pong(payload) => {
                self.unfinished.saturating_sub(CONTROL_HEADER + payload.len())
            }
            _ => 0,
        }
    }

    /// tungstenite limits the payload of a message, but not the number of its fragments.
    fn check_unfinished(&self) -> Result<(), ReadError> {
        let headers = self.limit.saturating_mul(2).min(MAX_FRAGMENT_HEADERS) + MAX_EMPTY;
        if self.unfinished <= self.limit.saturating_add(headers) {
            return Ok(());
        }
        Err(ReadError::Protocol("too many fragments are empty".to_owned()))
    }

    /// Sends a text. `WouldBlock` means that the rest of it waits for the next [`flush`](Self::flush).
    pub fn send(&mut self, sink: &mut (impl Read + Write), text: Secret) -> io::Result<()> {
        let text = Utf8Bytes::try_from(Bytes::from_owner(WipedPayload(text))).map_err(io::Error::other)?;
        self.write(sink, Message::Text(text))
    }

    pub fn write(&mut self, sink: &mut (impl Read + Write), message: Message) -> io::Result<()> {
        // The session waits until an earlier message is written, so only answers can wait beside this one.
        let room = MAX_ANSWERS + MAX_CONTROL_FRAME + message.len();
        self.context.set_config(|config| config.max_write_buffer_size = room);
        self.context.write(sink, message).map_err(io_error)?;
        self.flush(sink)
    }

    /// Queues a close frame, and writes as much of the buffer as the sink takes. Nothing is sent after it.
    pub fn close(&mut self, sink: &mut (impl Read + Write), code: u16) -> io::Result<()> {
        // Room for the answer that waits beside a full buffer, and for the close frame.
        self.context.set_config(|config| config.max_write_buffer_size += 2 * MAX_CONTROL_FRAME);
        let _ = self.context.flush(sink);
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::default() };
        self.context.close(sink, Some(frame)).map_err(io_error)
    }

    /// Writes the frames that wait. `WouldBlock` means that the rest waits for the next call.
    pub fn flush(&mut self, sink: &mut (impl Read + Write)) -> io::Result<()> {
        self.context.flush(sink).map_err(io_error)?;
        // An answer that found no room waits beside the buffer. The buffer is empty now.
        self.context.flush(sink).map_err(io_error)
    }
}

fn broken(error: Error) -> ReadError {
    match error {
        Error::Io(error) => ReadError::Io(error),
        Error::Capacity(_) => ReadError::TooLarge,
        Error::Utf8(_) => ReadError::NotUtf8,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ReadError::Ended,
        Error::Protocol(rule) => ReadError::Protocol(rule.to_string()),
        other => ReadError::Io(io::Error::other(other)),
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// A text that is wiped when tungstenite has masked it into its buffer. It may contain signatures and user data (X1).
struct WipedPayload(Secret);

impl AsRef<[u8]> for WipedPayload {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// A source that counts the bytes read from it, and refuses writes.
struct ReadOnly<'a, S> {
    source: &'a mut S,
    count: usize,
}

impl<S: Read> Read for ReadOnly<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count += count;
        Ok(count)
    }
}

impl<S> Write for ReadOnly<'_, S> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
