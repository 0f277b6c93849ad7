//! A reader without a socket, which plays the server to the session.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Instant,
};

use crate::{
    ConnectPhase, Error,
    config::Plan,
    io::{core::Core, guard::worker::Worker, transport::cancel::CancelToken},
    session::{Ending, FromSocket, Generation, Input},
    sync::{Receiver, Sender, select_biased, unbounded},
};

/// The behaviour of the server on each connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Refuses,
    /// Confirms the connection and sends this number of messages.
    Accepts {
        messages: u32,
    },
    /// Confirms the connection, and every subscription and sign-in.
    Confirms,
}

// All threads of a model run on one thread of the operating system, that of the test.
std::thread_local! {
    static SERVER: Cell<Server> = const { Cell::new(Server::Refuses) };
    /// The inbox of a server that confirms, while there is a connection.
    static INBOX: RefCell<Option<Sender<String>>> = const { RefCell::new(None) };
    /// The messages that the server has received, with the notes of a test among them.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn set_server(server: Server) {
    SERVER.set(server);
    LOG.take();
}

/// Adds a note between the messages that the server receives.
pub(crate) fn note(text: &str) {
    LOG.with_borrow_mut(|log| log.push(text.to_owned()));
}

pub(crate) fn log() -> Vec<String> {
    LOG.with_borrow(Clone::clone)
}

/// The client has written this message to its socket.
pub(crate) fn receive(text: &str) {
    note(text);
    let inbox = INBOX.with_borrow(Clone::clone);
    if let Some(inbox) = inbox {
        let _ = inbox.send(text.to_owned());
    }
}

pub(crate) struct Reader {
    pub generation: Generation,
    pub cancel: Arc<CancelToken>,
    pub worker: Worker,
}

impl Reader {
    pub fn start(
        core: &Arc<Core>,
        _: &Arc<Plan>,
        generation: Generation,
        _tls: bool,
        _: Instant,
    ) -> Result<Self, Error> {
        let cancel = Arc::new(CancelToken::new());
        let connection = FakeConnection { core: Arc::clone(core), generation, cancel: Arc::clone(&cancel) };
        let worker = Worker::spawn("pusher-reader", move || connection.run())?;
        Ok(Self { generation, cancel, worker })
    }
}

struct FakeConnection {
    core: Arc<Core>,
    generation: Generation,
    cancel: Arc<CancelToken>,
}

impl FakeConnection {
    fn run(self) {
        match SERVER.get() {
            Server::Refuses => self.report(FromSocket::DialFailed(Error::lost("refused"))),
            Server::Accepts { messages } => self.accept(messages),
            Server::Confirms => self.confirm(),
        }
        self.report(FromSocket::Ended(Ending::Lost(Error::lost("the reader has ended"))));
    }

    fn establish(&self) {
        self.report(FromSocket::Reached(ConnectPhase::Established));
        self.report(FromSocket::Text(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#));
    }

    fn confirm(&self) {
        let (inbox, received) = unbounded();
        INBOX.set(Some(inbox));
        self.establish();
        while let Some(message) = self.next(&received) {
            if let Some(answer) = answer_to(&message) {
                self.report(FromSocket::Text(&answer));
            }
        }
        drop(INBOX.take());
    }

    /// The next message, until the socket is shut down.
    fn next(&self, received: &Receiver<String>) -> Option<String> {
        select_biased! {
            recv(self.cancel.signal()) -> _ => None,
            recv(*received) -> message => message.ok(),
        }
    }

    fn accept(&self, messages: u32) {
        self.establish();
        for _ in 0..messages {
            self.core.fan_out.wait_for_room(&self.cancel);
            self.report(FromSocket::Text(r#"{"event":"pusher:error","data":{"code":4301,"message":"a message"}}"#));
        }
        // As a read does, this returns when the socket is shut down.
        let _ = self.cancel.signal().recv();
    }

    fn report(&self, event: FromSocket<'_>) {
        self.core.turn_and_command(|driver, now| driver.handle(Input::Socket(self.generation, event), now));
    }
}

fn answer_to(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).expect("the client writes JSON");
    match message["event"].as_str() {
        Some("pusher:subscribe") => {
            let channel = &message["data"]["channel"];
            Some(format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":{channel},"data":"{{}}"}}"#))
        }
        Some("pusher:signin") => {
            Some(r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"7\"}"}}"#.to_owned())
        }
        _ => None,
    }
}
