//! The thread that keeps time, does what the handles ask for, and supervises the readers.

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

/// How long the last readers are waited for. They end within milliseconds, since their sockets are shut down.
const JOIN_READERS: Duration = Duration::from_millis(150);

/// The thread. Runs until the session is idle and nobody asks for anything.
pub(crate) fn run(core: Arc<Core>, plan: Arc<Plan>) {
    let _inside = core.inside();
    let mut heartbeat = Heartbeat { core: Arc::clone(&core), plan, readers: Vec::new(), asked: None };
    if panic::catch_unwind(panic::AssertUnwindSafe(|| heartbeat.keep_time())).is_err() {
        core.heartbeat_failed();
    }
    if !core.process.is_current() {
        return;
    }
    heartbeat.end_asking();
    heartbeat.stop_readers();
    core.end_dispatching();
}

struct Heartbeat {
    core: Arc<Core>,
    plan: Arc<Plan>,
    readers: Vec<Reader>,
    /// The newest connection for which somebody was asked.
    asked: Option<Generation>,
}

impl Heartbeat {
    fn keep_time(&mut self) {
        // Not in a child that a logger, or what wakes a consumer, has forked on this thread and returned in (H7).
        while self.core.process.is_current() {
            let deadline = self.core.arm();
            let command = match deadline {
                Some(deadline) => self.core.commands.receiver.recv_deadline(deadline),
                None if self.core.is_idle() && self.end() => return,
                None => self.core.commands.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(Command::Wake) => self.turn(|_, _| TurnResult::default()),
                Ok(Command::Effect(order)) => self.carry_out(order),
                Err(_) => self.feed(Input::Tick),
            }
            self.join_ended_readers();
        }
    }

    /// False when there is something to do again. Requests are interrupted first: the next heartbeat makes its own.
    fn end(&mut self) -> bool {
        self.end_asking();
        self.core.end_heartbeat()
    }

    fn feed(&mut self, input: Input<'_>) {
        self.turn(|driver, now| driver.handle(input, now));
    }

    fn turn(&mut self, act: impl FnOnce(&mut Driver, Instant) -> TurnResult) {
        // The loop looks at the deadline of the session after every command, so that nothing is to be rearmed.
        for order in self.core.turn(act).effects {
            self.carry_out(order);
        }
    }

    fn carry_out(&mut self, order: Effect) {
        match order {
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
        if self.asked != Some(generation) {
            self.end_asking();
            self.asked = Some(generation);
        }
        for answer in self.core.auth.ask(&self.plan, &self.core, requests) {
            self.feed(Input::Answered(answer));
        }
    }

    fn end_asking(&mut self) {
        if let Some(generation) = self.asked.take() {
            self.core.auth.end(generation);
        }
    }

    /// The order to dial may come after a `disconnect` that another thread's turn has followed.
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
        let unwanted = self.readers.iter().filter(|reader| reader.generation == generation);
        unwanted.for_each(|reader| reader.cancel.set());
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
                log::debug!("a reader of an older connection still ends");
            }
        }
    }
}
