//! The handlers that users registered, by what they are for.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{ConnectionStateChange, Error, Event, SubscriptionError, SubscriptionSucceeded, error::excerpt};

/// A user's closure.
pub(crate) struct Handler<T: ?Sized> {
    call: Box<dyn FnMut(&T) + Send>,
    bound: Bound,
}

/// Whether a handler is still bound. Shared with the user's `Binding`.
#[derive(Debug, Clone)]
pub(crate) struct Bound(Arc<AtomicBool>);

impl Bound {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// From here on the handler does not start again (H5).
    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub(crate) fn holds(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl<T: ?Sized> Handler<T> {
    pub(crate) fn new(bound: &Bound, call: impl FnMut(&T) + Send + 'static) -> Self {
        Self { call: Box::new(call), bound: bound.clone() }
    }
}

/// A handler with what it is for.
pub(crate) enum Registration {
    /// Events of one name.
    Named(Box<str>, Handler<Event>),
    /// Events of every name, the platform's included.
    All(Handler<Event>),
    /// The application's events.
    Application(Handler<Event>),
    State(Handler<ConnectionStateChange>),
    Error(Handler<Error>),
    Succeeded(Handler<SubscriptionSucceeded>),
    Failed(Handler<SubscriptionError>),
}

impl Registration {
    pub(super) fn is_bound(&self) -> bool {
        match self {
            Self::Named(_, handler) | Self::All(handler) | Self::Application(handler) => handler.bound.holds(),
            Self::State(handler) => handler.bound.holds(),
            Self::Error(handler) => handler.bound.holds(),
            Self::Succeeded(handler) => handler.bound.holds(),
            Self::Failed(handler) => handler.bound.holds(),
        }
    }
}

/// The handlers of one channel, or of the client.
#[derive(Default)]
pub(super) struct Handlers {
    named: HashMap<Box<str>, Vec<Handler<Event>>>,
    all: Vec<Handler<Event>>,
    application: Vec<Handler<Event>>,
    state: Vec<Handler<ConnectionStateChange>>,
    errors: Vec<Handler<Error>>,
    succeeded: Vec<Handler<SubscriptionSucceeded>>,
    failed: Vec<Handler<SubscriptionError>>,
}

/// A handler that is to be dropped where no lock is held, because that runs user code.
pub(super) type Unbound = Box<dyn Send>;

/// The panics of a run of handlers, by what the handlers were for.
pub(super) type Panics = Vec<String>;

impl Handlers {
    pub(super) fn add(&mut self, registration: Registration) {
        match registration {
            Registration::Named(name, handler) => self.named.entry(name).or_default().push(handler),
            Registration::All(handler) => self.all.push(handler),
            Registration::Application(handler) => self.application.push(handler),
            Registration::State(handler) => self.state.push(handler),
            Registration::Error(handler) => self.errors.push(handler),
            Registration::Succeeded(handler) => self.succeeded.push(handler),
            Registration::Failed(handler) => self.failed.push(handler),
        }
    }

    /// Takes the handlers out that are not bound any more. True when none is left.
    pub(super) fn sweep(&mut self, unbound: &mut Vec<Unbound>) -> bool {
        self.named.retain(|_, list| !sweep(list, unbound));
        let lists = [
            sweep(&mut self.all, unbound),
            sweep(&mut self.application, unbound),
            sweep(&mut self.state, unbound),
            sweep(&mut self.errors, unbound),
            sweep(&mut self.succeeded, unbound),
            sweep(&mut self.failed, unbound),
        ];
        self.named.is_empty() && lists.iter().all(|empty| *empty)
    }

    /// Runs the handlers of the event's name, then those of all events.
    pub(super) fn event(&mut self, event: &Event, panics: &mut Panics) {
        if let Some(list) = self.named.get_mut(event.name()) {
            run_while_wanted(event, list, event, panics, || format!("event {}", excerpt(event.name())));
        }
        run_while_wanted(event, &mut self.all, event, panics, || "all events".to_owned());
    }

    pub(super) fn application(&mut self, event: &Event, panics: &mut Panics) {
        run_while_wanted(event, &mut self.application, event, panics, || "application events".to_owned());
    }

    pub(super) fn state(&mut self, change: &ConnectionStateChange, panics: &mut Panics) {
        run(&mut self.state, change, panics, || "connection state changes".to_owned());
    }

    pub(super) fn error(&mut self, error: &Error, panics: &mut Panics) {
        run(&mut self.errors, error, panics, || "errors".to_owned());
    }

    pub(super) fn succeeded(&mut self, event: &Event, succeeded: &SubscriptionSucceeded, panics: &mut Panics) {
        run_while_wanted(event, &mut self.succeeded, succeeded, panics, || "succeeded subscriptions".to_owned());
    }

    pub(super) fn failed(&mut self, event: &Event, failed: &SubscriptionError, panics: &mut Panics) {
        run_while_wanted(event, &mut self.failed, failed, panics, || "failed subscriptions".to_owned());
    }
}

/// True when the list is empty afterwards.
fn sweep<T: ?Sized + 'static>(list: &mut Vec<Handler<T>>, unbound: &mut Vec<Unbound>) -> bool {
    if list.iter().any(|handler| !handler.bound.holds()) {
        let (bound, gone): (Vec<_>, Vec<_>) = std::mem::take(list).into_iter().partition(|h| h.bound.holds());
        *list = bound;
        unbound.extend(gone.into_iter().map(|handler| Box::new(handler) as Unbound));
    }
    list.is_empty()
}

/// Runs those that are bound at that moment. A handler that unsubscribes the event's channel is the last one (S3).
fn run_while_wanted<T: ?Sized>(
    event: &Event,
    list: &mut [Handler<T>],
    value: &T,
    panics: &mut Panics,
    what: impl Fn() -> String,
) {
    for handler in list.iter_mut().take_while(|_| event.is_wanted()) {
        run_one(handler, value, panics, &what);
    }
}

/// Runs those that are bound at that moment, for what belongs to no channel.
fn run<T: ?Sized>(list: &mut [Handler<T>], value: &T, panics: &mut Panics, what: impl Fn() -> String) {
    for handler in list {
        run_one(handler, value, panics, &what);
    }
}

/// A panic ends the handler that panics and no other (H2).
pub(super) fn run_one<T: ?Sized>(handler: &mut Handler<T>, value: &T, panics: &mut Panics, what: impl Fn() -> String) {
    if handler.bound.holds() && catch_unwind(AssertUnwindSafe(|| (handler.call)(value))).is_err() {
        panics.push(what());
    }
}
