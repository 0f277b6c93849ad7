//! The socket and the session, together behind one lock.
//!
//! The rules of that lock: nobody reads from the network under it, the reader brings what it has read; writing is cut into
//! slices of 50 ms; no user code and no blocking send under it, and no other locks than those of the intents and of the
//! pacing.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tungstenite::Message;

use super::{
    intents::Intents,
    transport::websocket::{Broken, WebSocket},
};
use crate::{
    ConnectPhase, Error,
    delivery::Delivery,
    event::Stamp,
    secret::Secret,
    session::{Effect, Ending, FromSocket, Generation, Input, Output, Session},
};

/// How soon writing is tried again when the peer took less than there was. Nobody is woken while nothing is blocked.
const WRITE_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct Driver {
    pub session: Session,
    socket: Option<OpenSocket>,
    /// The requests that user calls have posted, in order. The turn that takes it from the intents feeds all of it.
    posted: VecDeque<Input<'static>>,
    /// How much was taken from the intents so far, and how much of it the session was fed with.
    taken: u64,
    fed: u64,
    /// Sockets that this turn ended.
    closed: Vec<WebSocket>,
    /// When the heartbeat will look at the session again by itself.
    armed: Option<Instant>,
    max_message: usize,
}

struct OpenSocket {
    generation: Generation,
    web: WebSocket,
    /// When to try again to write what the peer did not take.
    blocked: Option<Instant>,
    /// What the transport had written when it was last blocked.
    written: u64,
}

/// What is to be read of a socket.
pub(crate) enum Incoming<'a> {
    /// What came together with the answer to the upgrade.
    First,
    /// What the reader has read; nothing stands for the end of the stream.
    Next(&'a [u8]),
}

/// What a turn under the lock leaves to be done without it.
#[derive(Default)]
pub(crate) struct TurnResult {
    pub delivery: Option<Delivery>,
    pub effects: Vec<Effect>,
    /// The heartbeat must look at the session earlier than it means to.
    pub rearms: bool,
    /// Sockets that are to be shut down. The way to do that may be the program's own code.
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

    /// Takes what user calls have posted. Returns up to which number a turn that begins now has to [feed](Self::next_posted)
    /// it before its own input: later calls do not hold it up.
    pub fn take_posted(&mut self, intents: &Intents) -> u64 {
        if intents.has_posted() {
            let posted = intents.take();
            self.taken += posted.len() as u64;
            self.posted.extend(posted);
        }
        self.taken
    }

    /// The next input that was posted, up to that number.
    pub fn next_posted(&mut self, last: u64, is_connection_wanted: bool) -> Option<Input<'static>> {
        if self.fed >= last {
            return None;
        }
        let are_wishes = matches!(self.posted.front(), Some(Input::IntentChanges(_)));
        if are_wishes && !is_connection_wanted && !self.session.is_idle() {
            // The call waits behind the wishes. Following it early changes nothing but the time.
            return Some(Input::Disconnect);
        }
        self.fed += 1;
        self.posted.pop_front()
    }

    /// Tells the session something, and does what it wants done.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) -> TurnResult {
        self.begin_slice(now);
        self.session.handle(input, now);
        self.finish_turn(now)
    }

    /// Takes over a socket whose WebSocket is open. It is dropped when nobody wants it any more.
    pub fn install(&mut self, generation: Generation, web: WebSocket, now: Instant) -> TurnResult {
        if self.session.is_current(generation) {
            self.socket = Some(OpenSocket { generation, web, blocked: None, written: 0 });
        } else {
            self.closed.push(web);
        }
        self.handle(Input::Socket(generation, FromSocket::Reached(ConnectPhase::Established)), now)
    }

    /// Takes what the reader has read. `None` when the socket is not the current one any more.
    pub fn read_burst(&mut self, generation: Generation, burst: Incoming<'_>, now: Instant) -> Option<TurnResult> {
        self.begin_slice(now);
        let Self { session, socket, max_message, .. } = self;
        let socket = socket.as_mut().filter(|socket| socket.generation == generation)?;
        let mut closed = None;
        // A message may end the session's intent in this socket.
        let each = |message: Message| {
            closed = pass_on(session, generation, message, now);
            closed.is_none() && session.is_current(generation)
        };
        let result = match burst {
            Incoming::First => socket.web.begin(each),
            Incoming::Next(bytes) => socket.web.receive(bytes, each),
        };
        if let Some(code) = result.as_ref().err().and_then(Broken::close_code) {
            // The connection ends even if the close frame cannot be written.
            let _ = socket.web.close(code);
        }
        let ending = closed.or_else(|| result.err().map(|broken| Ending::Lost(describe(broken, *max_message))));
        self.after_burst(generation, ending, now);
        Some(self.finish_turn(now))
    }

    /// The answers to control frames are sent here, so that a peer that does not take them is noticed like with any other
    /// message.
    fn after_burst(&mut self, generation: Generation, ending: Option<Ending>, now: Instant) {
        let Some(socket) = &mut self.socket else { return };
        let flushed = socket.web.flush();
        self.session.handle(Input::Socket(generation, FromSocket::Bytes), now);
        match ending {
            Some(ending) => self.session.handle(Input::Socket(generation, FromSocket::Ended(ending)), now),
            None => self.wrote(flushed, now),
        }
    }

    /// When the heartbeat has to come back by itself.
    pub fn arm(&mut self) -> Option<Instant> {
        self.armed = self.next_look();
        self.armed
    }

    /// A turn has one slice of time for writing, whatever it writes, and none while the peer takes nothing and it is not
    /// yet time to try again.
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
            rearms: self.is_to_be_rearmed(),
        }
    }

    /// What ends a socket comes before all writing on it. While writing is blocked, messages wait in the session, which
    /// knows how to merge them, so that one of them at most waits in the socket.
    fn next_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.session.poll_supervision() {
            return Some(output);
        }
        self.write_on(now);
        if self.socket.as_ref().is_some_and(|socket| socket.blocked.is_some()) {
            return self.session.poll_supervision();
        }
        self.session.poll_output(now, &Stamp::is_current)
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

    fn send(&mut self, text: Secret, now: Instant) {
        #[cfg(all(test, shuttle))]
        crate::io::threads::reader::receive(text.expose());
        let Some(socket) = &mut self.socket else { return };
        let generation = socket.generation;
        match socket.web.send(text) {
            // The time of the write counts for the limit of client events, and a turn may spend a whole slice on others.
            Ok(()) => self.session.handle(Input::Socket(generation, FromSocket::Written), Instant::now()),
            blocked_or_lost => self.wrote(blocked_or_lost, now),
        }
    }

    /// Continues what was blocked, when it is time to.
    fn write_on(&mut self, now: Instant) {
        let due = |socket: &&mut OpenSocket| socket.blocked.is_some() && socket.may_write(now);
        let Some(socket) = self.socket.as_mut().filter(due) else { return };
        let result = socket.web.flush();
        self.wrote(result, now);
    }

    fn wrote(&mut self, result: io::Result<()>, now: Instant) {
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
                    // Counted from the end of the slice, so that most of the time the lock is free.
                    socket.blocked = Some(Instant::now() + WRITE_AGAIN);
                }
                FromSocket::WriteBlocked { progress }
            }
            Err(error) => FromSocket::Ended(Ending::Lost(lost(error))),
        };
        let generation = socket.generation;
        // The time of the write counts for the limit of client events, and writing may have taken a whole slice.
        let now = if matches!(event, FromSocket::Written) { Instant::now() } else { now };
        self.session.handle(Input::Socket(generation, event), now);
    }

    /// Ends a socket at once. The close frame is sent if the peer takes it without delay.
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

/// Hands a message to the session. A close frame is the socket's end.
fn pass_on(session: &mut Session, generation: Generation, message: Message, now: Instant) -> Option<Ending> {
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

fn describe(broken: Broken, max_message: usize) -> Error {
    match broken {
        Broken::Ended => Error::lost("the server ended the connection without a close frame"),
        Broken::TooLarge => Error::MessageTooLarge { limit: max_message },
        Broken::NotUtf8 => Error::lost("the server sent a text message that is not UTF-8"),
        Broken::Protocol(rule) => Error::lost(format!("the server broke the WebSocket protocol: {rule}")),
        Broken::Io(error) => lost(error),
    }
}

/// The operating system's reason, or that of TLS.
pub(crate) fn lost(error: io::Error) -> Error {
    Error::ConnectionLost { reason: error.to_string(), source: Some(Arc::new(error)) }
}
