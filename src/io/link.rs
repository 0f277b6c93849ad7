//! The socket and the session, together behind one lock.
//!
//! The rules of that lock: nobody reads from the network under it, beyond the one `recv` that `peek` promised; writing
//! is cut into slices of 50 ms; no user code, no blocking send and no other lock under it.

use std::{
    io,
    time::{Duration, Instant},
};

use tungstenite::{
    Message, WebSocket,
    error::CapacityError,
    protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
};

use super::stream::Stream;
use crate::{
    ConnectPhase, Error,
    event::Batch,
    session::{Ending, FromSocket, Generation, Input, Output, Question, Session},
};

/// How soon writing is tried again when the peer took less than there was. Nobody is woken while nothing is blocked.
const WRITE_AGAIN: Duration = Duration::from_millis(50);

/// tungstenite zero-fills its read buffer for every read, so a large one costs more than it saves (measured).
const READ_BUFFER: usize = 16 * 1024;

/// Messages are handed to tungstenite only while nothing is blocked, so that its buffer holds one of them and the answers
/// to control frames. It may grow to this, and the session keeps the rest.
const MAX_WRITE_BUFFER: usize = 1 << 20;

pub(crate) struct Link {
    pub(crate) session: Session,
    socket: Option<Socket>,
    /// When the heartbeat will look at the session again by itself.
    armed: Option<Instant>,
    max_message: usize,
}

struct Socket {
    generation: Generation,
    web: WebSocket<Stream>,
    /// When to try again to write what the peer did not take.
    blocked: Option<Instant>,
    /// What the gate had written when it was last blocked.
    written: u64,
}

/// What the heartbeat has to do after a turn.
#[derive(Debug)]
pub(crate) enum Order {
    Dial {
        generation: Generation,
        tls: bool,
        deadline: Instant,
    },
    /// The reader of this generation is not wanted any more.
    Stop(Generation),
    /// Those who authorise are to be asked.
    Ask(Question),
    /// The session's deadline has moved forward.
    Rearm,
}

/// What a turn under the lock leaves to be done without it.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    pub(crate) batch: Option<Batch>,
    pub(crate) orders: Vec<Order>,
}

/// tungstenite's limits. Its own defaults are practically none.
pub(super) fn websocket_config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

impl Link {
    pub(crate) fn new(session: Session, max_message: usize) -> Self {
        Self { session, socket: None, armed: None, max_message }
    }

    /// Tells the session something, and does what it wants done.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) -> Aftermath {
        self.begin_slice(now);
        self.session.handle(input, now);
        self.finish_turn(now)
    }

    /// Takes over a socket whose WebSocket is open. It is dropped when nobody wants it any more.
    pub(crate) fn install(&mut self, generation: Generation, web: WebSocket<Stream>, now: Instant) -> Aftermath {
        if self.session.is_current(generation) {
            self.socket = Some(Socket { generation, web, blocked: None, written: 0 });
        } else {
            web.get_ref().gate().shutdown();
        }
        self.handle(Input::Socket(generation, FromSocket::Reached(ConnectPhase::Established)), now)
    }

    /// Reads one burst: what was buffered and, with `readable`, what one `recv` brings. `None` when the socket is not the
    /// current one any more.
    pub(crate) fn read_burst(&mut self, generation: Generation, readable: bool, now: Instant) -> Option<Aftermath> {
        self.begin_slice(now);
        let socket = self.socket.as_mut().filter(|socket| socket.generation == generation)?;
        let before = socket.gate().received();
        if readable {
            socket.gate_mut().grant();
        }
        let ending = loop {
            match socket.web.read() {
                Ok(message) => {
                    if let Some(ending) = pass_on(&mut self.session, generation, message, now) {
                        break Some(ending);
                    }
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(error) => break Some(self.ending_of(error)),
            }
            // A message may have ended the session's interest in this socket.
            if !self.session.is_current(generation) {
                break None;
            }
        };
        self.after_burst(generation, before, ending, now);
        Some(self.finish_turn(now))
    }

    /// tungstenite prepares the answers to control frames while it reads. They are sent here, so that a peer that does not
    /// take them is noticed like with any other message.
    fn after_burst(&mut self, generation: Generation, before: u64, ending: Option<Ending>, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let received = socket.gate().received() > before;
        let flushed = socket.web.flush();
        if received {
            self.session.handle(Input::Socket(generation, FromSocket::Bytes), now);
        }
        match ending {
            Some(ending) => self.session.handle(Input::Socket(generation, FromSocket::Ended(ending)), now),
            None => self.wrote(flushed, now),
        }
    }

    fn ending_of(&self, error: tungstenite::Error) -> Ending {
        Ending::Lost(describe(error, self.max_message))
    }

    /// When the heartbeat has to come back by itself.
    pub(crate) fn arm(&mut self) -> Option<Instant> {
        self.armed = self.next_look();
        self.armed
    }

    /// A turn has one slice of time for writing, whatever it writes, and none while the peer takes nothing and it is not
    /// yet time to try again.
    fn begin_slice(&mut self, now: Instant) {
        if let Some(socket) = self.socket.as_mut().filter(|socket| socket.may_write(now)) {
            socket.gate_mut().begin_slice();
        }
    }

    fn finish_turn(&mut self, now: Instant) -> Aftermath {
        let mut orders = Vec::new();
        while let Some(output) = self.next_output(now) {
            match output {
                Output::Dial { generation, tls, deadline } => orders.push(Order::Dial { generation, tls, deadline }),
                Output::Send(text) => self.send(text, now),
                Output::Ask(question) => orders.push(Order::Ask(question)),
                Output::Close { generation, code } => {
                    self.close(generation, code);
                    orders.push(Order::Stop(generation));
                }
            }
        }
        if self.is_to_be_rearmed() {
            orders.push(Order::Rearm);
        }
        Aftermath { batch: self.session.take_batch(), orders }
    }

    /// What ends a socket comes before all writing on it. While writing is blocked, messages wait in the session, which
    /// knows how to merge them.
    fn next_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.session.poll_supervision() {
            return Some(output);
        }
        self.write_on(now);
        if self.socket.as_ref().is_some_and(|socket| socket.blocked.is_some()) {
            return self.session.poll_supervision();
        }
        self.session.poll_output(now)
    }

    /// Whether the heartbeat must look earlier than it means to. The earlier time counts as armed at once, so that the
    /// heartbeat is called once and not for every burst.
    fn is_to_be_rearmed(&mut self) -> bool {
        let Some(next) = self.next_look() else { return false };
        let earlier = self.armed.is_none_or(|armed| next < armed);
        if earlier {
            self.armed = Some(next);
        }
        earlier
    }

    fn next_look(&self) -> Option<Instant> {
        let again = self.socket.as_ref().and_then(|socket| socket.blocked);
        [self.session.deadline(), again].into_iter().flatten().min()
    }

    fn send(&mut self, text: String, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let result = socket.web.write(Message::text(text)).and_then(|()| socket.web.flush());
        self.wrote(result, now);
    }

    /// Continues what was blocked, when it is time to.
    fn write_on(&mut self, now: Instant) {
        let due = |socket: &&mut Socket| socket.blocked.is_some() && socket.may_write(now);
        let Some(socket) = self.socket.as_mut().filter(due) else { return };
        let result = socket.web.flush();
        self.wrote(result, now);
    }

    fn wrote(&mut self, result: tungstenite::Result<()>, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let event = match result {
            Ok(()) => {
                if socket.blocked.take().is_none() {
                    return;
                }
                FromSocket::Written
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                let written = socket.gate().written();
                let progress = written > std::mem::replace(&mut socket.written, written);
                if socket.may_write(now) {
                    // Counted from the end of the slice, so that most of the time the lock is free.
                    socket.blocked = Some(Instant::now() + WRITE_AGAIN);
                }
                FromSocket::WriteBlocked { progress }
            }
            Err(error) => FromSocket::Ended(Ending::Lost(describe(error, self.max_message))),
        };
        let generation = socket.generation;
        self.session.handle(Input::Socket(generation, event), now);
    }

    /// Ends a socket at once. The close frame is sent if the peer takes it without delay.
    fn close(&mut self, generation: Generation, code: Option<u16>) {
        let Some(mut socket) = self.socket.take_if(|socket| socket.generation == generation) else { return };
        if let Some(code) = code.filter(|_| socket.blocked.is_none()) {
            let _ = socket.web.close(Some(CloseFrame { code: CloseCode::from(code), reason: "".into() }));
        }
        socket.gate().shutdown();
    }
}

impl Socket {
    fn may_write(&self, now: Instant) -> bool {
        self.blocked.is_none_or(|again| again <= now)
    }

    fn gate(&self) -> &super::gate::Gate {
        self.web.get_ref().gate()
    }

    fn gate_mut(&mut self) -> &mut super::gate::Gate {
        self.web.get_mut().gate_mut()
    }
}

/// Hands a message to the session. A close frame is the socket's end.
fn pass_on(session: &mut Session, generation: Generation, message: Message, now: Instant) -> Option<Ending> {
    let event = match &message {
        Message::Text(text) => FromSocket::Text(text),
        Message::Binary(_) => FromSocket::Binary,
        Message::Close(frame) => {
            // RFC 6455, section 7.1.5: a close frame without a code counts as 1005.
            let (code, reason) =
                frame.as_ref().map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
            return Some(Ending::Closed { code, reason });
        }
        // tungstenite answers a Ping by itself, at the next read or write.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    };
    session.handle(Input::Socket(generation, event), now);
    None
}

/// In this crate's words, so that no type of tungstenite reaches users.
pub(super) fn describe(error: tungstenite::Error, max_message: usize) -> Error {
    use tungstenite::error::{Error as Web, ProtocolError};
    match error {
        Web::Capacity(CapacityError::MessageTooLong { .. }) => Error::MessageTooLarge { limit: max_message },
        Web::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::lost("the server ended the connection without a close frame")
        }
        Web::Io(error) => Error::ConnectionLost { reason: error.to_string(), source: Some(std::sync::Arc::new(error)) },
        Web::ConnectionClosed | Web::AlreadyClosed | Web::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Error::lost("the server ended the connection without a close frame")
        }
        Web::Protocol(error) => Error::lost(format!("the server broke the WebSocket protocol: {error}")),
        Web::Utf8(_) => Error::lost("the server sent a text message that is not UTF-8"),
        Web::WriteBufferFull(_) => Error::lost("the server does not take what is sent"),
        other => Error::lost(other.to_string()),
    }
}
