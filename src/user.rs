//! The signed-in user.

use std::{fmt, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    Binding, Error, Event, Handler, WatchlistEvent,
    client::Owner,
    io::{
        Core,
        handlers::{Bound, BoundHandler, NoticeHandler, Registration},
    },
};

/// The user whom [`Pusher::sign_in`](crate::Pusher::sign_in) signs in, and the events that servers send to that user,
/// wherever the user is connected. A cheap handle; like every handle it keeps the client alive.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::{Config, Event, Pusher};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = pusher_channels::testing::TestServer::start()?;
/// # let config = server.config().user_auth_endpoint(server.user_auth_endpoint());
/// let pusher = Pusher::new(config).connect()?;
/// let user = pusher.user();
/// user.bind("invoice", |event: &Event| println!("{}", event.data()));
/// pusher.sign_in()?;
/// user.wait_signed_in(Duration::from_secs(10))?;
/// println!("signed in as {:?}", user.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct User {
    owner: Arc<Owner>,
}

impl User {
    pub(crate) fn new(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    /// The user's id; `None` while nobody is signed in.
    pub fn id(&self) -> Option<String> {
        self.core().ok()?.outlets.snapshot.user_id().map(|id| id.to_string())
    }

    /// Whether the server has confirmed the sign-in, on the connection of this moment.
    pub fn is_signed_in(&self) -> bool {
        self.core().is_ok_and(|core| core.outlets.snapshot.user_id().is_some())
    }

    /// Waits until the server has confirmed the sign-in. Handlers and receivers that are made after it has returned hear nothing
    /// older.
    ///
    /// # Errors
    ///
    /// What ended the sign-in, for example [`Error::AuthRefused`] or [`Error::SignInRefused`]; [`Error::WaitTimeout`] when
    /// the time is over; [`Error::NotSignedIn`] when nobody has called [`Pusher::sign_in`](crate::Pusher::sign_in);
    /// [`Error::Disconnected`], or the reason of a final refusal, when no connection is being made;
    /// [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_signed_in(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.refuse_inside("wait_signed_in")?;
        core.outlets.snapshot.wait_signed_in(time)
    }

    /// Runs a handler for events of this name that are sent to the user.
    ///
    /// The closure names the type of its argument: `|event: &Event| ..` ([`Handler`]).
    pub fn bind(&self, event: &str, handler: impl Handler<Event>) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::new(bound, handler)))
    }

    /// Like [`bind`](Self::bind), for a closure that gets the data decoded from JSON, and the event itself. If the data
    /// cannot be decoded as `T`, the closure does not run, and [`Pusher::on_error`](crate::Pusher::on_error) gets an
    /// [`Error::Decode`]. Use [`bind`](Self::bind) for data that is a plain text: a text is usually not JSON. `bind_as`
    /// takes no senders.
    pub fn bind_as<T: DeserializeOwned + 'static>(
        &self,
        event: &str,
        handler: impl FnMut(T, &Event) + Send + 'static,
    ) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::decoding(bound, handler)))
    }

    /// Runs a handler for all events that are sent to the user.
    ///
    /// The closure names the type of its argument: `|event: &Event| ..` ([`Handler`]).
    pub fn bind_all(&self, handler: impl Handler<Event>) -> Binding {
        self.register(|bound| Registration::All(BoundHandler::new(bound, handler)))
    }

    /// Takes a handler away. After it returns the handler does not start again.
    pub fn unbind(&self, binding: Binding) {
        binding.end(self.core());
    }

    /// Runs a handler with the user's id whenever a sign-in is confirmed, also after a reconnect.
    pub fn on_signed_in(&self, handler: impl Handler<str>) -> Binding {
        self.notice(|bound| NoticeHandler::SignedIn(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler when users of the watchlist, which is part of the user's data, go online or offline.
    pub fn on_watchlist(&self, handler: impl Handler<WatchlistEvent>) -> Binding {
        self.notice(|bound| NoticeHandler::Watchlist(BoundHandler::new(bound, handler)))
    }

    fn register(&self, registration: impl FnOnce(&Bound) -> Registration) -> Binding {
        let core = self.core();
        let user = core.as_ref().ok().map(|core| Arc::clone(&core.user));
        Binding::new(core, user, registration)
    }

    fn notice(&self, handler: impl FnOnce(&Bound) -> NoticeHandler) -> Binding {
        Binding::new(self.core(), None, |bound| Registration::Notice(handler(bound)))
    }

    fn core(&self) -> Result<&Arc<Core>, Error> {
        self.owner.core()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id()).finish_non_exhaustive()
    }
}
