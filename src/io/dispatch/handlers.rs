//! The handlers that users registered, by what they are for.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Weak},
};

use serde::de::DeserializeOwned;

use crate::{
    AnySender, ConnectionStateChange, DecryptionFailure, Error, Event, MemberChange, Notification, SubscriptionCount,
    SubscriptionError, SubscriptionSucceeded, WatchlistEvent,
    error::excerpt,
    io::guard::user_code,
    sync::atomic::{AtomicBool, Ordering},
};

/// A user's handler, as long as it is bound.
pub(crate) struct BoundHandler<T: ?Sized> {
    call: Call<T>,
    bound: Bound,
}

/// Says whether to go on, or what did not fit.
type Call<T> = Box<dyn FnMut(&T) -> Result<ControlFlow<()>, Error> + Send>;

/// What running handlers leaves to be done.
#[derive(Default)]
pub(crate) struct HandlerEffects {
    /// Handlers that panicked, and data that a handler could not use.
    pub errors: Vec<Error>,
    /// A handler has unbound itself, and is to be let go of.
    pub has_unbound: bool,
}

/// Whether a handler is still bound. Shared with the user's `Binding`.
#[derive(Debug, Clone)]
pub(crate) struct Bound(Arc<AtomicBool>);

impl Bound {
    pub fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// From here on the handler does not start again (H5).
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

impl<T: ?Sized + 'static> BoundHandler<T> {
    pub fn new(bound: &Bound, mut handler: impl FnMut(&T) + Send + 'static) -> Self {
        let call = move |value: &T| {
            handler(value);
            Ok(ControlFlow::Continue(()))
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }

    /// Runs it if it is still bound. A panic ends this call and no other (H2).
    fn run(&mut self, value: &T, effects: &mut HandlerEffects, what: impl Fn() -> String) {
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
            Err(_) => effects.errors.push(Error::HandlerPanicked { handler: what() }),
        }
    }
}

impl<T: Clone + 'static> BoundHandler<T> {
    /// A handler that sends clones, and ends when the receiving half is gone.
    pub fn sending(bound: &Bound, sender: impl AnySender<T>) -> Self {
        let call = move |value: &T| {
            let is_received = sender.send_message(value.clone());
            Ok(if is_received { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }
}

impl BoundHandler<Event> {
    /// One that takes the data apart first.
    pub fn decoding<T: DeserializeOwned>(bound: &Bound, mut handler: impl FnMut(T, &Event) + Send + 'static) -> Self {
        let call = move |event: &Event| {
            handler(event.json()?, event);
            Ok(ControlFlow::Continue(()))
        };
        Self { call: Box::new(call), bound: bound.clone() }
    }
}

/// A handler with what it is for.
pub(crate) enum Registration {
    /// Events of one name.
    Named(Box<str>, BoundHandler<Event>),
    /// Events of every name, the platform's included.
    All(BoundHandler<Event>),
    /// The application's events.
    Application(BoundHandler<Event>),
    /// What is not an application event.
    Notice(NoticeHandler),
    /// All notifications.
    Everything(BoundHandler<Notification>),
}

/// A handler of one kind of notification.
pub(crate) enum NoticeHandler {
    State(BoundHandler<ConnectionStateChange>),
    Error(BoundHandler<Error>),
    Succeeded(BoundHandler<SubscriptionSucceeded>),
    Failed(BoundHandler<SubscriptionError>),
    Count(BoundHandler<SubscriptionCount>),
    CacheMiss(BoundHandler<str>),
    DecryptionFailure(BoundHandler<DecryptionFailure>),
    MemberAdded(BoundHandler<MemberChange>),
    MemberRemoved(BoundHandler<MemberChange>),
    SignedIn(BoundHandler<str>),
    Watchlist(BoundHandler<WatchlistEvent>),
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
            Self::Notice(handler) => handler.bound(),
            Self::Everything(handler) => &handler.bound,
        }
    }

    pub fn is_bound(&self) -> bool {
        self.bound().holds()
    }

    /// Runs it alone, for something that happened before it was registered.
    pub fn catch_up(&mut self, event: &Event, effects: &mut HandlerEffects) {
        match self {
            Self::Named(name, handler) if **name == *event.name() => {
                handler.run(event, effects, || describe_event(event));
            }
            Self::Notice(handler) => {
                if let Some(notice) = event.notice() {
                    handler.run(notice, effects);
                }
            }
            _ => {}
        }
    }
}

impl NoticeHandler {
    fn bound(&self) -> &Bound {
        match self {
            Self::State(handler) => &handler.bound,
            Self::Error(handler) => &handler.bound,
            Self::Succeeded(handler) => &handler.bound,
            Self::Failed(handler) => &handler.bound,
            Self::Count(handler) => &handler.bound,
            Self::CacheMiss(handler) | Self::SignedIn(handler) => &handler.bound,
            Self::DecryptionFailure(handler) => &handler.bound,
            Self::MemberAdded(handler) | Self::MemberRemoved(handler) => &handler.bound,
            Self::Watchlist(handler) => &handler.bound,
        }
    }

    /// Runs it if this is what it is for.
    fn run(&mut self, notice: &Notification, effects: &mut HandlerEffects) {
        let what = |what: &'static str| move || what.to_owned();
        match (self, notice) {
            (Self::State(handler), Notification::ConnectionStateChange(change)) => {
                handler.run(change, effects, what("connection state changes"));
            }
            (Self::Error(handler), Notification::Error(error)) => handler.run(error, effects, what("errors")),
            (Self::Error(handler), Notification::Lagged(dropped)) => {
                handler.run(&Error::Lagged { dropped: *dropped }, effects, what("errors"));
            }
            (Self::Succeeded(handler), Notification::SubscriptionSucceeded(succeeded)) => {
                handler.run(succeeded, effects, what("succeeded subscriptions"));
            }
            (Self::Failed(handler), Notification::SubscriptionError(failed)) => {
                handler.run(failed, effects, what("failed subscriptions"));
            }
            (Self::Count(handler), Notification::SubscriptionCount(count)) => {
                handler.run(count, effects, what("subscription counts"));
            }
            (Self::CacheMiss(handler), Notification::CacheMiss { channel }) => {
                handler.run(channel, effects, what("cache misses"));
            }
            (Self::DecryptionFailure(handler), Notification::DecryptionFailure(failure)) => {
                handler.run(failure, effects, what("decryption failures"));
            }
            (Self::MemberAdded(handler), Notification::MemberAdded(change)) => {
                handler.run(change, effects, what("added members"));
            }
            (Self::MemberRemoved(handler), Notification::MemberRemoved(change)) => {
                handler.run(change, effects, what("removed members"));
            }
            (Self::SignedIn(handler), Notification::SignedIn { id }) => handler.run(id, effects, what("sign-ins")),
            (Self::Watchlist(handler), Notification::Watchlist(event)) => {
                handler.run(event, effects, what("watchlist events"));
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
    notices: Vec<NoticeHandler>,
    everything: Vec<BoundHandler<Notification>>,
}

/// A handler that is to be dropped where no lock is held, because that runs user code.
pub(crate) type Unbound = Box<dyn Send>;

impl Handlers {
    pub fn add(&mut self, registration: Registration) {
        match registration {
            Registration::Named(name, handler) => self.named.entry(name).or_default().push(handler),
            Registration::All(handler) => self.all.push(handler),
            Registration::Application(handler) => self.application.push(handler),
            Registration::Notice(handler) => self.notices.push(handler),
            Registration::Everything(handler) => self.everything.push(handler),
        }
    }

    /// Takes the handlers out that are not bound any more. True when none is left.
    pub fn sweep(&mut self, unbound: &mut Vec<Unbound>) -> bool {
        let is_bound = |handler: &BoundHandler<Event>| handler.bound.holds();
        self.named.retain(|_, list| !sweep(list, is_bound, unbound));
        let lists = [
            sweep(&mut self.all, is_bound, unbound),
            sweep(&mut self.application, is_bound, unbound),
            sweep(&mut self.notices, |handler| handler.bound().holds(), unbound),
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

    /// Runs the handlers of what happened. One that unsubscribes the channel is the last one (S3).
    pub fn notice(&mut self, event: &Event, notice: &Notification, effects: &mut HandlerEffects) {
        for handler in self.notices.iter_mut().take_while(|_| event.is_wanted()) {
            handler.run(notice, effects);
        }
        self.forward(notice, effects, || event.is_wanted());
    }

    /// Runs the handlers of something that did not come in a batch.
    pub fn outside(&mut self, notice: &Notification, effects: &mut HandlerEffects) {
        self.notices.iter_mut().for_each(|handler| handler.run(notice, effects));
        self.forward(notice, effects, || true);
    }

    fn forward(&mut self, notification: &Notification, effects: &mut HandlerEffects, is_wanted: impl Fn() -> bool) {
        for handler in self.everything.iter_mut().take_while(|_| is_wanted()) {
            handler.run(notification, effects, || "all notifications".to_owned());
        }
    }
}

/// True when the list is empty afterwards.
fn sweep<H: Send + 'static>(list: &mut Vec<H>, is_bound: impl Fn(&H) -> bool, unbound: &mut Vec<Unbound>) -> bool {
    if !list.iter().all(&is_bound) {
        let (bound, gone): (Vec<_>, Vec<_>) = std::mem::take(list).into_iter().partition(&is_bound);
        *list = bound;
        unbound.extend(gone.into_iter().map(|handler| Box::new(handler) as Unbound));
    }
    list.is_empty()
}

/// Runs those that are bound at that moment. A handler that unsubscribes the event's channel is the last one (S3).
fn run_while_wanted(
    list: &mut [BoundHandler<Event>],
    event: &Event,
    effects: &mut HandlerEffects,
    what: impl Fn() -> String,
) {
    for handler in list.iter_mut().take_while(|_| event.is_wanted()) {
        handler.run(event, effects, &what);
    }
}

fn describe_event(event: &Event) -> String {
    format!("event {}", excerpt(event.name()))
}
