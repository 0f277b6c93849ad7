//! The signed-in user.

use std::{fmt, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::pusher::Owner;
use crate::{
    AnySender, Binding, Error, Event, WatchlistEvent,
    io::{
        Core, Scope,
        handlers::{Bound, BoundHandler, NoticeHandler, Registration},
    },
};

/// The user whom [`Pusher::sign_in`](crate::Pusher::sign_in) signs in, and the events that servers send to that user,
/// wherever the user is connected. A cheap handle; like every handle it keeps the client alive.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::Pusher;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = pusher_channels::testing::TestServer::start()?;
/// # let config = server.config().user_auth_endpoint(server.user_auth_endpoint());
/// let pusher = Pusher::new(config).connect()?;
/// let user = pusher.user();
/// user.bind("invoice", |event| println!("{}", event.data()));
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
        self.core().ok()?.fan_out.snapshot.user_id().map(|id| id.to_string())
    }

    /// Whether the server has confirmed the sign-in, on the connection of this moment.
    pub fn is_signed_in(&self) -> bool {
        self.core().is_ok_and(|core| core.fan_out.snapshot.user_id().is_some())
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
        core.fan_out.snapshot.wait_signed_in(time)
    }

    /// Runs a handler for events of this name that are sent to the user.
    pub fn bind(&self, event: &str, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::new(bound, handler)))
    }

    /// Like [`bind`](Self::bind), for a closure that gets the data decoded from JSON. If the data cannot be decoded as `T`,
    /// the closure does not run, and [`Pusher::on_error`](crate::Pusher::on_error) gets an [`Error::Decode`]. Use
    /// [`bind`](Self::bind) for data that is a plain text: a text is usually not JSON.
    pub fn bind_as<T: DeserializeOwned + 'static>(
        &self,
        event: &str,
        mut handler: impl FnMut(T) + Send + 'static,
    ) -> Binding {
        self.bind_as_with(event, move |data, _| handler(data))
    }

    /// Like [`bind_as`](Self::bind_as), for a closure that gets the event as well, for example for the id of its sender.
    pub fn bind_as_with<T: DeserializeOwned + 'static>(
        &self,
        event: &str,
        handler: impl FnMut(T, &Event) + Send + 'static,
    ) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::decoding(bound, handler)))
    }

    /// Sends clones of the user's events of this name to a channel of the program. The sender unbinds itself when the
    /// receiving half is gone.
    pub fn bind_sender(&self, event: &str, sender: impl AnySender<Event>) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::sending(bound, sender)))
    }

    /// Runs a handler for all events that are sent to the user.
    pub fn bind_all(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::All(BoundHandler::new(bound, handler)))
    }

    /// Sends clones of all events for the user to a channel of the program. The sender unbinds itself when the receiving
    /// half is gone.
    pub fn bind_all_sender(&self, sender: impl AnySender<Event>) -> Binding {
        self.register(|bound| Registration::All(BoundHandler::sending(bound, sender)))
    }

    /// As [`Pusher::unbind`](crate::Pusher::unbind).
    ///
    /// # Errors
    ///
    /// [`Error::OtherClient`] if the handler was registered on another client; it stays bound there.
    pub fn unbind(&self, binding: Binding) -> Result<(), Error> {
        binding.unbind_from(self.core()?)
    }

    /// Takes away all handlers of events of this name that were registered on this handle or a clone of it. After it
    /// returns, the handlers do not start again.
    pub fn unbind_event(&self, event: &str) {
        if let Ok(core) = self.core() {
            core.unbind_event(Scope::User, event);
        }
    }

    /// Takes away all handlers that were registered on this handle or a clone of it: of events, sign-ins and the
    /// watchlist. After it returns, the handlers do not start again.
    pub fn unbind_all(&self) {
        if let Ok(core) = self.core() {
            core.unbind_all(Scope::User);
        }
    }

    /// Runs a handler with the user's id whenever a sign-in is confirmed, also after a reconnect.
    pub fn on_signed_in(&self, handler: impl FnMut(&str) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::SignedIn(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler when users of the watchlist, which is part of the user's data, go online or offline.
    pub fn on_watchlist(&self, handler: impl FnMut(&WatchlistEvent) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::Watchlist(BoundHandler::new(bound, handler)))
    }

    fn register(&self, registration: impl FnOnce(&Bound) -> Registration) -> Binding {
        let core = self.core();
        let user = core.as_ref().ok().map(|core| Arc::clone(&core.user));
        Binding::new(core, Scope::User, user, registration)
    }

    fn notice(&self, handler: impl FnOnce(&Bound) -> NoticeHandler) -> Binding {
        Binding::new(self.core(), Scope::User, None, |bound| Registration::Notice(handler(bound)))
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
