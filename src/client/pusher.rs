//! The client's handle.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::handle::Owner;
use crate::{
    Channel, Config, ConnectionState, DispatchBudget, Error, Stats, User, WeakPusher,
    protocol::channel_name::{self, ChannelKind},
};

/// A client of one app. A cheap handle: clones are the same client.
///
/// The client lives as long as any handle of it: [`Pusher`], [`Channel`] or [`User`]. When the last one is dropped, it
/// disconnects and its receivers end; events of channels that still wait are discarded, as by
/// [`disconnect`](Pusher::disconnect). A handler that holds a handle of its own client keeps it alive until
/// [`disconnect`](Pusher::disconnect) and [`unbind`](Pusher::unbind).
///
/// A client belongs to the process that made it. In a forked child every call on a handle returns [`Error::Forked`], or does
/// nothing where it returns no error: the state is [`Disconnected`](ConnectionState::Disconnected), lists are empty,
/// receivers are closed. The parent's connection is not touched. A child that needs a client makes one.
///
/// ```
/// use pusher_channels::{Pusher, testing::TestServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let pusher = Pusher::new(server.config()).connect()?;
/// let channel = pusher.subscribe("news")?;
/// channel.bind("published", |event| println!("{}", event.data()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pusher {
    pub(super) owner: Arc<Owner>,
}

impl Pusher {
    /// Makes a client. Does no I/O and starts no thread.
    pub fn new(config: Config) -> Self {
        Self { owner: Owner::new(config) }
    }

    /// A handle that does not keep the client alive, for handlers that call the client. [`Channel::bind`] shows one in use.
    pub fn downgrade(&self) -> WeakPusher {
        WeakPusher { owner: Arc::downgrade(&self.owner) }
    }

    /// Connects, and waits until the server has confirmed the connection. From then on a lost connection is made anew by
    /// the [`Reconnect`](crate::Reconnect) policy. Returns the handle, so that `Pusher::new(config).connect()?` is a
    /// connected client. Returns at once when it is connected already.
    ///
    /// When it returns, the awaited notification is in the queues of all handlers and receivers. Handlers and receivers
    /// that are made afterwards get only newer notifications.
    ///
    /// # Errors
    ///
    /// The error of the first attempt, after which the client is [`Failed`](ConnectionState::Failed) when the server
    /// refused for good, else [`Disconnected`](ConnectionState::Disconnected); [`Error::Config`] before any packet
    /// leaves; [`Error::WouldDeadlock`] inside a handler.
    ///
    /// Called while the client is reconnecting already, it makes one attempt at once, or waits for the one that is being made,
    /// and returns its error; the client goes on reconnecting by the policy.
    pub fn connect(&self) -> Result<Self, Error> {
        self.core()?.connect()?;
        Ok(self.clone())
    }

    /// Connects without waiting, and keeps trying by the policy, also when the first attempt fails. The
    /// [`state`](Self::state) becomes [`Connecting`](ConnectionState::Connecting) a moment after it has returned.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] before any packet leaves, [`Error::Thread`] when no thread can be started.
    pub fn connect_background(&self) -> Result<Self, Error> {
        self.core()?.connect_background()?;
        Ok(self.clone())
    }

    /// Waits until there is a connection: after [`connect_background`](Self::connect_background), or while a lost one is made
    /// anew. As after [`connect`](Self::connect), handlers and receivers that are made afterwards get only newer
    /// notifications.
    ///
    /// # Errors
    ///
    /// [`Error::WaitTimeout`] when the time is over; [`Error::Disconnected`], or the reason of a final refusal, when no
    /// connection is being made; [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_connected(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.deny_reentrant("wait_connected")?;
        core.fan_out.snapshot.wait_connected(time)
    }

    /// Disconnects, in any state of the client. Returns within 250 ms. Afterwards no event of a channel is delivered, not
    /// even one that waits in a queue, and no socket is opened until the next `connect`. The client keeps the set of
    /// wanted channels. It does not wait for a handler that is running.
    pub fn disconnect(&self) {
        if let Ok(core) = self.core() {
            core.disconnect();
        }
    }

    /// Ends the wait before the next attempt. While connected, checks at once whether the peer is alive, for example
    /// after the network has changed. Does nothing while [`Connecting`](ConnectionState::Connecting), because an
    /// attempt is being made already, nor where no connection is wanted: `connect` leaves
    /// [`Failed`](ConnectionState::Failed) and [`Disconnected`](ConnectionState::Disconnected).
    pub fn reconnect_now(&self) {
        if let Ok(core) = self.core() {
            core.reconnect_now();
        }
    }

    /// The state of the connection.
    pub fn state(&self) -> ConnectionState {
        self.core().map_or_else(|_| ConnectionState::default(), |core| core.fan_out.snapshot.state())
    }

    /// The socket id that the server gave this connection; `None` while there is none.
    pub fn socket_id(&self) -> Option<String> {
        self.core().ok()?.fan_out.snapshot.socket_id().map(|id| id.to_string())
    }

    /// A handle of a channel, which need not be subscribed: bind handlers first, then
    /// [`subscribe`](Channel::subscribe), and no event is missed.
    ///
    /// # Errors
    ///
    /// [`Error::ChannelName`] when the name is not allowed, or is that of a user's own channel, which the client subscribes
    /// by itself: see [`user`](Self::user).
    pub fn channel(&self, name: &str) -> Result<Channel, Error> {
        let core = self.core()?;
        channel_name::check(name)?;
        if ChannelKind::of(name) == ChannelKind::ServerToUser {
            let reason = "the client subscribes it by itself, and its events are sent to the user";
            return Err(Error::ChannelName { name: name.to_owned(), reason });
        }
        let intent = core.intents.intent(name);
        self.owner.warnings()?.check_prefix(intent.name());
        Ok(Channel::new(Arc::clone(&self.owner), intent))
    }

    /// Subscribes to a channel, now or as soon as the client is connected, and again after each reconnect. Subscribing
    /// twice is one subscription.
    ///
    /// # Errors
    ///
    /// [`Error::ChannelName`] when the name is not allowed. The server's answer arrives later:
    /// [`on_subscription_succeeded`](Self::on_subscription_succeeded),
    /// [`on_subscription_error`](Self::on_subscription_error), [`Channel::wait_subscribed`]. On a server that limits
    /// messages the answer may take longer than [`Config::subscription_timeout`]: a refused subscription is sent again,
    /// more slowly, and the timeout stands still meanwhile.
    pub fn subscribe(&self, name: &str) -> Result<Channel, Error> {
        let channel = self.channel(name)?;
        channel.subscribe();
        Ok(channel)
    }

    /// Waits until each channel that the program has subscribed to is confirmed or has failed. As after
    /// [`connect`](Self::connect), handlers and receivers that are made afterwards get only newer notifications.
    ///
    /// # Errors
    ///
    /// The first of the errors that [`Channel::wait_subscribed`] has for the channels, in the order in which they became
    /// known. A channel that is unsubscribed meanwhile is ignored. [`Error::WaitTimeout`] when the time is over;
    /// [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_all_subscribed(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.deny_reentrant("wait_all_subscribed")?;
        core.fan_out.snapshot.wait_all_subscribed(|| core.intents.active(), time)
    }

    /// Unsubscribes from a channel. After this returns, no further event of the channel is delivered, and the client
    /// sends no further subscribe for it, even if an authorizer is still running. Handlers stay bound. A channel that
    /// is not subscribed and an invalid name are ignored.
    pub fn unsubscribe(&self, name: &str) {
        if let Ok(channel) = self.channel(name) {
            channel.unsubscribe();
        }
    }

    /// Unsubscribes from all channels.
    pub fn unsubscribe_all(&self) {
        if let Ok(core) = self.core() {
            core.unsubscribe_all();
        }
    }

    /// The channels that the program has subscribed to, confirmed or not, in the order in which it first named them.
    pub fn channels(&self) -> Vec<Channel> {
        let Ok(core) = self.core() else { return Vec::new() };
        let active = core.intents.active().into_iter();
        active.map(|intent| Channel::new(Arc::clone(&self.owner), intent)).collect()
    }

    /// Sends an event to the other subscribers of a private or presence channel whose subscription is confirmed. `data` goes
    /// out as the JSON value that it serialises to; a bare string arrives as its text.
    ///
    /// It returns at once. Events over [`Config::client_event_limit`] wait for their turn for up to
    /// [`Config::client_event_patience`], in the order of the calls.
    ///
    /// Laravel Reverb has rules of its own: it takes objects, arrays and `null` for data, and refuses a bare text, a
    /// number or a boolean with 4200. It takes 10,000 bytes for the whole message, names included, and closes the
    /// connection with 1009 when there are more.
    ///
    /// # Errors
    ///
    /// Each before anything is sent: [`Error::ChannelName`]; [`Error::ClientEventChannel`] for a public or an encrypted
    /// channel; [`Error::ClientEventName`] when the name does not begin with `client-` or is longer than 200 characters;
    /// [`Error::Encode`], also for NaN and infinite numbers; [`Error::ClientEventTooLarge`] above
    /// [`Config::client_event_size`]; [`Error::NotConnected`] while the client is connecting or reconnecting, and
    /// [`Error::Disconnected`] while it is disconnected; [`Error::NotSubscribed`]; [`Error::ClientEventRate`] and
    /// [`Error::ClientEventQueueFull`] when there are too many events at once.
    ///
    /// A later failure of the event arrives at [`on_error`](Self::on_error): [`Error::NotSubscribed`] when the channel
    /// was unsubscribed, or the connection ended, while the event waited for its turn; [`Error::ClientEventRefused`]
    /// when the server refuses it, mostly with the code 4301; and [`Error::ClientEventTooLarge`] when the server closes
    /// the connection because of its size.
    pub fn trigger<T: Serialize + ?Sized>(&self, channel: &str, event: &str, data: &T) -> Result<(), Error> {
        self.channel(channel)?.trigger(event, data)
    }

    /// Signs the user in, now or as soon as the client is connected, and again after each reconnect, before channels are
    /// subscribed. Returns at once; [`User::wait_signed_in`] waits for the outcome. After a failure it can be repeated. A
    /// server that limits messages may refuse it for now (4301): then it is sent again, more slowly, and its timeout stands
    /// still meanwhile. Some servers, soketi among them, close the connection for good (4009) when the signature is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when no way to sign in is configured ([`Config::user_auth_endpoint`],
    /// [`Config::user_authenticator`], or [`Config::secret`] with [`Config::user_data`]).
    pub fn sign_in(&self) -> Result<(), Error> {
        self.core()?.sign_in()
    }

    /// The user of this client, signed in or not.
    pub fn user(&self) -> User {
        User::new(Arc::clone(&self.owner))
    }

    /// With [`Config::manual_dispatch`], runs the handlers of all pending notifications on the calling thread.
    /// Notifications that arrive meanwhile are for the next call. Returns the number of handled notifications. The
    /// number is 0 without that option, while another thread dispatches, and if a handler calls this during a dispatch.
    pub fn dispatch(&self) -> usize {
        self.core().map_or(0, |core| core.dispatch(None))
    }

    /// Like [`dispatch`](Self::dispatch), but stops after this number of notifications, including those without a handler,
    /// or after this time: then no further notification is begun. The rest stays for the next call, in order. Handlers
    /// that were bound since the last call also get the confirmations of current subscriptions, after all notifications
    /// from before they were bound. These confirmations do not count against the budget.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pusher = pusher_channels::Pusher::new(pusher_channels::Config::cluster("app-key", "eu").manual_dispatch());
    /// pusher.dispatch_for(100);
    /// pusher.dispatch_for(Duration::from_millis(2));
    /// ```
    pub fn dispatch_for(&self, budget: impl Into<DispatchBudget>) -> usize {
        self.core().map_or(0, |core| core.dispatch(Some(budget.into())))
    }

    /// The counters of the client.
    pub fn stats(&self) -> Stats {
        self.core().map_or_else(|_| Stats::default(), |core| Stats::of(core))
    }

    /// Checks all options, as the first call to connect does.
    #[cfg(feature = "capi")]
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.core()?.plan().map(drop)
    }

    /// Ends the client for good, even if other handles of it exist. `meanwhile` runs during the shutdown, and releases
    /// the threads that wait for an authorizer.
    #[cfg(feature = "capi")]
    pub(crate) fn end(&self, meanwhile: impl FnOnce()) {
        if let Ok(core) = self.core() {
            core.shut_down_and(meanwhile);
        }
    }
}

impl WeakPusher {
    /// The client. `None` after the last handle that keeps it alive was dropped.
    pub fn upgrade(&self) -> Option<Pusher> {
        self.owner.upgrade().map(|owner| Pusher { owner })
    }
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher")
            .field("config", self.owner.config())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
