//! Running handlers, on the dispatch thread or by calls of `Pusher::dispatch`.

use std::collections::VecDeque;

use crate::{
    DispatchBudget, Event,
    io::{
        Core,
        dispatch::{
            dispatcher::{DispatchContext, Dispatcher},
            remaining::Remaining,
        },
        queues::queue::Nothing,
    },
};

impl Core {
    /// Runs the pending handlers on this thread, within the budget. Returns how many notifications were handled.
    pub fn dispatch(&self, budget: Option<DispatchBudget>) -> usize {
        if !self.config.is_dispatched_by_hand() {
            return 0;
        }
        let decode = |event: &Event| self.decoded(event);
        let context = self.context(&decode);
        let Some(mut dispatcher) = self.dispatcher_slot.take() else { return 0 };
        let queue = self.fan_out.handlers();
        dispatcher.look(&context);
        let mut handled = 0;
        let mut remaining = Remaining::new(queue.len(), budget);
        let mut pending = VecDeque::new();
        while remaining.has_room() {
            if pending.is_empty() && remaining.batch_limit() > 0 {
                remaining.taken(queue.take_up_to(remaining.batch_limit(), &mut pending));
            }
            let Some(taken) = pending.front_mut() else { break };
            handled += dispatcher.run(&context, taken, &mut remaining);
            if !self.process.is_current() {
                // A handler has forked, and returned in the child, where nothing is locked (H7).
                return handled;
            }
            if taken.is_used_up() {
                pending.pop_front();
            }
        }
        if !pending.is_empty() {
            queue.give_back(&mut pending);
        }
        dispatcher.look(&context);
        self.dispatcher_slot.put_back(dispatcher);
        handled
    }

    /// The dispatch thread.
    pub fn run_handlers(&self) {
        let decode = |event: &Event| self.decoded(event);
        let context = self.context(&decode);
        let Some(mut dispatcher) = self.dispatcher_slot.take() else { return };
        loop {
            match self.fan_out.handlers().take() {
                Ok(mut taken) => {
                    dispatcher.run(&context, &mut taken, &mut Remaining::unlimited());
                    if !self.process.is_current() {
                        return;
                    }
                    dispatcher.look(&context);
                }
                Err(nothing) => {
                    dispatcher.look(&context);
                    match self.end_of_dispatching(nothing, dispatcher) {
                        Some(goes_on) => dispatcher = goes_on,
                        None => return,
                    }
                }
            }
        }
    }

    /// Puts the dispatcher back when the thread may end; gives it back to the thread when not. Decided under the lock
    /// under which threads are started, so that a new thread finds the dispatcher in its place.
    fn end_of_dispatching(&self, nothing: Nothing, dispatcher: Box<Dispatcher>) -> Option<Box<Dispatcher>> {
        let mut threads = self.threads.lock();
        let told_to = nothing == Nothing::Closed || threads.dispatch_ends;
        let queue = self.fan_out.handlers();
        if !told_to || queue.len() > 0 {
            if told_to {
                // The wake-up was used, and the thread has to look again after the entries that still wait.
                queue.wake();
            }
            return Some(dispatcher);
        }
        self.dispatcher_slot.put_back(dispatcher);
        threads.dispatch_runs = false;
        None
    }

    fn context<'a>(&'a self, decode: &'a dyn Fn(&Event) -> Option<Event>) -> DispatchContext<'a> {
        DispatchContext {
            decode,
            dispatcher_slot: &self.dispatcher_slot,
            fan_out: &self.fan_out,
            client: self.identity(),
        }
    }
}
