//! Who runs handlers: the dispatch thread, or whoever calls `Pusher::dispatch`.

use std::collections::VecDeque;

use super::{
    Core,
    allowance::Allowance,
    dispatcher::{Dispatcher, Stage},
    queue::Nothing,
};
use crate::DispatchBudget;

impl Core {
    /// Runs the pending handlers on this thread, within the budget. Returns how many notifications were handled.
    pub(crate) fn dispatch(&self, budget: Option<DispatchBudget>) -> usize {
        if !self.config.is_dispatched_by_hand() {
            return 0;
        }
        let Some(mut dispatcher) = self.booth.take() else { return 0 };
        let queue = self.outlets.handlers();
        dispatcher.look(&self.stage());
        let mut handled = 0;
        let mut allowance = Allowance::new(queue.len(), budget);
        let mut pending = VecDeque::new();
        while allowance.has_room() {
            if pending.is_empty() && allowance.appetite() > 0 {
                allowance.taken(queue.take_up_to(allowance.appetite(), &mut pending));
            }
            let Some(taken) = pending.front_mut() else { break };
            handled += dispatcher.run(&self.stage(), taken, &mut allowance);
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
        dispatcher.look(&self.stage());
        self.booth.put_back(dispatcher);
        handled
    }

    /// The dispatch thread.
    pub(super) fn run_handlers(&self) {
        let Some(mut dispatcher) = self.booth.take() else { return };
        loop {
            match self.outlets.handlers().take() {
                Ok(mut taken) => {
                    dispatcher.run(&self.stage(), &mut taken, &mut Allowance::unlimited());
                    if !self.process.is_current() {
                        return;
                    }
                    dispatcher.look(&self.stage());
                }
                Err(nothing) => {
                    dispatcher.look(&self.stage());
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
        let queue = self.outlets.handlers();
        if !told_to || queue.len() > 0 {
            if told_to {
                // The wake-up that told it is used up, and it has to look again after what still waits.
                queue.wake();
            }
            return Some(dispatcher);
        }
        self.booth.put_back(dispatcher);
        threads.dispatch_runs = false;
        None
    }

    fn stage(&self) -> Stage<'_> {
        Stage { core: self, booth: &self.booth, outlets: &self.outlets, client: self.identity() }
    }
}
