//! Owns the handlers and runs them, in order, one at a time.
//!
//! The [`Dispatcher`] lies in a [`DispatcherSlot`] while nobody runs handlers. The dispatch thread, or a call of
//! `Pusher::dispatch`, takes it out and puts it back, so that no lock is held while user code runs. Handlers that are
//! bound meanwhile wait in an inbox, which is looked into before every event, and then until the dispatcher has come to the
//! position in the queue at which they were bound (H9).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    handlers::{HandlerEffects, Handlers, Registration, Unbound},
    remaining::Remaining,
};
use crate::{
    ConnectionState, Error, Event, Notification,
    delivery::memory_budget::{MemoryBudget, Reservation},
    event::Intent,
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

/// Where the dispatcher lies, and where new handlers are left for it.
pub(crate) struct DispatcherSlot {
    dispatcher: Mutex<Option<Box<Dispatcher>>>,
    inbox: Mutex<Vec<NewHandler>>,
    /// There is something in the inbox, or a handler was unbound.
    changed: AtomicBool,
    /// Told apart from the inbox, because whoever looks for unbound handlers looks at all of them.
    has_unbound: AtomicBool,
}

/// A handler that the dispatcher has not come to yet.
struct NewHandler {
    /// The number of the first entry that it is for.
    position: u64,
    channel: Option<Arc<Intent>>,
    registration: Registration,
}

pub(crate) struct Dispatcher {
    client: Handlers,
    channels: HashMap<u64, Channel>,
    /// In the order of their positions.
    new: VecDeque<NewHandler>,
    /// The number after that of the last entry that was handled.
    position: u64,
    /// The confirmations of what is subscribed, as far as handlers were told: those that are bound later hear of them at
    /// once (S4).
    subscribed: HashMap<u64, Confirmation>,
    /// `subscribed` is swept when it has grown to this.
    sweep_at: usize,
    budget: MemoryBudget,
}

/// The confirmation of a subscription, and what its data takes of what one client may keep. Where that is too much, it is
/// without data.
struct Confirmation {
    event: Event,
    _reservation: Reservation,
}

struct Channel {
    /// Keeps the channel's number from being given to another one.
    _interest: Arc<Intent>,
    handlers: Handlers,
}

impl Default for DispatcherSlot {
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

impl DispatcherSlot {
    /// Leaves a handler for the dispatcher. The position is a look without a lock, taken here so that the inbox is in the order
    /// of positions.
    pub fn bind(&self, channel: Option<Arc<Intent>>, registration: Registration, position: impl FnOnce() -> u64) {
        let mut inbox = self.inbox.lock();
        inbox.push(NewHandler { position: position(), channel, registration });
        drop(inbox);
        self.changed.store(true, Ordering::Release);
    }

    /// A handler was unbound. Returns it for the caller to drop, unless somebody is running handlers, who then lets go of
    /// it.
    pub fn unbound(&self) -> impl Sized {
        self.is_to_sweep();
        let in_inbox: Vec<_> = {
            let mut inbox = self.inbox.lock();
            let (bound, unbound) = inbox.drain(..).partition(|new| new.registration.is_bound());
            *inbox = bound;
            unbound
        };
        let in_place = self.dispatcher.lock().as_mut().map(|dispatcher| dispatcher.sweep());
        (in_inbox, in_place)
    }

    /// Somebody who runs handlers lets go of those that are unbound.
    fn is_to_sweep(&self) {
        self.has_unbound.store(true, Ordering::Release);
        self.changed.store(true, Ordering::Release);
    }

    /// Takes the dispatcher out. `None` while somebody else runs handlers.
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

/// What running handlers needs beside the handlers.
pub(crate) struct DispatchContext<'a> {
    /// Makes text of data that the program's own decoder reads; `None` where it is text already.
    pub decode: &'a dyn Fn(&Event) -> Option<Event>,
    pub dispatcher_slot: &'a DispatcherSlot,
    pub fan_out: &'a FanOut,
    /// Identifies the client whose handlers run.
    pub client: usize,
}

impl Dispatcher {
    fn new() -> Self {
        Self {
            client: Handlers::default(),
            channels: HashMap::new(),
            new: VecDeque::new(),
            position: 0,
            subscribed: HashMap::new(),
            sweep_at: 0,
            budget: MemoryBudget::of_dispatcher(),
        }
    }

    /// Runs the handlers of what was taken from the queue, as long as it may go on. Returns how many notifications were
    /// handled.
    pub fn run(&mut self, context: &DispatchContext<'_>, taken: &mut Taken, remaining: &mut Remaining) -> usize {
        let _inside = ReentrancyGuard::handlers_of(context.client);
        self.look_into_inbox(context);
        match taken {
            Taken::Segment(segment) => self.segment(context, segment, remaining),
            Taken::Lagged(dropped) => {
                self.lagged(context, std::mem::take(dropped), &mut HandlerEffects::default());
                remaining.spend();
                1
            }
        }
    }

    /// Takes over new handlers although nothing happened. What was taken from the queue has been handled, or is back.
    pub fn look(&mut self, context: &DispatchContext<'_>) {
        let _inside = ReentrancyGuard::handlers_of(context.client);
        self.look_into_inbox(context);
        if self.new.is_empty() {
            return;
        }
        if let Some(next) = context.fan_out.handlers().next_number() {
            self.position = self.position.max(next);
            self.look_into_inbox(context);
        }
    }

    fn segment(&mut self, context: &DispatchContext<'_>, segment: &mut Segment, remaining: &mut Remaining) -> usize {
        let mut effects = HandlerEffects::default();
        let mut handled = 0;
        // One event for all entries: only its index changes, so that a batch costs one reference.
        let mut event = Event::new(Arc::clone(segment.batch()), 0);
        while remaining.has_room() {
            let Some(step) = segment.step() else { break };
            if let Step::Entry(index) = step {
                // A loss, in contrast, is told to the handlers that were bound before the first entry that was lost.
                self.position = self.position.max(segment.batch().number(index));
            }
            if self.is_to_look(context) {
                self.look_into_inbox(context);
            }
            let is_handled = match step {
                Step::Entry(index) => {
                    event.set_index(index);
                    let is_wanted = self.wanted_entry(context, &event, &mut effects);
                    self.position = self.position.max(segment.batch().number(index) + 1);
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

    /// False when nobody wants the entry any more.
    fn wanted_entry(&mut self, context: &DispatchContext<'_>, event: &Event, effects: &mut HandlerEffects) -> bool {
        let is_wanted = event.is_wanted();
        if is_wanted {
            match (context.decode)(event) {
                None => self.entry(event, effects),
                Some(decoded) => self.entry(&decoded, effects),
            }
            see_to(context, effects);
        }
        is_wanted
    }

    fn lagged(&mut self, context: &DispatchContext<'_>, dropped: u64, effects: &mut HandlerEffects) {
        self.error(&Notification::Lagged(dropped), effects);
        see_to(context, effects);
    }

    fn entry(&mut self, event: &Event, effects: &mut HandlerEffects) {
        let Some(notice) = event.notice() else {
            self.event(event, effects);
            if let Some(handlers) = self.handlers_of(event) {
                handlers.application(event, effects);
            }
            return self.client.application(event, effects);
        };
        match notice {
            Notification::ConnectionStateChange(change) if change.current != ConnectionState::Connected => {
                self.subscribed.clear();
            }
            Notification::SubscriptionSucceeded(_) => self.remember(event),
            Notification::Error(_) => return self.error(notice, effects),
            _ => {}
        }
        if let Some(handlers) = self.handlers_of(event) {
            handlers.notice(event, notice, effects);
        }
        self.client.notice(event, notice, effects);
        // What has no name is not seen by handlers of events.
        if !event.name().is_empty() {
            self.event(event, effects);
        }
    }

    /// The handlers of (channel, event), of the channel, of the client.
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
        self.client.outside(notice, &mut own);
        for error in own.errors {
            log::error!("{}", error.without_words());
        }
        effects.has_unbound |= own.has_unbound;
    }

    /// Sweeps so often that it costs nothing on average.
    fn remember(&mut self, confirmation: &Event) {
        let Some(intent) = confirmation.intent() else { return };
        if self.subscribed.len() >= self.sweep_at {
            self.subscribed.retain(|_, confirmation| confirmation.event.is_wanted());
            self.sweep_at = 2 * self.subscribed.len() + 16;
        }
        // What is replaced makes room.
        self.subscribed.remove(&intent.id());
        self.subscribed.insert(intent.id(), Confirmation::within(&self.budget, confirmation));
    }

    fn is_to_look(&self, context: &DispatchContext<'_>) -> bool {
        context.dispatcher_slot.changed.load(Ordering::Acquire) || self.has_come_to_new()
    }

    /// Whether the first of the new handlers is for what comes next.
    fn has_come_to_new(&self) -> bool {
        self.new.front().is_some_and(|new| new.position <= self.position)
    }

    /// Takes over the new handlers whose positions have come, and lets go of those that were unbound.
    fn look_into_inbox(&mut self, context: &DispatchContext<'_>) {
        if context.dispatcher_slot.changed.swap(false, Ordering::AcqRel) {
            self.empty_inbox(context);
        }
        if !self.has_come_to_new() {
            return;
        }
        let mut effects = HandlerEffects::default();
        while self.has_come_to_new() {
            let Some(new) = self.new.pop_front() else { break };
            self.take_over(new, &mut effects);
        }
        // One that was told of what had happened before may have had enough of it.
        if std::mem::take(&mut effects.has_unbound) {
            self.let_go(&mut effects);
        }
        see_to(context, &mut effects);
    }

    fn empty_inbox(&mut self, context: &DispatchContext<'_>) {
        if context.dispatcher_slot.has_unbound.swap(false, Ordering::AcqRel) {
            let mut effects = HandlerEffects::default();
            self.let_go(&mut effects);
            see_to(context, &mut effects);
        }
        for new in context.dispatcher_slot.take_inbox() {
            // Bound inside a handler, it does not wait for those that were bound elsewhere.
            let place = if new.position <= self.position { self.places_that_have_come() } else { self.new.len() };
            self.new.insert(place, new);
        }
    }

    fn places_that_have_come(&self) -> usize {
        self.new.iter().take_while(|new| new.position <= self.position).count()
    }

    /// Drops the handlers that are not bound any more, which runs user code, and may panic as well.
    fn let_go(&mut self, effects: &mut HandlerEffects) {
        let unbound = self.sweep();
        if user_code::catch(|| drop(unbound)).is_err() {
            let handler = "something, while it was dropped,".to_owned();
            effects.errors.push(Error::HandlerPanicked { handler });
        }
    }

    /// Takes the handlers out that are not bound any more.
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
                    .or_insert_with(|| Channel { _interest: intent, handlers: Handlers::default() });
                channel.handlers.add(registration);
            }
        }
    }

    /// S4: a handler for succeeded subscriptions that comes late hears at once of what is subscribed.
    fn catch_up(&self, channel: Option<&Intent>, registration: &mut Registration, effects: &mut HandlerEffects) {
        let of_channel = |id: &u64| channel.is_none_or(|intent| intent.id() == *id);
        let mut known: Vec<_> = self.subscribed.iter().filter(|(id, _)| of_channel(id)).collect();
        known.sort_unstable_by_key(|(id, _)| **id);
        for (_, confirmation) in known.into_iter().filter(|(_, confirmation)| confirmation.event.is_wanted()) {
            registration.catch_up(&confirmation.event, effects);
        }
    }
}

impl Confirmation {
    fn within(budget: &MemoryBudget, event: &Event) -> Self {
        let mut reservation = budget.reservation();
        let event = if reservation.resize(event.data().len()) { event.alone() } else { event.without_data() };
        Self { event, _reservation: reservation }
    }
}

fn see_to(context: &DispatchContext<'_>, effects: &mut HandlerEffects) {
    if std::mem::take(&mut effects.has_unbound) {
        context.dispatcher_slot.is_to_sweep();
    }
    for error in effects.errors.drain(..) {
        if matches!(error, Error::HandlerPanicked { .. }) {
            log::error!("{}", error.without_words());
        }
        context.fan_out.report(error);
    }
}
