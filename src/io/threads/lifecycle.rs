//! From `connect` to `disconnect`: which threads of a client run, and how they end.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::heartbeat;
use crate::{
    ConnectionState, Error,
    delivery::CallId,
    event::Stamp,
    io::{
        core::{Core, Threads},
        guard::worker::{End, Worker},
    },
    session::Input,
    sync::thread,
};

/// `disconnect` and drop return within 250 ms; this leaves a margin for the scheduler.
const JOIN_WITHIN: Duration = Duration::from_millis(200);

/// How long `disconnect` waits for the last handlers, which usually have run by then. One that takes longer is not
/// waited for.
const DISPATCH_WITHIN: Duration = Duration::from_millis(50);

impl Core {
    /// Connects, and waits for the outcome of the first attempt.
    pub fn connect(self: &Arc<Self>) -> Result<(), Error> {
        self.refuse_inside("connect")?;
        let call = self.start(Input::ConnectOnce)?;
        let outcome = self.fan_out.snapshot.wait_for_outcome(call);
        if outcome.is_err() {
            self.join_ended();
        }
        outcome
    }

    /// Connects in the background, and keeps trying by the policy.
    pub fn connect_background(self: &Arc<Self>) -> Result<(), Error> {
        self.start(Input::ConnectForGood).map(drop)
    }

    /// Starts the threads that do not run, and posts the call. When a thread cannot be started,
    /// nothing is wished for, and the other one ends by itself.
    fn start(self: &Arc<Self>, input: impl FnOnce(Stamp, CallId) -> Input<'static>) -> Result<CallId, Error> {
        let plan = self.plan()?;
        let mut threads = self.threads.lock();
        if threads.is_over {
            return Err(Error::Disconnected);
        }
        if !threads.heartbeat_runs {
            let core = Arc::clone(self);
            threads.heartbeat = Some(Worker::spawn("pusher-heartbeat", move || heartbeat::run(core, plan))?);
            threads.heartbeat_runs = true;
        }
        if !self.config.is_dispatched_by_hand() {
            self.start_dispatching(&mut threads)?;
        }
        self.connection.activate();
        // Under the lock, so that the numbers are in the order of the calls.
        let call = self.fan_out.snapshot.issue_call_id();
        self.post(input(self.connection.stamp(), call));
        Ok(call)
    }

    fn start_dispatching(self: &Arc<Self>, threads: &mut Threads) -> Result<(), Error> {
        if !threads.dispatch_runs {
            let core = Arc::clone(self);
            threads.dispatch = Some(Worker::spawn("pusher-dispatch", move || core.run_handlers())?);
            threads.dispatch_runs = true;
        }
        threads.dispatch_ends = false;
        Ok(())
    }

    /// Disconnects in every state (R10).
    pub fn disconnect(&self) {
        self.disconnect_and(|| ());
    }

    /// Disconnects, and lets `meanwhile` let go of what holds up threads that authorise.
    fn disconnect_and(&self, meanwhile: impl FnOnce()) {
        let heartbeat = {
            let threads = self.threads.lock();
            self.connection.withdraw();
            if threads.heartbeat_runs {
                self.post(Input::Disconnect);
            }
            threads.heartbeat.as_ref().map(Worker::end)
        };
        self.join_threads(heartbeat, meanwhile);
    }

    /// Joins the threads that ended by themselves after a failed `connect`, unless somebody has asked to go on trying.
    fn join_ended(&self) {
        let at_rest = matches!(self.fan_out.snapshot.state(), ConnectionState::Disconnected | ConnectionState::Failed);
        let heartbeat = {
            let threads = self.threads.lock();
            let ends = at_rest || !threads.heartbeat_runs;
            threads.heartbeat.as_ref().filter(|_| ends).map(Worker::end)
        };
        self.join_threads(heartbeat, || ());
    }

    /// Waits for the heartbeat, then for the dispatch thread; not for the one that this is, and for none too long.
    fn join_threads(&self, heartbeat: Option<End>, meanwhile: impl FnOnce()) {
        let own = thread::current().id();
        let deadline = Instant::now() + JOIN_WITHIN;
        if heartbeat.is_some_and(|end| !end.wait_until(deadline)) {
            log::debug!("the heartbeat goes on: somebody connects again, or it is busy");
        }
        // Only now, because nobody is left who would tell of a refusal.
        meanwhile();
        self.auth.join_until(deadline);
        let dispatch = {
            let threads = self.threads.lock();
            let ends = threads.dispatch_ends || !threads.dispatch_runs;
            threads.dispatch.as_ref().filter(|worker| ends && worker.id() != own).map(Worker::end)
        };
        if let Some(end) = dispatch {
            end.wait_until(deadline.min(Instant::now() + DISPATCH_WITHIN));
        }
        let ended = {
            let mut threads = self.threads.lock();
            [threads.heartbeat.take_if(|worker| worker.is_done()), threads.dispatch.take_if(|worker| worker.is_done())]
        };
        for worker in ended.into_iter().flatten() {
            worker.join_until(deadline);
        }
    }

    /// Ends everything for good: no handle is left, or the one who holds them all together wants no more of it.
    pub fn shut_down(&self) {
        self.shut_down_and(|| ());
    }

    /// As above. `meanwhile` lets go of what holds up threads that authorise; nothing that comes of it is told any more.
    pub fn shut_down_and(&self, meanwhile: impl FnOnce()) {
        if mem::replace(&mut self.threads.lock().is_over, true) {
            return;
        }
        self.disconnect_and(meanwhile);
        self.fan_out.close();
    }

    /// True when the heartbeat may end: no user call has been posted since its last turn, and no order is to be carried out.
    /// From then on a `connect` starts another heartbeat.
    pub fn end_heartbeat(&self) -> bool {
        let mut threads = self.threads.lock();
        let ends = self.commands.receiver.is_empty();
        if ends {
            threads.heartbeat_runs = false;
        }
        ends
    }

    /// The heartbeat has panicked. Everything ends as after `disconnect`, also what was asked for meanwhile, so that
    /// nobody waits for ever.
    pub fn heartbeat_failed(&self) {
        log::error!("the heartbeat has failed, which is a bug");
        self.fan_out.report(Error::lost("the heartbeat has failed, which is a bug"));
        loop {
            self.commands.receiver.try_iter().for_each(drop);
            // It follows the calls that were posted, so that those who wait for their outcome get one.
            self.turn(|driver, now| driver.handle(Input::Disconnect, now));
            if self.end_heartbeat() {
                return;
            }
        }
    }

    /// The dispatch thread may end once it has told everything.
    pub fn end_dispatching(&self) {
        let mut threads = self.threads.lock();
        if !threads.heartbeat_runs {
            threads.dispatch_ends = true;
        }
        drop(threads);
        self.fan_out.handlers().wake();
    }
}
