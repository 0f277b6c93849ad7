//! One WebSocket: the thread that reads it, and the writer beside it.
//!
//! tungstenite reads the frames of the client and checks them. The server sends its own answers to pings and close
//! frames through the outbox, so that a silent server sends none.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
};

use tungstenite::{
    Bytes,
    error::{Error, ProtocolError},
    protocol::{Message, Role, WebSocket, WebSocketConfig, frame::coding::CloseCode},
};

use super::messages;
use crate::testing::{
    http::upgrade::Greeting,
    hub::{
        core::Hub,
        state::{
            client::Connection,
            outbox::{Outbox, Push, WRITE_TIMEOUT, write_out},
        },
    },
    protocol::frames,
};

/// The size of the read buffer. Clients send small messages.
const READ_BUFFER: usize = 16 * 1024;
/// RFC 6455, 5.5: a header of two bytes, and at most 125 bytes of payload.
const MAX_CONTROL_FRAME: usize = 127;

/// The state of a connection when the upgrade is done.
pub(crate) struct UpgradedConnection {
    /// The unsent part of the `101` response.
    pub head: Bytes,
    pub greeting: Greeting,
    /// Bytes that arrived after the request.
    pub read_ahead: Vec<u8>,
}

/// Serves a WebSocket until it ends.
pub(crate) fn run(hub: &Hub, id: u64, socket: &TcpStream, upgraded: UpgradedConnection) -> io::Result<()> {
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (outbox, queue) = Outbox::new(hub.settings.queue_limit);
    let connection = Arc::new(Connection { id, socket_id: hub.socket_id(id), outbox });
    thread::scope(|scope| {
        let writer = || {
            write_out(&connection.outbox, &queue, socket);
            hub.cut(id);
        };
        thread::Builder::new().name(format!("pusher-server-write-{id}")).spawn_scoped(scope, writer)?;
        hub.open(&connection, upgraded.head, upgraded.greeting);
        read_messages(hub, &connection, socket, upgraded.read_ahead);
        hub.leave(id);
        connection.outbox.end();
        Ok(())
    })
}

fn read_messages(hub: &Hub, connection: &Connection, socket: &TcpStream, read_ahead: Vec<u8>) {
    let stream = Stream { hub, connection, socket };
    let mut websocket =
        WebSocket::from_partially_read(stream, read_ahead, Role::Server, Some(limits(hub.settings.max_message_size)));
    let error = loop {
        match websocket.read() {
            Ok(message) => match receive(hub, connection, &message) {
                Next::Read => {}
                Next::Leave => return,
                Next::Terminate => {
                    hub.leave(connection.id);
                    connection.outbox.end();
                    return drain(websocket.get_mut());
                }
            },
            Err(error) => break error,
        }
    };
    if hub.is_silent() {
        // A silent server sends no close frame. It keeps the connection until the client ends it.
        return drain(websocket.get_mut());
    }
    if let Some(frame) = refusal(&error) {
        hub.leave(connection.id);
        connection.outbox.close(frame);
        drain(websocket.get_mut());
    }
}

/// The write buffer stays empty, because [`Stream`] accepts every write at once.
fn limits(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_CONTROL_FRAME)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The next step after a message.
enum Next {
    Read,
    /// The client has closed the connection, or its queue is full.
    Leave,
    /// The server ends the connection without a close frame after it has written the queue.
    Terminate,
}

fn receive(hub: &Hub, connection: &Connection, message: &Message) -> Next {
    match message {
        Message::Text(text) if !messages::receive(hub, connection, text) => return Next::Terminate,
        Message::Binary(_) => hub.ignore(),
        Message::Ping(payload) if !hub.is_silent() => {
            if connection.outbox.push(frames::ws_pong(payload)) == Push::Full {
                return Next::Leave;
            }
        }
        Message::Close(frame) if !hub.is_silent() => {
            // The echo is the last frame.
            hub.leave(connection.id);
            connection.outbox.close(frames::close_echo(frame.as_ref().map(|frame| frame.code)));
            return Next::Leave;
        }
        Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
    }
    Next::Read
}

/// The close frame for a client that violates the WebSocket protocol (RFC 6455, 7.4.1). `None` if the connection ended
/// in another way.
fn refusal(error: &Error) -> Option<Bytes> {
    let code = match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(_) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return None,
    };
    Some(frames::close(code.into(), &error.to_string()))
}

/// Reads until the connection ends. Closing a socket with unread bytes would reset it, and the client would lose the
/// last frames.
fn drain(stream: &mut Stream<'_>) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk), Ok(count) if count > 0) {}
}

/// The socket for tungstenite. It is not read while the server is stalled.
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
        // If the server was stalled during the read, these bytes must wait as well.
        if !self.hub.wait_while_stalled(id) {
            return Ok(0);
        }
        Ok(count)
    }
}

/// tungstenite writes only its automatic answers to pings and close frames. They are dropped: frames must go through
/// the outbox, and [`receive`] answers only while the server is not silent.
impl Write for Stream<'_> {
    fn write(&mut self, answer: &[u8]) -> io::Result<usize> {
        Ok(answer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_protocol_violation_gets_a_close_frame() {
        assert_eq!(refusal(&Error::ConnectionClosed), None);
        assert_eq!(refusal(&Error::Io(io::ErrorKind::ConnectionReset.into())), None);
        assert_eq!(refusal(&Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
        let refused = refusal(&Error::Protocol(ProtocolError::UnmaskedFrameFromClient));
        let reason = "WebSocket protocol error: Received an unmasked frame from client";
        assert_eq!(refused, Some(frames::close(1002, reason)));
    }
}
