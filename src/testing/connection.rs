//! One WebSocket: the thread that reads it, and the writer beside it.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use tungstenite::Bytes;

use crate::io::websocket::{Decoder, Incoming, Sender, Violation};

use super::hub::Hub;
use super::outbox::{Outbox, Push, WRITE_TIMEOUT, write_out};
use super::upgrade::Greeting;
use super::{message, wire};

/// Clients send small messages.
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
    let mut stream = Stream { hub, connection, socket };
    let violation = receive_all(hub, connection, &mut stream, read_ahead);
    if hub.is_silent() {
        // A silent server does not react to the end of the stream either.
        return drain(&mut stream);
    }
    if let Some(violation) = violation {
        hub.leave(connection.id);
        connection.outbox.close(wire::close(violation.close_code(), reason(violation)));
        drain(&mut stream);
    }
}

/// Receives messages until the connection ends, or the client breaks the rules.
fn receive_all(hub: &Hub, connection: &Connection, stream: &mut Stream<'_>, read_ahead: Vec<u8>) -> Option<Violation> {
    let mut decoder = Decoder::new(Sender::Client, MAX_MESSAGE);
    let mut buffer = vec![0; READ_BUFFER];
    let mut bytes = read_ahead.as_slice();
    loop {
        match decoder.next(&mut bytes) {
            Ok(Some(message)) if receive(hub, connection, &message) => {}
            Ok(Some(_)) => return None,
            Ok(None) => {
                let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
                bytes = buffer.get(..count).unwrap_or_default();
            }
            Err(violation) => return Some(violation),
        }
    }
}

/// False when the client has closed, or does not take what is queued for it.
fn receive(hub: &Hub, connection: &Connection, message: &Incoming<'_>) -> bool {
    match message {
        Incoming::Text(text) => message::receive(hub, connection, text),
        Incoming::Binary(_) => hub.ignore(),
        Incoming::Ping(payload) if !hub.is_silent() => {
            return connection.outbox.push(wire::ws_pong(payload)) != Push::Full;
        }
        Incoming::Close(frame) if !hub.is_silent() => {
            // No event may follow the echo.
            hub.leave(connection.id);
            connection.outbox.close(wire::close_echo(frame.map(|(code, _)| code)));
            return false;
        }
        Incoming::Ping(_) | Incoming::Pong | Incoming::Close(_) => {}
    }
    true
}

/// In words, RFC 6455, 7.4.1.
fn reason(violation: Violation) -> &'static str {
    match violation {
        Violation::TooLarge => "the message is larger than 1 MiB",
        Violation::NotUtf8 => "the text is not UTF-8",
        Violation::Protocol(what) => what,
    }
}

/// Reads until the connection ends. Closing a socket with unread bytes would reset it, and the client would lose the
/// last frames.
fn drain(stream: &mut Stream<'_>) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk), Ok(count) if count > 0) {}
}

/// The socket, which is not read while the server is stalled.
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
