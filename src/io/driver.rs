//! The socket and the session, under one lock.
//!
//! The rules of that lock: no thread reads from the network under it; the reader hands over the bytes that it has read.
//! Writing is cut into slices of 50 ms. No user code runs under it, except that tungstenite calls a logger. No other call
//! blocks. The only locks that are taken under it are those of the intents and of the pace of client events.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tungstenite::Message;

use super::{
    intents::Intents,
    transport::websocket::{ReadError, WebSocket},
};
use crate::{
    ConnectPhase, Error,
    delivery::Delivery,
    event::Stamp,
    secret::Secret,
    session::{Effect, Ending, FromSocket, Generation, Input, Output, Session},
};

/// The delay before the next try to write, if the peer did not take all bytes.
const WRITE_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct Driver {
    pub(super) session: Session,
    socket: Option<OpenSocket>,
    /// The posted requests, in order. The turn that takes them from the intents feeds all of them.
    posted: VecDeque<Input<'static>>,
    /// The number of requests that were taken from the intents, and the number of those that were fed to the session.
    taken: u64,
    fed: u64,
    /// The sockets that this turn has closed.
    closed: Vec<WebSocket>,
    /// The time at which the heartbeat wakes up by itself.
    armed: Option<Instant>,
    max_message: usize,
}

struct OpenSocket {
    generation: Generation,
    web: WebSocket,
    /// The time of the next try to write, while the peer does not take all bytes.
    blocked: Option<Instant>,
    /// The bytes that the transport had written when it was last blocked.
    written: u64,
}

/// The bytes to process.
pub(crate) enum Incoming<'a> {
    /// The bytes that came together with the answer to the upgrade.
    First,
    /// The bytes that the reader has read. No bytes mean the end of the stream.
    Next(&'a [u8]),
}

/// The work that a turn leaves to be done without the lock.
#[derive(Default)]
pub(crate) struct TurnResult {
    pub delivery: Option<Delivery>,
    pub effects: Vec<Effect>,
    /// The heartbeat must wake up earlier than planned.
    pub rearms: bool,
    /// The sockets to shut down. The shutdown may run code of the program.
    pub closed: Vec<WebSocket>,
}

impl Driver {
    pub fn new(session: Session, max_message: usize) -> Self {
        Self {
            session,
            socket: None,
            posted: VecDeque::new(),
            taken: 0,
            fed: 0,
            closed: Vec::new(),
            armed: None,
            max_message,
        }
    }

    /// Takes the posted requests. Returns the number of the last one. A turn that begins now [feeds](Self::next_posted)
    /// all of them before its own input; later requests do not delay it.
    pub fn take_posted(&mut self, intents: &Intents) -> u64 {
        if intents.has_posted() {
            let posted = intents.take();
            self.taken += posted.len() as u64;
            self.posted.extend(posted);
        }
        self.taken
    }

    /// The next posted request, up to that number.
    pub fn next_posted(&mut self, last: u64, is_connection_wanted: bool) -> Option<Input<'static>> {
        if self.fed >= last {
            return None;
        }
        let are_intent_changes = matches!(self.posted.front(), Some(Input::IntentChanges(_)));
        if are_intent_changes && !is_connection_wanted && !self.session.is_idle() {
            // The call to disconnect waits behind the changes of intents. It may be handled before them.
            return Some(Input::Disconnect);
        }
        self.fed += 1;
        self.posted.pop_front()
    }

    /// Feeds the session with an input, and handles its outputs.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) -> TurnResult {
        self.begin_slice(now);
        self.session.handle(input, now);
        self.finish_turn(now)
    }

    /// Takes over a socket with an open WebSocket. The socket is closed if its generation is not the current one.
    pub fn install(&mut self, generation: Generation, web: WebSocket, now: Instant) -> TurnResult {
        if self.session.is_current_generation(generation) {
            self.socket = Some(OpenSocket { generation, web, blocked: None, written: 0 });
        } else {
            self.closed.push(web);
        }
        self.handle(Input::Socket(generation, FromSocket::Reached(ConnectPhase::Established)), now)
    }

    /// Processes bytes of the reader. Returns `None` if the socket is not the current one.
    pub fn receive(&mut self, generation: Generation, incoming: Incoming<'_>, now: Instant) -> Option<TurnResult> {
        self.begin_slice(now);
        let Self { session, socket, max_message, .. } = self;
        let socket = socket.as_mut().filter(|socket| socket.generation == generation)?;
        let mut closed = None;
        // A message may end this connection.
        let each = |message: Message| {
            closed = feed_message(session, generation, message, now);
            closed.is_none() && session.is_current_generation(generation)
        };
        let result = match incoming {
            Incoming::First => socket.web.begin(each),
            Incoming::Next(bytes) => socket.web.receive(bytes, each),
        };
        if let Some(code) = result.as_ref().err().and_then(ReadError::close_code) {
            // The connection ends even if the close frame cannot be written.
            let _ = socket.web.close(code);
        }
        let ending = closed.or_else(|| result.err().map(|broken| Ending::Lost(describe(broken, *max_message))));
        self.after_receive(generation, ending, now);
        Some(self.finish_turn(now))
    }

    /// Sends the answers to control frames here, so that a peer that does not take them is noticed as with any other
    /// message.
    fn after_receive(&mut self, generation: Generation, ending: Option<Ending>, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let flushed = socket.web.flush();
        self.session.handle(Input::Socket(generation, FromSocket::Bytes), now);
        match ending {
            Some(ending) => self.session.handle(Input::Socket(generation, FromSocket::Ended(ending)), now),
            None => self.after_write(flushed, now),
        }
    }

    /// Sets the time at which the heartbeat wakes up by itself, and returns it.
    pub fn arm(&mut self) -> Option<Instant> {
        self.armed = self.next_wake_up();
        self.armed
    }

    /// Gives a turn one slice of time for all its writes. There is none while writing is blocked and the next try is
    /// not due.
    fn begin_slice(&mut self, now: Instant) {
        if let Some(socket) = self.socket.as_mut().filter(|socket| socket.may_write(now)) {
            socket.web.transport_mut().begin_slice();
        }
    }

    fn finish_turn(&mut self, now: Instant) -> TurnResult {
        let mut effects = Vec::new();
        while let Some(output) = self.next_output(now) {
            match output {
                Output::Send(text) => self.send(text, now),
                Output::Effect(effect) => effects.push(effect),
                Output::Close { generation, code } => {
                    self.close(generation, code);
                    effects.push(Effect::StopReader(generation));
                }
            }
        }
        TurnResult {
            delivery: self.session.take_delivery(),
            effects,
            closed: std::mem::take(&mut self.closed),
            rearms: self.must_rearm(),
        }
    }

    /// Closing a socket comes before all writes on it. While writing is blocked, messages wait in the session, which
    /// can merge them. So at most one message waits in the socket.
    fn next_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.session.poll_supervision() {
            return Some(output);
        }
        self.continue_write(now);
        if self.socket.as_ref().is_some_and(|socket| socket.blocked.is_some()) {
            return self.session.poll_supervision();
        }
        self.session.poll_output(now, &Stamp::is_current)
    }

    /// Whether the heartbeat must wake up earlier than planned. The earlier time is stored at once, so that the
    /// heartbeat is called once and not for every read.
    fn must_rearm(&mut self) -> bool {
        let Some(next) = self.next_wake_up() else { return false };
        let earlier = self.armed.is_none_or(|armed| next < armed);
        if earlier {
            self.armed = Some(next);
        }
        earlier
    }

    fn next_wake_up(&self) -> Option<Instant> {
        let again = self.socket.as_ref().and_then(|socket| socket.blocked);
        [self.session.deadline(), again].into_iter().flatten().min()
    }

    fn send(&mut self, text: Secret, now: Instant) {
        #[cfg(all(test, shuttle))]
        crate::io::threads::reader::receive(text.expose());
        let Some(socket) = &mut self.socket else { return };
        let generation = socket.generation;
        match socket.web.send(text) {
            // The time of the write counts for the limit of client events, and other writes of this turn may have taken
            // a whole slice.
            Ok(()) => self.session.handle(Input::Socket(generation, FromSocket::Written), Instant::now()),
            blocked_or_lost => self.after_write(blocked_or_lost, now),
        }
    }

    /// Continues a blocked write, if the next try is due.
    fn continue_write(&mut self, now: Instant) {
        let due = |socket: &&mut OpenSocket| socket.blocked.is_some() && socket.may_write(now);
        let Some(socket) = self.socket.as_mut().filter(due) else { return };
        let result = socket.web.flush();
        self.after_write(result, now);
    }

    fn after_write(&mut self, result: io::Result<()>, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let event = match result {
            Ok(()) => {
                if socket.blocked.take().is_none() {
                    return;
                }
                FromSocket::Written
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let written = socket.web.transport().written();
                let progress = written > std::mem::replace(&mut socket.written, written);
                if socket.may_write(now) {
                    // The delay counts from the end of the slice, so that the lock is free most of the time.
                    socket.blocked = Some(Instant::now() + WRITE_AGAIN);
                }
                FromSocket::WriteBlocked { progress }
            }
            Err(error) => FromSocket::Ended(Ending::Lost(lost(error))),
        };
        let generation = socket.generation;
        // The time of the write counts for the limit of client events, and this write may have taken a whole slice.
        let now = if matches!(event, FromSocket::Written) { Instant::now() } else { now };
        self.session.handle(Input::Socket(generation, event), now);
    }

    /// Closes a socket at once. The close frame is sent if the peer takes it without delay.
    fn close(&mut self, generation: Generation, code: Option<u16>) {
        let Some(mut socket) = self.socket.take_if(|socket| socket.generation == generation) else { return };
        if let Some(code) = code.filter(|_| socket.blocked.is_none()) {
            let _ = socket.web.close(code);
        }
        self.closed.push(socket.web);
    }
}

impl OpenSocket {
    fn may_write(&self, now: Instant) -> bool {
        self.blocked.is_none_or(|again| again <= now)
    }
}

/// Feeds the session with a message. A close frame ends the connection.
fn feed_message(session: &mut Session, generation: Generation, message: Message, now: Instant) -> Option<Ending> {
    let event = match &message {
        Message::Text(text) => FromSocket::Text(text),
        Message::Binary(_) => FromSocket::Binary,
        Message::Close(frame) => {
            // RFC 6455, section 7.1.5: a close frame without a code counts as 1005.
            let (code, reason) = frame.as_ref().map_or((1005, ""), |frame| (frame.code.into(), &frame.reason));
            return Some(Ending::Closed { code, reason: reason.to_owned() });
        }
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    };
    session.handle(Input::Socket(generation, event), now);
    None
}

fn describe(broken: ReadError, max_message: usize) -> Error {
    match broken {
        ReadError::Ended => Error::lost("the server ended the connection without a close frame"),
        ReadError::TooLarge => Error::MessageTooLarge { limit: max_message },
        ReadError::NotUtf8 => Error::lost("the server sent a text message that is not UTF-8"),
        ReadError::Protocol(rule) => Error::lost(format!("the server broke the WebSocket protocol: {rule}")),
        ReadError::Io(error) => lost(error),
    }
}

/// The error of the operating system or of TLS.
pub(crate) fn lost(error: io::Error) -> Error {
    Error::ConnectionLost { reason: error.to_string(), source: Some(Arc::new(error)) }
}
