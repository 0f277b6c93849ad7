//! The thread of one connection: dials, then reads that one socket until it dies.

use std::{panic, sync::Arc, time::Instant};

use super::{
    Core,
    dial::{Dial, Dialled},
    gate::BUFFER,
    link::{Burst, lost},
    stop::Stop,
    wire::Inlet,
    worker::Worker,
};
use crate::{
    Error,
    session::{Ending, FromSocket, Generation, Input},
};

/// One reader, as the heartbeat sees it.
pub(super) struct Reader {
    pub(super) generation: Generation,
    pub(super) stop: Arc<Stop>,
    pub(super) worker: Worker,
}

/// What a reader is made for.
struct Errand {
    core: Arc<Core>,
    generation: Generation,
    tls: bool,
    deadline: Instant,
    stop: Arc<Stop>,
}

impl Reader {
    pub(super) fn start(core: &Arc<Core>, generation: Generation, tls: bool, deadline: Instant) -> Result<Self, Error> {
        let stop = Arc::new(Stop::new());
        let errand = Errand { core: Arc::clone(core), generation, tls, deadline, stop: Arc::clone(&stop) };
        let worker = Worker::spawn("pusher-reader", move || errand.run())?;
        Ok(Self { generation, stop, worker })
    }
}

impl Errand {
    /// However the thread ends, the session is told. When it knows already, that changes nothing.
    fn run(self) {
        let _inside = self.core.inside();
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| self.dial_and_read()));
        let reason = if result.is_ok() { "the reader has ended" } else { "the reader has failed, which is a bug" };
        self.tell(FromSocket::Ended(Ending::Lost(Error::lost(reason))));
    }

    fn dial_and_read(&self) {
        let core = &self.core;
        let config = match core.dialer_calls.config_of_attempt(&core.config, &self.stop) {
            Ok(config) => config,
            Err(error) => return self.tell(FromSocket::DialFailed(error)),
        };
        let dial = Dial {
            config: &config,
            connector: &core.connector,
            deadline: self.deadline,
            timeout: core.config.settings().connect_timeout,
            stop: &self.stop,
            traffic: &core.traffic,
        };
        match dial.web_socket(self.tls, &core.dialer_calls, |phase| self.tell(FromSocket::Reached(phase))) {
            Err(error) => self.tell(FromSocket::DialFailed(error)),
            Ok(Dialled { web, inlet }) => {
                core.turn_and_order(|link, now| link.install(self.generation, web, now));
                self.read(inlet);
            }
        }
    }

    /// Waits for the network without the link's lock, and brings there what has come.
    fn read(&self, mut inlet: Inlet) {
        let mut buffer = vec![0; BUFFER];
        let mut current = self.burst(Burst::First);
        while current && self.wait_for_room() {
            match inlet.read(&mut buffer) {
                Ok(count) => current = self.burst(Burst::Next(buffer.get(..count).unwrap_or_default())),
                Err(error) => return self.tell(FromSocket::Ended(Ending::Lost(lost(error)))),
            }
        }
    }

    /// False when the socket is not the current one any more.
    fn burst(&self, burst: Burst<'_>) -> bool {
        // Stays so where no turn is made: in a forked child, where the socket is the parent's (H7).
        let mut current = false;
        self.core.turn_and_order(|link, now| {
            let aftermath = link.read_burst(self.generation, burst, now);
            current = aftermath.is_some();
            aftermath.unwrap_or_default()
        });
        // What was woken, or has logged, may have forked.
        current && self.core.process.is_current()
    }

    /// Holds the reader back while a queue that blocks is full. The session is told, because the silence is ours. An attempt
    /// to connect is not held back: it has one message to read.
    fn wait_for_room(&self) -> bool {
        if !self.core.outlets.has_room() && self.core.is_connected() {
            self.tell(FromSocket::Paused);
            self.core.outlets.wait_for_room(&self.stop);
            self.tell(FromSocket::Resumed);
        }
        !self.stop.is_set()
    }

    fn tell(&self, event: FromSocket<'_>) {
        self.core.turn_and_order(|link, now| link.handle(Input::Socket(self.generation, event), now));
    }
}
