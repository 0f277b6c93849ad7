//! Runs handlers: on the dispatch thread, or in `Pusher::dispatch`.

use std::collections::VecDeque;

use crate::{
    DispatchBudget, Event,
    io::{
        Core,
        dispatch::{
            dispatcher::{DispatchContext, Dispatcher},
            remaining::Remaining,
        },
        queues::queue::PopError,
    },
};

impl Core {
    /// Runs the pending handlers on this thread, within the budget. Returns the number of handled notifications.
    pub fn dispatch(&self, budget: Option<DispatchBudget>) -> usize {
        if !self.options().manual_dispatch {
            return 0;
        }
        let decode = |event: &Event| self.decoded(event);
        let context = self.context(&decode);
        let Some(mut dispatcher) = self.dispatcher_cell.take() else { return 0 };
        let queue = self.fan_out.handlers();
        if !dispatcher.receive_new(&context) {
            return 0;
        }
        let mut handled = 0;
        let mut remaining = Remaining::new(queue.len(), budget);
        let mut pending = VecDeque::new();
        while remaining.has_room() {
            if pending.is_empty() && remaining.batch_limit() > 0 {
                remaining.taken(queue.take_batches(remaining.batch_limit(), &mut pending));
            }
            let Some(taken) = pending.front_mut() else { break };
            handled += dispatcher.run(&context, taken, &mut remaining);
            if !self.process.is_current() {
                // A handler has forked and returned in the child, which must take no lock (H7).
                return handled;
            }
            if taken.is_used_up() {
                pending.pop_front();
            }
        }
        if !pending.is_empty() {
            queue.return_unused(&mut pending);
        }
        if dispatcher.receive_new(&context) {
            self.dispatcher_cell.put_back(dispatcher);
        }
        handled
    }

    /// Runs the dispatch thread.
    pub fn run_handlers(&self) {
        let decode = |event: &Event| self.decoded(event);
        let context = self.context(&decode);
        let Some(mut dispatcher) = self.dispatcher_cell.take() else { return };
        loop {
            match self.fan_out.handlers().take() {
                Ok(mut taken) => {
                    dispatcher.run(&context, &mut taken, &mut Remaining::unlimited());
                    if !self.process.is_current() || !dispatcher.receive_new(&context) {
                        return;
                    }
                }
                Err(error) => {
                    if !dispatcher.receive_new(&context) {
                        return;
                    }
                    match self.try_end_dispatch(error, dispatcher) {
                        Some(kept) => dispatcher = kept,
                        None => return,
                    }
                }
            }
        }
    }

    /// Puts the dispatcher back if the thread may end; otherwise returns it. The lock under which threads are started
    /// protects the decision, so that a new thread finds the dispatcher in its cell.
    fn try_end_dispatch(&self, error: PopError, dispatcher: Box<Dispatcher>) -> Option<Box<Dispatcher>> {
        let mut threads = self.threads.lock();
        let must_end = error == PopError::Closed || threads.dispatch_ends;
        let queue = self.fan_out.handlers();
        if !must_end || queue.len() > 0 {
            if must_end {
                // The wake-up is used up, and the thread must check again after the remaining entries.
                queue.wake();
            }
            return Some(dispatcher);
        }
        self.dispatcher_cell.put_back(dispatcher);
        threads.dispatch_runs = false;
        None
    }

    fn context<'a>(&'a self, decode: &'a dyn Fn(&Event) -> Option<Event>) -> DispatchContext<'a> {
        DispatchContext {
            decode,
            dispatcher_cell: &self.dispatcher_cell,
            fan_out: &self.fan_out,
            client: self.identity(),
        }
    }
}
