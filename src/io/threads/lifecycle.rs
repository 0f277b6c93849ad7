//! The threads of a client, from `connect` to `disconnect`.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::heartbeat;
use crate::{
    ConnectionState, Error,
    delivery::ConnectId,
    event::Stamp,
    io::{
        core::{Core, Threads},
        guard::worker::{End, Worker},
    },
    session::Input,
    sync::thread,
};

/// `disconnect` and the drop of the last handle return within 250 ms; this leaves a margin for the scheduler.
const JOIN_WITHIN: Duration = Duration::from_millis(200);

/// The maximum time for which `disconnect` waits for the last handlers, which usually have run by then.
const DISPATCH_WITHIN: Duration = Duration::from_millis(50);

impl Core {
    /// Connects, and waits for the result of the first attempt.
    pub fn connect(self: &Arc<Self>) -> Result<(), Error> {
        self.deny_reentrant("connect")?;
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

    /// Starts the threads that do not run, and posts the call. If a thread cannot be started, no call is posted, and
    /// the other thread ends by itself.
    fn start(self: &Arc<Self>, input: impl FnOnce(Stamp, ConnectId) -> Input<'static>) -> Result<ConnectId, Error> {
        let plan = self.plan()?;
        self.connector.check(&plan.tls)?;
        let mut threads = self.threads.lock();
        if threads.is_shut_down {
            return Err(Error::Disconnected);
        }
        if !threads.heartbeat_runs {
            let core = Arc::clone(self);
            threads.heartbeat = Some(Worker::spawn("pusher-heartbeat", move || heartbeat::run(core, plan))?);
            threads.heartbeat_runs = true;
        }
        if !self.options().manual_dispatch {
            self.start_dispatching(&mut threads)?;
        }
        self.connection.activate();
        // Under the lock, so that the ids are in the order of the calls.
        let call = self.fan_out.snapshot.issue_connect_id();
        self.post_call(input(self.connection.stamp(), call));
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

    /// Disconnects. `meanwhile` ends whatever blocks auth threads.
    fn disconnect_and(&self, meanwhile: impl FnOnce()) {
        let heartbeat = {
            let threads = self.threads.lock();
            self.connection.withdraw();
            if threads.heartbeat_runs {
                self.post_call(Input::Disconnect);
            }
            threads.heartbeat.as_ref().map(Worker::end)
        };
        self.join_threads(heartbeat, meanwhile);
    }

    /// Joins the threads that ended by themselves after a failed `connect`, unless another call connects.
    fn join_ended(&self) {
        let is_idle = matches!(self.fan_out.snapshot.state(), ConnectionState::Disconnected | ConnectionState::Failed);
        let heartbeat = {
            let threads = self.threads.lock();
            let ends = is_idle || !threads.heartbeat_runs;
            threads.heartbeat.as_ref().filter(|_| ends).map(Worker::end)
        };
        self.join_threads(heartbeat, || ());
    }

    /// Waits for the heartbeat, and then for the dispatch thread, unless it is the current thread. Neither wait is
    /// longer than its limit.
    fn join_threads(&self, heartbeat: Option<End>, meanwhile: impl FnOnce()) {
        let own = thread::current().id();
        let deadline = Instant::now() + JOIN_WITHIN;
        if heartbeat.is_some_and(|end| !end.wait_until(deadline)) {
            record!(debug, "the heartbeat goes on: another call connects, or it is busy");
        }
        // This comes after the end of the heartbeat, so that no refusal is reported.
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

    /// Shuts the client down: the last handle is dropped, or the owner of all handles ends it.
    pub fn shut_down(&self) {
        self.shut_down_and(|| ());
    }

    /// As above. `meanwhile` ends whatever blocks auth threads; no result of it is reported.
    pub fn shut_down_and(&self, meanwhile: impl FnOnce()) {
        if mem::replace(&mut self.threads.lock().is_shut_down, true) {
            return;
        }
        self.disconnect_and(meanwhile);
        self.fan_out.close();
    }

    /// Returns true if the heartbeat may end: no call was posted since its last turn, and no effect is left. From then
    /// on a `connect` starts another heartbeat.
    pub fn end_heartbeat(&self) -> bool {
        let mut threads = self.threads.lock();
        let ends = self.commands.receiver.is_empty();
        if ends {
            threads.heartbeat_runs = false;
        }
        ends
    }

    /// Ends everything as after `disconnect`, because the heartbeat has panicked. This includes requests that were
    /// posted meanwhile, so that no call waits for ever.
    pub fn heartbeat_failed(&self) {
        record!(error, "the heartbeat has failed, which is a bug");
        self.fan_out.report(Error::lost("the heartbeat has failed, which is a bug"));
        loop {
            self.commands.receiver.try_iter().for_each(drop);
            // The turn first feeds the posted calls, so that their callers get a result.
            self.turn(|driver, now| driver.handle(Input::Disconnect, now));
            if self.end_heartbeat() {
                return;
            }
        }
    }

    /// Lets the dispatch thread end once its queue is empty.
    pub fn end_dispatching(&self) {
        let mut threads = self.threads.lock();
        if !threads.heartbeat_runs {
            threads.dispatch_ends = true;
        }
        drop(threads);
        self.fan_out.handlers().wake();
    }
}
