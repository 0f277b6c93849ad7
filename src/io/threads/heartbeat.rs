//! The heartbeat thread: it keeps time, carries out effects, and starts and stops readers.

use std::{
    panic,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::RecvTimeoutError;

use super::reader::Reader;
use crate::{
    config::Plan,
    io::{
        core::{Command, Core},
        driver::{Driver, TurnResult},
    },
    session::{Effect, FromSocket, Generation, Input, PendingAuth},
};

/// The maximum wait for the last readers. They end within milliseconds, because their sockets are shut down.
const JOIN_READERS: Duration = Duration::from_millis(150);

/// Runs the heartbeat thread until the session is idle and no request is left.
pub(crate) fn run(core: Arc<Core>, plan: Arc<Plan>) {
    let _mark = core.mark_thread();
    let mut heartbeat = Heartbeat { core: Arc::clone(&core), plan, readers: Vec::new(), authorizing_for: None };
    if panic::catch_unwind(panic::AssertUnwindSafe(|| heartbeat.keep_time())).is_err() {
        core.heartbeat_failed();
    }
    if !core.process.is_current() {
        return;
    }
    heartbeat.end_auth_requests();
    heartbeat.stop_readers();
    core.end_dispatching();
}

struct Heartbeat {
    core: Arc<Core>,
    plan: Arc<Plan>,
    readers: Vec<Reader>,
    /// The newest connection for which a permission was requested.
    authorizing_for: Option<Generation>,
}

impl Heartbeat {
    fn keep_time(&mut self) {
        // The loop ends in a child process that a logger or a wake-up closure has forked on this thread (H7).
        while self.core.process.is_current() {
            let deadline = self.core.arm();
            let command = match deadline {
                Some(deadline) => self.core.commands.receiver.recv_deadline(deadline),
                None if self.core.is_idle() && self.end() => return,
                None => self.core.commands.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(Command::Wake) => self.turn(|_, _| TurnResult::default()),
                Ok(Command::Effect(effect)) => self.carry_out(effect),
                Err(_) => self.feed(Input::Tick),
            }
            self.join_ended_readers();
        }
    }

    /// Returns false if there is something to do again. Auth requests end first: the next heartbeat makes its own.
    fn end(&mut self) -> bool {
        self.end_auth_requests();
        self.core.end_heartbeat()
    }

    fn feed(&mut self, input: Input<'_>) {
        self.turn(|driver, now| driver.handle(input, now));
    }

    fn turn(&mut self, act: impl FnOnce(&mut Driver, Instant) -> TurnResult) {
        // The loop reads the deadline of the session after every command, so there is no need to rearm.
        for effect in self.core.turn(act).effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { generation, tls, deadline } => self.dial(generation, tls, deadline),
            Effect::StopReader(generation) => self.cancel(generation),
            Effect::Authorize(requests) => self.ask(requests),
        }
    }

    /// Asks, and ends the requests for older connections, whose answers are of no use. The requests may themselves be late:
    /// they come from the reader of an older connection if user code has held it up.
    fn ask(&mut self, requests: Vec<PendingAuth>) {
        let generation = requests.first().map(|request| request.generation);
        let Some(generation) = generation.filter(|of| self.core.is_current(*of)) else { return };
        if self.authorizing_for != Some(generation) {
            self.end_auth_requests();
            self.authorizing_for = Some(generation);
        }
        for answer in self.core.auth.ask(&self.plan, &self.core, requests) {
            self.feed(Input::Answered(answer));
        }
    }

    fn end_auth_requests(&mut self) {
        if let Some(generation) = self.authorizing_for.take() {
            self.core.auth.end(generation);
        }
    }

    /// Starts a reader, unless the turn of another thread has handled a `disconnect` since.
    fn dial(&mut self, generation: Generation, tls: bool, deadline: Instant) {
        if !self.core.is_current(generation) {
            return;
        }
        match Reader::start(&self.core, &self.plan, generation, tls, deadline) {
            Ok(reader) => self.readers.push(reader),
            Err(error) => self.feed(Input::Socket(generation, FromSocket::DialFailed(error))),
        }
    }

    fn cancel(&self, generation: Generation) {
        let cancelled = self.readers.iter().filter(|reader| reader.generation == generation);
        cancelled.for_each(|reader| reader.cancel.set());
    }

    fn join_ended_readers(&mut self) {
        let (ended, running): (Vec<Reader>, Vec<Reader>) =
            std::mem::take(&mut self.readers).into_iter().partition(|reader| reader.worker.is_done());
        self.readers = running;
        for reader in ended {
            reader.worker.join_until(Instant::now());
        }
    }

    fn stop_readers(&mut self) {
        let deadline = Instant::now() + JOIN_READERS;
        self.readers.iter().for_each(|reader| reader.cancel.set());
        for reader in self.readers.drain(..) {
            if !reader.worker.join_until(deadline) {
                record!(debug, "a reader of an older connection has not ended yet");
            }
        }
    }
}
