//! Owns the handlers and runs them, in order, one at a time.
//!
//! The [`Dispatcher`] lies in a [`DispatcherCell`] while no thread runs handlers. The dispatch thread, or a call of
//! `Pusher::dispatch`, takes it out and puts it back, so that no lock is held while user code runs. Handlers that are
//! bound meanwhile wait in an inbox, which the dispatcher empties before every event. Each of them then waits until the
//! dispatcher has come to the position in the queue at which it was bound (H9).

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashMap;

use super::{
    handlers::{HandlerEffects, Handlers, Registration, Unbound},
    remaining::Remaining,
};
use crate::{
    ConnectionState, Error, Event, Notification, NotificationKind,
    delivery::memory_budget::{DISPATCHER_BYTES, MemoryBudget, Reservation},
    event::{EntryNumber, Intent, IntentId},
    io::{
        guard::{reentrancy::ReentrancyGuard, user_code},
        queues::{
            fan_out::FanOut,
            queue::{Segment, Step, Taken},
        },
    },
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Holds the dispatcher while no thread runs handlers, with the inbox for new handlers.
pub(crate) struct DispatcherCell {
    dispatcher: Mutex<Option<Box<Dispatcher>>>,
    inbox: Mutex<Vec<NewHandler>>,
    /// The inbox has a handler, or a handler was unbound.
    changed: AtomicBool,
    /// A separate flag, because the search for unbound handlers goes through all handlers.
    has_unbound: AtomicBool,
}

/// A handler whose position the dispatcher has not reached.
struct NewHandler {
    /// The number of the first entry for it.
    position: EntryNumber,
    channel: Option<Arc<Intent>>,
    registration: Registration,
}

pub(crate) struct Dispatcher {
    client: Handlers,
    channels: HashMap<IntentId, Channel>,
    /// Sorted by position.
    new: VecDeque<NewHandler>,
    /// The number after that of the last entry that was handled.
    position: EntryNumber,
    /// The confirmations of current subscriptions that handlers have got. A handler that is bound later gets them at
    /// once (S4).
    subscribed: HashMap<IntentId, Confirmation>,
    /// `subscribed` is swept when it has grown to this.
    sweep_at: usize,
    budget: MemoryBudget,
}

/// The confirmation of a subscription, with the reservation of memory for its data. If the budget does not allow the
/// data, the confirmation is kept without it.
struct Confirmation {
    event: Event,
    reservation: Reservation,
}

struct Channel {
    /// Keeps the channel's number from being used for another channel.
    _intent: Arc<Intent>,
    handlers: Handlers,
}

impl Default for DispatcherCell {
    fn default() -> Self {
        let dispatcher = Box::new(Dispatcher::new());
        Self {
            dispatcher: Mutex::new(Some(dispatcher)),
            inbox: Mutex::default(),
            changed: AtomicBool::new(false),
            has_unbound: AtomicBool::new(false),
        }
    }
}

impl DispatcherCell {
    /// Leaves a handler for the dispatcher. The position is read here, under the lock of the inbox, so that the inbox
    /// is sorted by position.
    pub fn bind(
        &self,
        channel: Option<Arc<Intent>>,
        registration: Registration,
        position: impl FnOnce() -> EntryNumber,
    ) {
        let mut inbox = self.inbox.lock();
        inbox.push(NewHandler { position: position(), channel, registration });
        drop(inbox);
        self.changed.store(true, Ordering::Release);
    }

    /// A handler was unbound. Returns it for the caller to drop, unless another thread is running handlers, which then
    /// drops it.
    pub fn unbound(&self) -> impl Sized {
        self.request_sweep();
        let in_inbox: Vec<_> = {
            let mut inbox = self.inbox.lock();
            let (bound, unbound) = inbox.drain(..).partition(|new| new.registration.is_bound());
            *inbox = bound;
            unbound
        };
        let in_place = self.dispatcher.lock().as_mut().map(|dispatcher| dispatcher.sweep());
        (in_inbox, in_place)
    }

    /// Lets the thread that runs handlers drop the unbound ones.
    fn request_sweep(&self) {
        self.has_unbound.store(true, Ordering::Release);
        self.changed.store(true, Ordering::Release);
    }

    /// Takes the dispatcher out. `None` while another thread runs handlers.
    pub fn take(&self) -> Option<Box<Dispatcher>> {
        self.dispatcher.lock().take()
    }

    pub fn put_back(&self, dispatcher: Box<Dispatcher>) {
        *self.dispatcher.lock() = Some(dispatcher);
    }

    fn take_inbox(&self) -> Vec<NewHandler> {
        std::mem::take(&mut *self.inbox.lock())
    }
}

/// The parts of the client that the dispatcher needs.
pub(crate) struct DispatchContext<'a> {
    /// Decodes data by the program's own decoder; `None` if the data is text already.
    pub decode: &'a dyn Fn(&Event) -> Option<Event>,
    pub dispatcher_cell: &'a DispatcherCell,
    pub fan_out: &'a FanOut,
    /// Identifies the client whose handlers run.
    pub client: usize,
}

impl Dispatcher {
    fn new() -> Self {
        Self {
            client: Handlers::default(),
            channels: HashMap::default(),
            new: VecDeque::new(),
            position: EntryNumber::default(),
            subscribed: HashMap::default(),
            sweep_at: 0,
            budget: MemoryBudget::of(DISPATCHER_BYTES),
        }
    }

    /// Runs the handlers of the taken entries, within the remaining budget. Returns the number of handled
    /// notifications.
    pub fn run(&mut self, context: &DispatchContext<'_>, taken: &mut Taken, remaining: &mut Remaining) -> usize {
        let _mark = ReentrancyGuard::mark_handlers(context.client);
        self.receive_handlers(context);
        match taken {
            Taken::Segment(segment) => self.segment(context, segment, remaining),
            Taken::Lagged(dropped) => {
                self.lagged(context, std::mem::take(dropped), &mut HandlerEffects::default());
                remaining.spend();
                1
            }
        }
    }

    /// Takes over new handlers without a new entry. All taken entries have been handled or put back. Returns false in a
    /// child that a handler has forked, where the caller must take no lock (H7).
    #[must_use]
    pub fn receive_new(&mut self, context: &DispatchContext<'_>) -> bool {
        if self.new.is_empty() && !self.must_receive(context) {
            // No code of the program runs, so the process need not be checked.
            return true;
        }
        let _mark = ReentrancyGuard::mark_handlers(context.client);
        self.receive_handlers(context);
        let is_in_own_process = || context.fan_out.is_in_own_process();
        if self.new.is_empty() || !is_in_own_process() {
            return is_in_own_process();
        }
        if let Some(next) = context.fan_out.handlers().next_number() {
            self.position = self.position.max(next);
            self.receive_handlers(context);
        }
        is_in_own_process()
    }

    fn segment(&mut self, context: &DispatchContext<'_>, segment: &mut Segment, remaining: &mut Remaining) -> usize {
        let mut effects = HandlerEffects::default();
        let mut handled = 0;
        // One event for all entries: only its index changes, so that a batch costs one reference.
        let mut event = Event::new(Arc::clone(segment.batch()), 0);
        while remaining.has_room() {
            let Some(step) = segment.step() else { break };
            if let Step::Entry(index) = step {
                // In contrast, a loss goes to the handlers that were bound before the first lost entry.
                self.position = self.position.max(segment.batch().number(index));
            }
            if self.must_receive(context) {
                self.receive_handlers(context);
            }
            let is_handled = match step {
                Step::Entry(index) => {
                    event.set_index(index);
                    let is_wanted = self.wanted_entry(context, &event, &mut effects);
                    self.position = self.position.max(segment.batch().number(index).next());
                    is_wanted
                }
                Step::Lost(count) => {
                    self.lagged(context, count, &mut effects);
                    true
                }
            };
            if is_handled {
                remaining.spend();
                handled += 1;
            }
        }
        handled
    }

    /// False if the entry was unsubscribed meanwhile.
    fn wanted_entry(&mut self, context: &DispatchContext<'_>, event: &Event, effects: &mut HandlerEffects) -> bool {
        let is_wanted = event.is_wanted();
        if is_wanted {
            match (context.decode)(event) {
                None => self.entry(event, effects),
                Some(decoded) => self.entry(&decoded, effects),
            }
            finish(context, effects);
        }
        is_wanted
    }

    fn lagged(&mut self, context: &DispatchContext<'_>, dropped: u64, effects: &mut HandlerEffects) {
        self.error(&Notification::Lagged(dropped), effects);
        finish(context, effects);
    }

    fn entry(&mut self, event: &Event, effects: &mut HandlerEffects) {
        let Some(notice) = event.notice() else {
            self.event(event, effects);
            if let Some(handlers) = self.handlers_of(event) {
                handlers.application(event, effects);
            }
            return self.client.application(event, effects);
        };
        if notice.kind() == NotificationKind::Error {
            return self.error(notice, effects);
        }
        self.remember(event, notice);
        if let Some(handlers) = self.handlers_of(event) {
            handlers.notice(event, notice, effects);
        }
        self.client.notice(event, notice, effects);
        // Handlers of events do not see a notice without a name.
        if !event.name().is_empty() {
            self.event(event, effects);
        }
    }

    /// Runs the handlers of the channel, and then those of the client.
    fn event(&mut self, event: &Event, effects: &mut HandlerEffects) {
        if let Some(handlers) = self.handlers_of(event) {
            handlers.event(event, effects);
        }
        self.client.event(event, effects);
    }

    fn handlers_of(&mut self, event: &Event) -> Option<&mut Handlers> {
        Some(&mut self.channels.get_mut(&event.intent()?.id())?.handlers)
    }

    /// A panic in a handler of errors is logged only: reporting it would call that handler again.
    fn error(&mut self, notice: &Notification, effects: &mut HandlerEffects) {
        let mut own = HandlerEffects::default();
        self.client.error(notice, &mut own);
        for error in own.errors {
            record!(error, "{}", error.redacted());
        }
        effects.has_unbound |= own.has_unbound;
    }

    /// Keeps the confirmations of this connection, for handlers that are bound later.
    fn remember(&mut self, event: &Event, notice: &Notification) {
        if let Notification::ConnectionStateChange(change) = notice {
            if change.current != ConnectionState::Connected {
                self.keep_confirmations(|_| false);
            }
        } else if notice.kind() == NotificationKind::SubscriptionSucceeded {
            self.remember_confirmation(event);
        }
    }

    /// Sweeps so seldom that it costs nothing on average.
    fn remember_confirmation(&mut self, confirmation: &Event) {
        let Some(intent) = confirmation.intent() else { return };
        if self.subscribed.len() >= self.sweep_at {
            self.keep_confirmations(Event::is_wanted);
            self.sweep_at = 2 * self.subscribed.len() + 16;
        }
        if let Some(earlier) = self.subscribed.remove(&intent.id()) {
            self.budget.release(earlier.reservation);
        }
        self.subscribed.insert(intent.id(), Confirmation::within(&mut self.budget, confirmation));
    }

    fn keep_confirmations(&mut self, is_kept: impl Fn(&Event) -> bool) {
        self.subscribed.retain(|_, confirmation| {
            let is_kept = is_kept(&confirmation.event);
            if !is_kept {
                self.budget.release(std::mem::take(&mut confirmation.reservation));
            }
            is_kept
        });
    }

    fn must_receive(&self, context: &DispatchContext<'_>) -> bool {
        context.dispatcher_cell.changed.load(Ordering::Acquire) || self.has_reached_new()
    }

    /// Whether the first of the new handlers is for the next entry.
    fn has_reached_new(&self) -> bool {
        self.new.front().is_some_and(|new| new.position <= self.position)
    }

    /// Takes over the new handlers whose positions were reached, and drops the unbound ones.
    fn receive_handlers(&mut self, context: &DispatchContext<'_>) {
        if context.dispatcher_cell.changed.swap(false, Ordering::AcqRel) {
            self.empty_inbox(context);
        }
        if !self.has_reached_new() {
            return;
        }
        let mut effects = HandlerEffects::default();
        while self.has_reached_new() {
            let Some(new) = self.new.pop_front() else { break };
            self.take_over(new, &mut effects);
        }
        // Repeating confirmations may have made a new handler unbind itself.
        if std::mem::take(&mut effects.has_unbound) {
            self.drop_unbound(&mut effects);
        }
        finish(context, &mut effects);
    }

    fn empty_inbox(&mut self, context: &DispatchContext<'_>) {
        // A handler may have forked, and in the child another thread may hold the lock for ever (H7).
        if !context.fan_out.is_in_own_process() {
            return;
        }
        if context.dispatcher_cell.has_unbound.swap(false, Ordering::AcqRel) {
            let mut effects = HandlerEffects::default();
            self.drop_unbound(&mut effects);
            finish(context, &mut effects);
        }
        for new in context.dispatcher_cell.take_inbox() {
            // A handler that was bound inside a handler does not wait for those that were bound elsewhere.
            let index = if new.position <= self.position { self.count_reached() } else { self.new.len() };
            self.new.insert(index, new);
        }
    }

    fn count_reached(&self) -> usize {
        self.new.iter().take_while(|new| new.position <= self.position).count()
    }

    /// Drops the unbound handlers. Their destructors are user code, and may panic.
    fn drop_unbound(&mut self, effects: &mut HandlerEffects) {
        let unbound = self.sweep();
        if user_code::catch(|| drop(unbound)).is_err() {
            let handler = "the destructor of a closure".to_owned();
            effects.errors.push(Error::HandlerPanicked { handler });
        }
    }

    /// Takes out the unbound handlers.
    fn sweep(&mut self) -> Vec<Unbound> {
        let mut unbound = Vec::new();
        let (bound, gone): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.new).into_iter().partition(|new| new.registration.is_bound());
        self.new = bound;
        unbound.extend(gone.into_iter().map(|new| Box::new(new) as Unbound));
        self.client.sweep(&mut unbound);
        self.channels.retain(|_, channel| !channel.handlers.sweep(&mut unbound));
        unbound
    }

    fn take_over(&mut self, new: NewHandler, effects: &mut HandlerEffects) {
        let NewHandler { channel, mut registration, .. } = new;
        if !registration.is_bound() {
            return;
        }
        self.catch_up(channel.as_deref(), &mut registration, effects);
        match channel {
            None => self.client.add(registration),
            Some(intent) => {
                let id = intent.id();
                let channel = self
                    .channels
                    .entry(id)
                    .or_insert_with(|| Channel { _intent: intent, handlers: Handlers::default() });
                channel.handlers.add(registration);
            }
        }
    }

    /// Repeats the confirmations of current subscriptions to a new handler (S4).
    fn catch_up(&self, channel: Option<&Intent>, registration: &mut Registration, effects: &mut HandlerEffects) {
        let of_channel = |id: &IntentId| channel.is_none_or(|intent| intent.id() == *id);
        let mut known: Vec<_> = self.subscribed.iter().filter(|(id, _)| of_channel(id)).collect();
        known.sort_unstable_by_key(|(id, _)| **id);
        for (_, confirmation) in known.into_iter().filter(|(_, confirmation)| confirmation.event.is_wanted()) {
            registration.catch_up(&confirmation.event, effects);
        }
    }
}

impl Confirmation {
    fn within(budget: &mut MemoryBudget, event: &Event) -> Self {
        match budget.reserve(event.data().len()) {
            Some(reservation) => Self { event: event.alone(), reservation },
            None => Self { event: event.without_data(), reservation: Reservation::default() },
        }
    }
}

/// Asks for a sweep, and reports the errors.
fn finish(context: &DispatchContext<'_>, effects: &mut HandlerEffects) {
    if std::mem::take(&mut effects.has_unbound) {
        context.dispatcher_cell.request_sweep();
    }
    for error in effects.errors.drain(..) {
        if matches!(error, Error::HandlerPanicked { .. }) {
            record!(error, "{}", error.redacted());
        }
        context.fan_out.report(error);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::{
        SubscriptionSucceeded,
        event::{Batch, ChannelSlot},
    };

    fn confirmation(channel: &Arc<Intent>, data: &str) -> Event {
        let mut batch = Batch::default();
        let slot = batch.slot_of(&channel.stamp(), &mut ChannelSlot::default());
        let succeeded = SubscriptionSucceeded { channel: channel.name().clone(), resubscribed: false, gap: None };
        batch.push_subscription_succeeded(slot, data, succeeded);
        Event::new(Arc::new(batch), 0)
    }

    #[test]
    fn d3_confirmations_that_are_dropped_return_their_memory() {
        let mut dispatcher = Dispatcher::new();
        let rooms = [1, 2].map(|number| Intent::of_channel(number, "room"));
        for room in rooms.iter().cycle().take(4) {
            dispatcher.remember_confirmation(&confirmation(room, "12345"));
        }
        assert_eq!(dispatcher.budget.reserved(), 10, "a later confirmation replaces the earlier one");
        dispatcher.remember_confirmation(&confirmation(&rooms[0], &"x".repeat(DISPATCHER_BYTES)));
        assert_eq!(dispatcher.budget.reserved(), 5, "data that does not fit is not kept");
        rooms[1].activate();
        dispatcher.keep_confirmations(Event::is_wanted);
        assert_eq!((dispatcher.budget.reserved(), dispatcher.subscribed.len()), (0, 1));
        dispatcher.keep_confirmations(|_| false);
        assert!(dispatcher.subscribed.is_empty());
    }
}
