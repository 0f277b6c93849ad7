//! A channel's handle.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{client_event, pusher::Owner};
use crate::{
    AnySender, Binding, ChannelAuth, DecryptionFailure, Error, Event, EventReceiver, Member, MemberChange,
    Notification, NotificationKind, Receiver, ReceiverOptions, SubscribeOptions, SubscriptionCount, SubscriptionError,
    SubscriptionSucceeded, WeakChannel,
    event::Intent,
    io::{
        ChannelState, Core, Scope,
        handlers::{Bound, BoundHandler, NoticeHandler, Registration},
    },
    protocol::channel_name::ChannelKind,
    session::ReadyAuth,
};

/// A channel of one client. A cheap handle: clones, and handles of the same name, are the same channel.
///
/// Handlers stay bound while the channel is unsubscribed and subscribed again. Like every handle it keeps the client
/// alive.
#[derive(Clone)]
pub struct Channel {
    owner: Arc<Owner>,
    intent: Arc<Intent>,
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
        self.want(None);
        self
    }

    /// Like [`subscribe`](Self::subscribe), with options for this channel, in place of what the configuration says for all
    /// channels. They replace all earlier options of the channel. They hold through reconnects, and until
    /// [`unsubscribe`](Self::unsubscribe) or other options. On a channel that is subscribed already they hold from the next
    /// authorisation on, but a decoder holds at once, also for events that wait.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the [`HttpAuth`](crate::HttpAuth) is not valid: it is checked as
    /// [`Pusher::connect`](crate::Pusher::connect) checks the configuration. [`Error::Forked`] in a forked child.
    pub fn subscribe_with(&self, options: SubscribeOptions) -> Result<&Self, Error> {
        let core = self.core()?;
        let options = core.config.channel_plan(options)?;
        core.fan_out.snapshot.forget_failure(&self.intent);
        let (tell, _replaced) = core.intents.want_with(&self.intent, options);
        if tell {
            core.wake();
        }
        Ok(self)
    }

    /// Subscribes with a permission that the program has already, made for the socket of this moment, or for the next one
    /// while there is none. It serves no other: after a reconnect the configured authorizer takes over, or the subscription
    /// ends in [`Error::NoAuthorizer`].
    pub fn subscribe_with_auth(&self, auth: ChannelAuth) -> &Self {
        if let Ok(core) = self.core() {
            let socket_id = core.fan_out.snapshot.socket_id();
            self.want(Some(ReadyAuth { auth, socket_id }));
        }
        self
    }

    /// A handle that does not keep the client alive, for handlers that call the client.
    pub fn downgrade(&self) -> WeakChannel {
        WeakChannel::new(&self.owner, &self.intent)
    }

    fn want(&self, ready: Option<ReadyAuth>) {
        let Ok(core) = self.core() else { return };
        core.fan_out.snapshot.forget_failure(&self.intent);
        if core.intents.want(&self.intent, ready) {
            core.wake();
        }
    }

    /// Unsubscribes. After it returns, no further event of the channel is delivered, even if some are on their way, and
    /// no subscribe is sent for it, even if an authorizer is still being asked; one that is being written at that moment
    /// is followed by an unsubscribe. This holds for confirmations, too: one that
    /// [`wait_subscribed`](Self::wait_subscribed) has reported, but that has not reached its handlers yet, is not delivered.
    /// Handlers stay bound. Unsubscribing and subscribing again during one request to an authorizer sends one subscribe.
    pub fn unsubscribe(&self) {
        let Ok(core) = self.core() else { return };
        let (tell, _options) = core.intents.forget(&self.intent);
        if tell {
            core.wake();
        }
        core.fan_out.snapshot.forget(std::slice::from_ref(&self.intent));
    }

    /// Whether the server has confirmed the subscription, on the connection of this moment.
    pub fn is_subscribed(&self) -> bool {
        self.core().is_ok_and(|core| core.fan_out.snapshot.is_subscribed(&self.intent))
    }

    /// Waits until the server has confirmed the subscription. Handlers and receivers that are made after it has
    /// returned get only newer notifications; only the confirmation is repeated to handlers for it.
    ///
    /// # Errors
    ///
    /// What ended the subscription, for example [`Error::SubscriptionRefused`]; [`Error::WaitTimeout`] when the time is
    /// over; [`Error::NotSubscribed`] when nobody subscribes; [`Error::Disconnected`], or the reason of a final refusal,
    /// when no connection is being made; [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_subscribed(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.refuse_inside("wait_subscribed")?;
        core.fan_out.snapshot.wait_subscribed(&self.intent, time)
    }

    /// Sends an event to the other subscribers of this channel, which must be a private or a presence channel. `data` goes
    /// out as the JSON value that it serialises to.
    ///
    /// # Errors
    ///
    /// Those of [`Pusher::trigger`](crate::Pusher::trigger), each before anything is sent.
    pub fn trigger<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), Error> {
        client_event::trigger(self.core()?, &self.intent, event, data)
    }

    /// The members of a presence channel, by their ids. While the connection is lost, or until the channel is confirmed
    /// again, these are the last known members. The list is empty before the first confirmation, after unsubscribing,
    /// and for other channels; for those a warning is logged.
    pub fn members(&self) -> Vec<Member> {
        self.expect_members();
        self.facts(|facts| facts.members.iter().cloned().collect()).unwrap_or_default()
    }

    /// The member with this id.
    pub fn member(&self, id: &str) -> Option<Member> {
        self.expect_members();
        self.facts(|facts| facts.members.get(id).cloned()).flatten()
    }

    /// The member who this client is.
    pub fn me(&self) -> Option<Member> {
        self.expect_members();
        self.facts(|facts| facts.me().cloned()).flatten()
    }

    /// How many connections are subscribed, as the server last told; `None` when it did not.
    pub fn subscription_count(&self) -> Option<u64> {
        self.facts(|facts| facts.subscription_count).flatten()
    }

    /// Logs a warning if this is not a presence channel: it will never have members.
    fn expect_members(&self) {
        if ChannelKind::of(self.intent.name()).is_presence() {
            return;
        }
        if let Ok(core) = self.core() {
            core.warnings.has_no_members(self.intent.name());
        }
    }

    fn facts<T>(&self, look: impl FnOnce(&ChannelState) -> T) -> Option<T> {
        self.core().ok()?.fan_out.snapshot.of_channel(&self.intent, look)
    }

    /// Runs a handler for events of this name on this channel. The platform's own events can be named too; one for
    /// `pusher:subscription_succeeded` runs at once when the channel is subscribed already.
    ///
    /// The handler keeps what it owns. A handler that calls the client holds a [weak handle](Self::downgrade), because a
    /// [`Channel`] in a handler would keep the client alive until the handler is unbound:
    ///
    /// ```
    /// use pusher_channels::{Pusher, testing::TestServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = TestServer::start()?;
    /// # let pusher = Pusher::new(server.config()).connect()?;
    /// let channel = pusher.channel("private-chat")?;
    /// let weak = channel.downgrade();
    /// channel.bind("client-ping", move |event| {
    ///     if let Some(channel) = weak.upgrade() {
    ///         let _ = channel.trigger("client-pong", event.data());
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sends clones of the events of this name on this channel to a channel of the program. The sender unbinds itself when
    /// the receiving half is gone.
    pub fn bind_sender(&self, event: &str, sender: impl AnySender<Event>) -> Binding {
        self.register(|bound| Registration::Named(event.into(), BoundHandler::sending(bound, sender)))
    }

    /// Runs a handler for all events of this channel, the platform's own included.
    pub fn bind_all(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::All(BoundHandler::new(bound, handler)))
    }

    /// Sends clones of all events of this channel, the platform's own included, to a channel of the program. The sender
    /// unbinds itself when the receiving half is gone.
    pub fn bind_all_sender(&self, sender: impl AnySender<Event>) -> Binding {
        self.register(|bound| Registration::All(BoundHandler::sending(bound, sender)))
    }

    /// Sends every [`Notification`] of this channel to a channel of the program, as a [`receiver`](Self::receiver) would
    /// receive them, and in the same order. The sender unbinds itself when the receiving half is gone.
    pub fn forward(&self, sender: impl AnySender<Notification>) -> Binding {
        self.register(|bound| Registration::Everything(BoundHandler::sending(bound, sender)))
    }

    /// Runs a handler for the application's events of this channel.
    pub fn on_event(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
        self.register(|bound| Registration::Application(BoundHandler::new(bound, handler)))
    }

    /// As [`Pusher::unbind`](crate::Pusher::unbind).
    ///
    /// # Errors
    ///
    /// [`Error::OtherClient`] if the handler was registered on another client; it stays bound there.
    pub fn unbind(&self, binding: Binding) -> Result<(), Error> {
        binding.unbind_from(self.core()?)
    }

    /// Takes away all handlers of events of this name on this channel, by [`bind`](Self::bind) and its variants. After it
    /// returns, the handlers do not start again.
    pub fn unbind_event(&self, event: &str) {
        if let Ok(core) = self.core() {
            core.unbind_event(self.scope(), event);
        }
    }

    /// Takes away all handlers of this channel: of events and of everything else. After it returns, the handlers do not
    /// start again.
    pub fn unbind_all(&self) {
        if let Ok(core) = self.core() {
            core.unbind_all(self.scope());
        }
    }

    /// Runs a handler whenever the subscription is confirmed; at once when it is already.
    pub fn on_subscription_succeeded(&self, handler: impl FnMut(&SubscriptionSucceeded) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::Succeeded(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler whenever the subscription fails.
    pub fn on_subscription_error(&self, handler: impl FnMut(&SubscriptionError) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::Failed(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler whenever the server tells how many connections are subscribed, where its app has that enabled.
    pub fn on_subscription_count(&self, handler: impl FnMut(&SubscriptionCount) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::Count(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler with the channel's name when a cache channel has no event to begin with.
    pub fn on_cache_miss(&self, handler: impl FnMut(&str) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::CacheMiss(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler for every event of an encrypted channel that could not be decrypted.
    pub fn on_decryption_failure(&self, handler: impl FnMut(&DecryptionFailure) + Send + 'static) -> Binding {
        self.notice(|bound| NoticeHandler::DecryptionFailure(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler for every user who comes to a presence channel. The list of members is up to date when it runs.
    pub fn on_member_added(&self, handler: impl FnMut(&MemberChange) + Send + 'static) -> Binding {
        self.expect_members();
        self.notice(|bound| NoticeHandler::MemberAdded(BoundHandler::new(bound, handler)))
    }

    /// Runs a handler for every user who leaves a presence channel. The list of members is up to date when it runs.
    pub fn on_member_removed(&self, handler: impl FnMut(&MemberChange) + Send + 'static) -> Binding {
        self.expect_members();
        self.notice(|bound| NoticeHandler::MemberRemoved(BoundHandler::new(bound, handler)))
    }

    /// A queue of its own for everything that happens to this channel from now on, in order: its events, its confirmations
    /// and failures, its members. The connection's changes are no channel's: they are in
    /// [`Pusher::receiver`](crate::Pusher::receiver).
    pub fn receiver(&self) -> Receiver {
        self.receiver_with(ReceiverOptions::default())
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

    /// As [`receiver`](Self::receiver), with a say in what it receives, how much of it waits, and who is woken for it.
    ///
    /// ```
    /// use pusher_channels::{Config, NotificationKind, Overflow, Pusher, ReceiverOptions};
    ///
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// let pusher = Pusher::new(Config::cluster("app-key", "eu"));
    /// let players = pusher.subscribe("presence-players")?;
    /// // Where each of them is now, however many positions have come since the last frame.
    /// let options = ReceiverOptions::new().only([NotificationKind::Event]).overflow(Overflow::KeepLatest);
    /// let positions = players.receiver_with(options);
    /// # Ok(())
    /// # }
    /// ```
    pub fn receiver_with(&self, options: ReceiverOptions) -> Receiver {
        let channel = Some(Arc::clone(&self.intent));
        self.core().map_or_else(|_| Receiver::closed(), |core| Receiver::new(core, channel, options))
    }

    fn notice(&self, handler: impl FnOnce(&Bound) -> NoticeHandler) -> Binding {
        self.register(|bound| Registration::Notice(handler(bound)))
    }

    fn register(&self, registration: impl FnOnce(&Bound) -> Registration) -> Binding {
        Binding::new(self.core(), self.scope(), Some(Arc::clone(&self.intent)), registration)
    }

    fn scope(&self) -> Scope {
        Scope::Channel(self.intent.id())
    }

    fn core(&self) -> Result<&Arc<Core>, Error> {
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
