//! One WebSocket: the thread that reads it, and the writer beside it.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::hub::Hub;
use super::outbox::{Outbox, Push, WRITE_TIMEOUT, write_out};
use super::upgrade::Greeting;
use super::{message, wire};

/// Clients send small messages; tungstenite fills this buffer with zeros before each read.
const READ_BUFFER: usize = 16 * 1024;
/// Ten times what self-hosted servers accept from a client by default.
const MAX_MESSAGE: usize = 1 << 20;

/// A client, as the hub and the threads of the connection know it.
pub(super) struct Connection {
    /// Number of the TCP connection.
    pub(super) id: u64,
    pub(super) socket_id: String,
    pub(super) outbox: Outbox,
}

/// What the serving thread has found out before the connection becomes a WebSocket.
pub(super) struct Opening {
    /// What is still to be sent of the `101` response.
    pub(super) head: Bytes,
    pub(super) greeting: Greeting,
    /// Bytes that came after the request.
    pub(super) read_ahead: Vec<u8>,
}

/// Serves a WebSocket until it ends.
pub(super) fn run(hub: &Hub, id: u64, socket: &TcpStream, opening: Opening) -> io::Result<()> {
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (outbox, queue) = Outbox::new(hub.settings.queue_limit);
    let connection = Arc::new(Connection { id, socket_id: hub.socket_id(id), outbox });
    thread::scope(|scope| {
        let writer = || {
            write_out(&connection.outbox, &queue, socket);
            hub.cut(id);
        };
        thread::Builder::new().name(format!("pusher-server-write-{id}")).spawn_scoped(scope, writer)?;
        hub.open(&connection, opening.head, opening.greeting);
        read_messages(hub, &connection, socket, opening.read_ahead);
        hub.leave(id);
        connection.outbox.end();
        Ok(())
    })
}

fn read_messages(hub: &Hub, connection: &Connection, socket: &TcpStream, read_ahead: Vec<u8>) {
    let stream = Stream { hub, connection, socket };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut web_socket = WebSocket::from_partially_read(stream, read_ahead, Role::Server, Some(config));
    let end = loop {
        match web_socket.read() {
            Ok(Message::Text(text)) => message::receive(hub, connection, &text),
            Ok(Message::Binary(_)) => hub.ignore(),
            // The next read sends the echo, and no event may follow it.
            Ok(Message::Close(_)) if !hub.is_silent() => hub.leave(connection.id),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    if hub.is_silent() {
        // A silent server does not react to the end of the stream either.
        return drain(web_socket.get_mut());
    }
    if let Some((code, reason)) = close_code(&end) {
        hub.leave(connection.id);
        connection.outbox.close(wire::close(code, &reason));
        drain(web_socket.get_mut());
    }
}

/// How to close for what the client did wrong, RFC 6455, 7.4.1; `None` if the connection has ended.
fn close_code(error: &Error) -> Option<(u16, Cow<'static, str>)> {
    use tungstenite::error::ProtocolError;
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(error) => Some((1002, error.to_string().into())),
        Error::Utf8(_) => Some((1007, "the text is not UTF-8".into())),
        Error::Capacity(_) => Some((1009, "the message is larger than 1 MiB".into())),
        _ => None,
    }
}

/// Reads until the connection ends. Closing a socket with unread bytes would reset it, and the client would lose the
/// last frames.
fn drain(stream: &mut Stream<'_>) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk), Ok(count) if count > 0) {}
}

/// What tungstenite reads from and writes to: it reads from the socket; its pongs and close echoes go into the queue.
struct Stream<'a> {
    hub: &'a Hub,
    connection: &'a Connection,
    socket: &'a TcpStream,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let id = self.connection.id;
        if !self.hub.wait_while_stalled(id) {
            return Ok(0);
        }
        let count = loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        // What this read took has to wait, too, if the server was stalled meanwhile.
        if !self.hub.wait_while_stalled(id) {
            return Ok(0);
        }
        Ok(count)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.hub.is_silent() {
            let pushed = self.connection.outbox.push(Bytes::copy_from_slice(bytes));
            if pushed == Push::Full {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
