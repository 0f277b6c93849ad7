//! A channel's handle.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    Binding, Error, Event, SubscriptionError, SubscriptionSucceeded,
    client::Owner,
    event::Interest,
    io::{
        Core,
        handlers::{Bound, Handler, Registration},
    },
};

/// A channel of one client. A cheap handle: clones, and handles of the same name, are the same channel.
///
/// Handlers stay bound while the channel is unsubscribed and subscribed again. Like every handle it keeps the client
/// alive.
#[derive(Clone)]
pub struct Channel {
    owner: Arc<Owner>,
    interest: Arc<Interest>,
}

impl Channel {
    pub(crate) fn new(owner: Arc<Owner>, interest: Arc<Interest>) -> Self {
        Self { owner, interest }
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        self.interest.name()
    }

    /// Subscribes, now or as soon as the client is connected, and again after each reconnect. Subscribing twice is one
    /// subscription; subscribing after a failure tries again.
    pub fn subscribe(&self) {
        let core = self.core();
        core.outlets.snapshot.forget_failure(&self.interest);
        if core.registry.want(&self.interest) {
            core.wishes_changed();
        }
    }

    /// Unsubscribes. After it returns no further event of the channel is delivered, whatever is on its way. Handlers stay
    /// bound.
    pub fn unsubscribe(&self) {
        if self.core().registry.forget(&self.interest) {
            self.core().wishes_changed();
        }
        self.core().outlets.snapshot.forget(std::slice::from_ref(&self.interest));
    }

    /// Whether the server has confirmed the subscription, on the connection of this moment.
    pub fn is_subscribed(&self) -> bool {
        self.core().outlets.snapshot.is_subscribed(&self.interest)
    }

    /// Waits until the server has confirmed the subscription.
    ///
    /// # Errors
    ///
    /// What ended the subscription, for example [`Error::SubscriptionRefused`]; [`Error::WaitTimeout`] when the time is
    /// over; [`Error::NotSubscribed`] when nobody subscribes; [`Error::Disconnected`], or the reason of a final refusal,
    /// when no connection is being made; [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_subscribed(&self, time: Duration) -> Result<(), Error> {
        self.core().refuse_inside("wait_subscribed")?;
        self.core().outlets.snapshot.wait_subscribed(&self.interest, time)
    }

    /// Runs a handler for events of this name on this channel. The platform's own events can be named too; one for
    /// `pusher:subscription_succeeded` runs at once when the channel is subscribed already.
    pub fn bind(&self, event: &str, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::Named(event.into(), Handler::new(bound, handler)))
    }

    /// Runs a handler for all events of this channel, the platform's own included.
    pub fn bind_all(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::All(Handler::new(bound, handler)))
    }

    /// Takes a handler away. After it returns the handler does not start again.
    pub fn unbind(&self, binding: Binding) {
        binding.end(self.core());
    }

    /// Runs a handler whenever the subscription is confirmed; at once when it is already.
    pub fn on_subscription_succeeded(&self, handler: impl FnMut(&SubscriptionSucceeded) + Send + 'static) -> Binding {
        self.register(|bound| Registration::Succeeded(Handler::new(bound, handler)))
    }

    /// Runs a handler whenever the subscription fails.
    pub fn on_subscription_error(&self, handler: impl FnMut(&SubscriptionError) + Send + 'static) -> Binding {
        self.register(|bound| Registration::Failed(Handler::new(bound, handler)))
    }

    fn register(&self, registration: impl FnOnce(&Bound) -> Registration) -> Binding {
        Binding::new(self.core(), Some(Arc::clone(&self.interest)), registration)
    }

    fn core(&self) -> &Arc<Core> {
        self.owner.core()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name())
            .field("is_subscribed", &self.is_subscribed())
            .finish_non_exhaustive()
    }
}
