//! A channel's handle.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{client_event, handle::Owner};
use crate::{
    ChannelAuth, Error, EventReceiver, Member, NotificationKind, Receiver, ReceiverOptions, SubscribeOptions,
    WeakChannel, event::Intent, io::ChannelState,
};

/// A channel of one client. A cheap handle: clones, and handles of the same name, are the same channel.
///
/// Handlers stay bound while the channel is unsubscribed and subscribed again. Like every handle it keeps the client
/// alive.
#[derive(Clone)]
pub struct Channel {
    pub(super) owner: Arc<Owner>,
    pub(super) intent: Arc<Intent>,
}

impl Channel {
    pub(crate) fn new(owner: Arc<Owner>, intent: Arc<Intent>) -> Self {
        Self { owner, intent }
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        self.intent.name()
    }

    /// Subscribes, now or as soon as the client is connected, and again after each reconnect. Subscribing twice is one
    /// subscription; subscribing after a failure tries again. Returns the handle, so that
    /// calls can be chained: `channel.subscribe().wait_subscribed(..)`.
    pub fn subscribe(&self) -> &Self {
        if let Ok(core) = self.core() {
            core.subscribe(&self.intent, None);
        }
        self
    }

    /// Like [`subscribe`](Self::subscribe), with options for this channel, in place of those that the configuration has
    /// for all channels. They replace all earlier options of the channel. They hold through reconnects, and until
    /// [`unsubscribe`](Self::unsubscribe) or other options. On a channel that is subscribed already they hold from the
    /// next authorisation on, but a decoder holds at once, also for events that wait.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the [`HttpAuth`](crate::HttpAuth) is not valid: it is checked as
    /// [`Pusher::connect`](crate::Pusher::connect) checks the configuration. [`Error::Forked`] in a forked child.
    pub fn subscribe_with(&self, options: SubscribeOptions) -> Result<&Self, Error> {
        self.core()?.subscribe_with(&self.intent, options)?;
        Ok(self)
    }

    /// Subscribes with a permission that the program already has. The permission is for the current socket or, without
    /// a connection, for the next one. It is valid for that socket only: after a reconnect the configured authorizer
    /// takes over, or the subscription ends in [`Error::NoAuthorizer`].
    pub fn subscribe_with_auth(&self, auth: ChannelAuth) -> &Self {
        if let Ok(core) = self.core() {
            core.subscribe(&self.intent, Some(auth));
        }
        self
    }

    /// A handle that does not keep the client alive, for handlers that call the client.
    pub fn downgrade(&self) -> WeakChannel {
        WeakChannel { owner: Arc::downgrade(&self.owner), intent: Arc::clone(&self.intent) }
    }

    /// Unsubscribes. After this returns, no further event of the channel is delivered, even if events are still queued.
    /// A confirmation that has not reached its handlers yet is not delivered either, even if
    /// [`wait_subscribed`](Self::wait_subscribed) has reported it. The client sends no further subscribe for the
    /// channel, even if an authorizer is still running; a subscribe that is just being written is followed by an
    /// unsubscribe. Handlers stay bound. Calls of `unsubscribe` and `subscribe` during one request to an authorizer
    /// cause one subscribe.
    pub fn unsubscribe(&self) {
        if let Ok(core) = self.core() {
            core.unsubscribe(&self.intent);
        }
    }

    /// Whether the server has confirmed the subscription on the current connection.
    pub fn is_subscribed(&self) -> bool {
        self.core().is_ok_and(|core| core.fan_out.snapshot.is_subscribed(&self.intent))
    }

    /// Waits until the server has confirmed the subscription. Handlers and receivers that are made after it has
    /// returned get only newer notifications; only the confirmation is repeated to handlers for it.
    ///
    /// # Errors
    ///
    /// The error that ended the subscription, for example [`Error::SubscriptionRefused`]; [`Error::WaitTimeout`] when
    /// the time is over; [`Error::NotSubscribed`] if the program has not subscribed to the channel;
    /// [`Error::Disconnected`], or the reason of a final refusal, when no connection is being made;
    /// [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_subscribed(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.deny_reentrant("wait_subscribed")?;
        core.fan_out.snapshot.wait_subscribed(&self.intent, time)
    }

    /// Sends an event to the other subscribers of this channel, which must be a private or a presence channel. `data` goes
    /// out as the JSON value that it serialises to.
    ///
    /// # Errors
    ///
    /// The errors of [`Pusher::trigger`](crate::Pusher::trigger), each before anything is sent.
    pub fn trigger<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), Error> {
        client_event::trigger(self.core()?, &self.intent, event, data)
    }

    /// The members of a presence channel, by their ids. While the connection is lost, or until the channel is confirmed
    /// again, these are the last known members. The list is empty before the first confirmation, after unsubscribing,
    /// and for other kinds of channels, for which a warning is logged.
    pub fn members(&self) -> Vec<Member> {
        self.expect_members();
        self.read_state(|state| state.members.iter().cloned().collect()).unwrap_or_default()
    }

    /// The member with this id.
    pub fn member(&self, id: &str) -> Option<Member> {
        self.expect_members();
        self.read_state(|state| state.members.get(id).cloned()).flatten()
    }

    /// The member that is the user of this client.
    pub fn me(&self) -> Option<Member> {
        self.expect_members();
        self.read_state(|state| state.me().cloned()).flatten()
    }

    /// The number of connections that are subscribed, as the server last reported it. `None` if the server has reported
    /// no number.
    pub fn subscription_count(&self) -> Option<u64> {
        self.read_state(|state| state.subscription_count).flatten()
    }

    /// Logs a warning if this is not a presence channel.
    fn expect_members(&self) {
        if let Ok(warnings) = self.owner.warnings() {
            warnings.check_has_members(self.intent.name());
        }
    }

    fn read_state<T>(&self, read: impl FnOnce(&ChannelState) -> T) -> Option<T> {
        self.core().ok()?.fan_out.snapshot.of_channel(&self.intent, read)
    }

    /// A receiver of only the application events of this name, from now on. Make it before you subscribe, and it misses
    /// none. Events of the platform (`pusher:..`) are notifications of other kinds: [`receiver_with`](Self::receiver_with)
    /// gets those.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pusher_channels::{Pusher, testing::TestServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = TestServer::start()?;
    /// let pusher = Pusher::new(server.config()).connect()?;
    /// let channel = pusher.channel("orders")?;
    /// let placed = channel.events("placed");
    /// channel.subscribe().wait_subscribed(Duration::from_secs(5))?;
    /// # server.trigger("orders", "placed", "{}");
    /// println!("{}", placed.recv()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self, event: &str) -> Receiver {
        self.receiver_with(ReceiverOptions::new().only([NotificationKind::Event]).events([event]))
    }

    /// Like [`events`](Self::events), with the data decoded from JSON.
    pub fn events_as<T: DeserializeOwned>(&self, event: &str) -> EventReceiver<T> {
        EventReceiver::new(self.events(event))
    }
}

impl WeakChannel {
    /// The channel. `None` after the last handle that keeps the client alive was dropped.
    pub fn upgrade(&self) -> Option<Channel> {
        Some(Channel { owner: self.owner.upgrade()?, intent: Arc::clone(&self.intent) })
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
