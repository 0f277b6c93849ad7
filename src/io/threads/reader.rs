//! The reader thread of one connection: it dials, and then reads that one socket until the end.

use std::{panic, sync::Arc, time::Instant};

use crate::{
    Error,
    config::Plan,
    io::{
        Core,
        connect::dial::{Dial, Dialled},
        driver::{Incoming, lost},
        guard::worker::Worker,
        transport::{BUFFER, cancel::CancelToken, halves::ReadHalf},
    },
    session::{Ending, FromSocket, Generation, Input},
};

/// A running reader.
pub(crate) struct Reader {
    pub generation: Generation,
    pub cancel: Arc<CancelToken>,
    pub worker: Worker,
}

/// The task of a reader.
struct ReaderTask {
    core: Arc<Core>,
    plan: Arc<Plan>,
    generation: Generation,
    tls: bool,
    deadline: Instant,
    cancel: Arc<CancelToken>,
}

impl Reader {
    pub fn start(
        core: &Arc<Core>,
        plan: &Arc<Plan>,
        generation: Generation,
        tls: bool,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let cancel = Arc::new(CancelToken::new());
        let (core, plan) = (Arc::clone(core), Arc::clone(plan));
        let task = ReaderTask { core, plan, generation, tls, deadline, cancel: Arc::clone(&cancel) };
        let worker = Worker::spawn("pusher-reader", move || task.run())?;
        Ok(Self { generation, cancel, worker })
    }
}

impl ReaderTask {
    /// Reports the end of the thread to the session, whatever the reason. If the session knows already, the report has
    /// no effect.
    fn run(self) {
        let _mark = self.core.mark_thread();
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| self.dial_and_read()));
        let reason = if result.is_ok() { "the reader has ended" } else { "the reader has failed, which is a bug" };
        self.report(FromSocket::Ended(Ending::Lost(Error::lost(reason))));
    }

    fn dial_and_read(&self) {
        let core = &self.core;
        let endpoint = match core.dialer_calls.endpoint(&self.plan, &self.cancel) {
            Ok(endpoint) => endpoint,
            Err(error) => return self.report(FromSocket::DialFailed(error)),
        };
        let dial = Dial {
            plan: &self.plan,
            connector: &core.connector,
            deadline: self.deadline,
            timeout: self.plan.settings.connect_timeout,
            cancel: &self.cancel,
            byte_counters: &core.byte_counters,
        };
        let reached = |phase| self.report(FromSocket::Reached(phase));
        match dial.web_socket(endpoint, self.tls, &core.dialer_calls, reached) {
            Err(error) => self.report(FromSocket::DialFailed(error)),
            Ok(Dialled { web, read_half }) => {
                core.turn_and_command(|driver, now| driver.install(self.generation, web, now));
                self.read(read_half);
            }
        }
    }

    /// Reads from the network without the lock of the driver, and hands over the bytes.
    fn read(&self, mut read_half: ReadHalf) {
        let mut buffer = vec![0; BUFFER];
        let mut current = self.process(Incoming::First);
        while current && self.wait_for_room() {
            match read_half.read(&mut buffer) {
                Ok(count) => current = self.process(Incoming::Next(buffer.get(..count).unwrap_or_default())),
                Err(error) => return self.report(FromSocket::Ended(Ending::Lost(lost(error)))),
            }
        }
    }

    /// Returns false if the socket is no longer the current one.
    fn process(&self, incoming: Incoming<'_>) -> bool {
        // It stays false if no turn is made: in a forked child, where the socket belongs to the parent (H7).
        let mut current = false;
        self.core.turn_and_command(|driver, now| {
            let result = driver.receive(self.generation, incoming, now);
            current = result.is_some();
            result.unwrap_or_default()
        });
        // A wake-up closure or a logger may have forked.
        current && self.core.process.is_current()
    }

    /// Waits while a blocking queue is full. The session learns of the pause, because it must ignore the silence. An
    /// attempt to connect does not wait: it has one message to read.
    fn wait_for_room(&self) -> bool {
        if !self.core.fan_out.has_room() && self.core.is_connected() {
            self.report(FromSocket::Paused);
            self.core.fan_out.wait_for_room(&self.cancel);
            self.report(FromSocket::Resumed);
        }
        !self.cancel.is_set()
    }

    fn report(&self, event: FromSocket<'_>) {
        self.core.turn_and_command(|driver, now| driver.handle(Input::Socket(self.generation, event), now));
    }
}
