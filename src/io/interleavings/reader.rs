//! A reader without a socket: what the server does is played to the session.

use std::{cell::Cell, sync::Arc, time::Instant};

use super::{Core, stop::Stop, worker::Worker};
use crate::{
    ConnectPhase, Error,
    session::{Ending, FromSocket, Generation, Input},
};

/// What the server does with each connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Refuses,
    /// Confirms the connection and sends so many messages.
    Accepts {
        messages: u32,
    },
}

// All threads of a model run on one thread of the operating system, that of the test.
std::thread_local! {
    static SERVER: Cell<Server> = const { Cell::new(Server::Refuses) };
}

pub(super) fn let_server(does: Server) {
    SERVER.set(does);
}

pub(super) struct Reader {
    pub(super) generation: Generation,
    pub(super) stop: Arc<Stop>,
    pub(super) worker: Worker,
}

impl Reader {
    pub(super) fn start(core: &Arc<Core>, generation: Generation, _tls: bool, _: Instant) -> Result<Self, Error> {
        let stop = Arc::new(Stop::new());
        let connection = Connection { core: Arc::clone(core), generation, stop: Arc::clone(&stop) };
        let worker = Worker::spawn("pusher-reader", move || connection.run())?;
        Ok(Self { generation, stop, worker })
    }
}

struct Connection {
    core: Arc<Core>,
    generation: Generation,
    stop: Arc<Stop>,
}

impl Connection {
    fn run(self) {
        match SERVER.get() {
            Server::Refuses => self.tell(FromSocket::DialFailed(Error::lost("refused"))),
            Server::Accepts { messages } => self.accept(messages),
        }
        self.tell(FromSocket::Ended(Ending::Lost(Error::lost("the reader has ended"))));
    }

    fn accept(&self, messages: u32) {
        self.tell(FromSocket::Reached(ConnectPhase::Established));
        self.tell(FromSocket::Text(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#));
        for _ in 0..messages {
            self.core.outlets.wait_for_room(&self.stop);
            self.tell(FromSocket::Text(r#"{"event":"pusher:error","data":{"code":4301,"message":"a message"}}"#));
        }
        // As `peek` does when the socket is shut down.
        let _ = self.stop.signal().recv();
    }

    fn tell(&self, event: FromSocket<'_>) {
        self.core.turn_and_order(|link, now| link.handle(Input::Socket(self.generation, event), now));
    }
}
