//! The handlers of users, by the events and notifications that they get.

use std::{
    ops::ControlFlow,
    sync::{Arc, Weak},
};

use foldhash::HashMap;
use serde::de::DeserializeOwned;

use crate::{
    AnySender, Error, Event, Notification, NotificationKind,
    error::excerpt,
    io::guard::user_code,
    sync::atomic::{AtomicBool, Ordering},
};

/// A user's handler, while it is bound.
pub(crate) struct BoundHandler<T> {
    call: Call<T>,
    bound: Bound,
}

/// Calls the handler. Returns whether to go on, or the reason why it could not use the data.
type Call<T> = Box<dyn FnMut(&T) -> Result<ControlFlow<()>, Error> + Send>;

/// The work that running handlers leaves to the dispatcher.
#[derive(Default)]
pub(crate) struct HandlerEffects {
    /// Handlers that panicked, and data that a handler could not use.
    pub errors: Vec<Error>,
    /// A handler has unbound itself, and has to be dropped.
    pub has_unbound: bool,
}

/// Whether a handler is still bound. Shared with the user's `Binding`.
#[derive(Debug, Clone)]
pub(crate) struct Bound(Arc<AtomicBool>);

impl Bound {
    pub fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// From now on the handler does not start again (H5).
    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub fn holds(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub fn downgrade(&self) -> Weak<AtomicBool> {
        Arc::downgrade(&self.0)
    }

    /// `None` if the handler is gone.
    pub fn of(weak: &Weak<AtomicBool>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

impl<T: 'static> BoundHandler<T> {
    pub fn new(bound: &Bound, mut handler: impl FnMut(&T) + Send + 'static) -> Self {
        let call = move |value: &T| {
            handler(value);
            Ok(ControlFlow::Continue(()))
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }

    /// Runs the handler if it is still bound. A panic ends this call only (H2).
    fn run(&mut self, value: &T, effects: &mut HandlerEffects, description: impl Fn() -> String) {
        if !self.bound.holds() {
            return;
        }
        match user_code::catch(|| (self.call)(value)) {
            Ok(Ok(ControlFlow::Continue(()))) => {}
            Ok(Ok(ControlFlow::Break(()))) => {
                self.bound.end();
                effects.has_unbound = true;
            }
            Ok(Err(error)) => effects.errors.push(error),
            Err(_) => effects.errors.push(Error::HandlerPanicked { handler: description() }),
        }
    }
}

impl<T: Clone + 'static> BoundHandler<T> {
    /// A handler that sends clones, and unbinds itself when the receiving half is gone.
    pub fn sending(bound: &Bound, sender: impl AnySender<T>) -> Self {
        let call = move |value: &T| {
            let is_received = sender.send_message(value.clone());
            Ok(if is_received { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }
}

impl BoundHandler<Event> {
    /// A handler that gets the data decoded from JSON.
    pub fn decoding<T: DeserializeOwned>(bound: &Bound, mut handler: impl FnMut(T, &Event) + Send + 'static) -> Self {
        let call = move |event: &Event| {
            handler(event.json()?, event);
            Ok(ControlFlow::Continue(()))
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }
}

/// A handler, with the events or notifications that it gets.
pub(crate) enum Registration {
    /// Events of one name.
    Named(Box<str>, BoundHandler<Event>),
    /// Events of every name, those of the platform included.
    All(BoundHandler<Event>),
    /// Application events.
    Application(BoundHandler<Event>),
    /// Notifications of one kind, which is not [`NotificationKind::Event`].
    Kind(NotificationKind, BoundHandler<Notification>),
    /// All notifications.
    Everything(BoundHandler<Notification>),
}

impl Registration {
    /// The name of the event, for a handler of one event.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Named(event, _) => Some(event),
            _ => None,
        }
    }

    pub fn bound(&self) -> &Bound {
        match self {
            Self::Named(_, handler) | Self::All(handler) | Self::Application(handler) => &handler.bound,
            Self::Kind(_, handler) | Self::Everything(handler) => &handler.bound,
        }
    }

    pub fn is_bound(&self) -> bool {
        self.bound().holds()
    }

    /// Runs this handler alone, for a notification from before it was registered.
    pub fn catch_up(&mut self, event: &Event, effects: &mut HandlerEffects) {
        match (self, event.notice()) {
            (Self::Named(name, handler), _) if **name == *event.name() => {
                handler.run(event, effects, || describe_event(event));
            }
            (Self::Kind(kind, handler), Some(notice)) if *kind == notice.kind() => {
                handler.run(notice, effects, || kind.handlers().to_owned());
            }
            _ => {}
        }
    }
}

/// The handlers of one channel, or of the client.
#[derive(Default)]
pub(crate) struct Handlers {
    named: HashMap<Box<str>, Vec<BoundHandler<Event>>>,
    all: Vec<BoundHandler<Event>>,
    application: Vec<BoundHandler<Event>>,
    by_kind: Vec<(NotificationKind, BoundHandler<Notification>)>,
    everything: Vec<BoundHandler<Notification>>,
}

/// A handler to drop without a lock, because that runs user code.
pub(crate) type Unbound = Box<dyn Send>;

impl Handlers {
    pub fn add(&mut self, registration: Registration) {
        match registration {
            Registration::Named(name, handler) => self.named.entry(name).or_default().push(handler),
            Registration::All(handler) => self.all.push(handler),
            Registration::Application(handler) => self.application.push(handler),
            Registration::Kind(kind, handler) => self.by_kind.push((kind, handler)),
            Registration::Everything(handler) => self.everything.push(handler),
        }
    }

    /// Takes out the unbound handlers. True if no handler is left.
    pub fn sweep(&mut self, unbound: &mut Vec<Unbound>) -> bool {
        let is_bound = |handler: &BoundHandler<Event>| handler.bound.holds();
        self.named.retain(|_, list| !sweep(list, is_bound, unbound));
        let lists = [
            sweep(&mut self.all, is_bound, unbound),
            sweep(&mut self.application, is_bound, unbound),
            sweep(&mut self.by_kind, |(_, handler)| handler.bound.holds(), unbound),
            sweep(&mut self.everything, |handler| handler.bound.holds(), unbound),
        ];
        self.named.is_empty() && lists.iter().all(|empty| *empty)
    }

    /// Runs the handlers of the event's name, then those of all events.
    pub fn event(&mut self, event: &Event, effects: &mut HandlerEffects) {
        if let Some(list) = self.named.get_mut(event.name()) {
            run_while_wanted(list, event, effects, || describe_event(event));
        }
        run_while_wanted(&mut self.all, event, effects, || "all events".to_owned());
    }

    pub fn application(&mut self, event: &Event, effects: &mut HandlerEffects) {
        run_while_wanted(&mut self.application, event, effects, || "application events".to_owned());
        if !self.everything.is_empty() {
            let notification = Notification::Event(event.clone());
            self.forward(&notification, effects, || event.is_wanted());
        }
    }

    /// Runs the handlers of a notice. A handler that unsubscribes the channel is the last one (S3).
    pub fn notice(&mut self, event: &Event, notice: &Notification, effects: &mut HandlerEffects) {
        self.of_kind(notice, effects, || event.is_wanted());
        self.forward(notice, effects, || event.is_wanted());
    }

    /// Runs the handlers of an error, or of a loss, which handlers of errors get as an error.
    pub fn error(&mut self, notice: &Notification, effects: &mut HandlerEffects) {
        if let Notification::Lagged(dropped) = notice {
            let error = Notification::Error(Arc::new(Error::Lagged { dropped: *dropped }));
            self.of_kind(&error, effects, || true);
        } else {
            self.of_kind(notice, effects, || true);
        }
        self.forward(notice, effects, || true);
    }

    fn of_kind(&mut self, notice: &Notification, effects: &mut HandlerEffects, is_wanted: impl Fn() -> bool) {
        let kind = notice.kind();
        let handlers = self.by_kind.iter_mut().take_while(|_| is_wanted());
        for (_, handler) in handlers.filter(|(of, _)| *of == kind) {
            handler.run(notice, effects, || kind.handlers().to_owned());
        }
    }

    fn forward(&mut self, notification: &Notification, effects: &mut HandlerEffects, is_wanted: impl Fn() -> bool) {
        for handler in self.everything.iter_mut().take_while(|_| is_wanted()) {
            handler.run(notification, effects, || "all notifications".to_owned());
        }
    }
}

/// Returns true if the list is empty afterwards.
fn sweep<H: Send + 'static>(list: &mut Vec<H>, is_bound: impl Fn(&H) -> bool, unbound: &mut Vec<Unbound>) -> bool {
    if !list.iter().all(&is_bound) {
        let (bound, gone): (Vec<_>, Vec<_>) = std::mem::take(list).into_iter().partition(&is_bound);
        *list = bound;
        unbound.extend(gone.into_iter().map(|handler| Box::new(handler) as Unbound));
    }
    list.is_empty()
}

/// Runs the handlers that are bound. A handler that unsubscribes the event's channel is the last one (S3).
fn run_while_wanted(
    list: &mut [BoundHandler<Event>],
    event: &Event,
    effects: &mut HandlerEffects,
    description: impl Fn() -> String,
) {
    for handler in list.iter_mut().take_while(|_| event.is_wanted()) {
        handler.run(event, effects, &description);
    }
}

fn describe_event(event: &Event) -> String {
    format!("event {}", excerpt(event.name()))
}
