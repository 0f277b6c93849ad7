//! The methods that register handlers and unbind them, and those that make receivers. [`Pusher`], [`Channel`] and [`User`]
//! have the same methods, so macros write them, with their documentation.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::handle::{Binding, Owner};
use crate::{
    AnySender, Channel, ConnectionStateChange, DecryptionFailure, Error, Event, MemberChange, Notification,
    NotificationKind, Pusher, Receiver, ReceiverOptions, SubscriptionCount, SubscriptionError, SubscriptionSucceeded,
    User, WatchlistEvent,
    event::{BelongsTo, Intent, kinds},
    io::{
        Core, Scope,
        handlers::{Bound, BoundHandler, Registration},
    },
};

/// A handle that handlers are registered on.
trait BindTarget {
    fn owner(&self) -> &Owner;

    /// The handle whose handlers `unbind_event` and `unbind_all` unbind.
    fn scope(&self) -> Scope;

    /// The channel whose events the handlers get; `None` for the events of all channels.
    fn channel(&self) -> Option<Arc<Intent>>;

    fn register(&self, registration: impl FnOnce(&Bound) -> Registration) -> Binding {
        Binding::new(self.owner().core(), self.scope(), self.channel(), registration)
    }

    /// Registers a handler for the notifications of one kind, which is not [`NotificationKind::Event`].
    fn register_kind(&self, kind: NotificationKind, handler: impl FnMut(&Notification) + Send + 'static) -> Binding {
        let owner = self.owner();
        let channel = self.channel().filter(|_| kind.belongs_to() == BelongsTo::Channel);
        let is_about_members = matches!(kind, NotificationKind::MemberAdded | NotificationKind::MemberRemoved);
        if let (true, Ok(warnings), Some(channel)) = (is_about_members, owner.warnings(), &channel) {
            warnings.check_has_members(channel.name());
        }
        let registration = |bound: &Bound| Registration::Kind(kind, BoundHandler::new(bound, handler));
        Binding::new(owner.core(), self.scope(), channel, registration)
    }

    /// Registers a handler for the value that `project` finds in the notifications of one kind.
    fn on<T: ?Sized + 'static>(
        &self,
        kind: NotificationKind,
        project: fn(&Notification) -> Option<&T>,
        mut handler: impl FnMut(&T) + Send + 'static,
    ) -> Binding {
        self.register_kind(kind, move |notification| {
            if let Some(value) = project(notification) {
                handler(value);
            }
        })
    }
}

impl BindTarget for Pusher {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn scope(&self) -> Scope {
        Scope::Client
    }

    fn channel(&self) -> Option<Arc<Intent>> {
        None
    }
}

impl BindTarget for Channel {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn scope(&self) -> Scope {
        Scope::Channel(self.intent.id())
    }

    fn channel(&self) -> Option<Arc<Intent>> {
        Some(Arc::clone(&self.intent))
    }
}

impl BindTarget for User {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn scope(&self) -> Scope {
        Scope::User
    }

    fn channel(&self) -> Option<Arc<Intent>> {
        self.owner.core().ok().map(|core| Arc::clone(&core.user))
    }
}

/// Writes the methods that bind handlers of events, and the methods that unbind. The texts complete the documentation.
macro_rules! bind_methods {
    (
        $handle:ty,
        of_name: $of_name:literal,
        all: $all:literal,
        registered_on: $registered_on:literal,
        stay: $stay:literal,
        $(#[$about_bind:meta])*
    ) => {
        impl $handle {
            pub(super) fn core(&self) -> Result<&Arc<Core>, Error> {
                self.owner.core()
            }

            #[doc = concat!("Runs a handler for events of this name ", $of_name, ".")]
            $(#[$about_bind])*
            pub fn bind(&self, event: &str, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
                self.register(|bound| Registration::Named(event.into(), BoundHandler::new(bound, handler)))
            }

            /// Like [`bind`](Self::bind), for a closure that gets the data decoded from JSON. If the data cannot be
            /// decoded as `T`, the closure does not run, and [`Pusher::on_error`] gets an [`Error::Decode`]. Use
            /// [`bind`](Self::bind) for data that is a plain text: a text is usually not JSON.
            ///
            /// ```
            /// # let pusher = pusher_channels::Pusher::new(pusher_channels::Config::cluster("app-key", "eu"));
            /// pusher.bind_as::<(f32, f32)>("client-moved", |(x, y)| println!("somebody is at {x}, {y}"));
            /// ```
            pub fn bind_as<T: DeserializeOwned + 'static>(
                &self,
                event: &str,
                mut handler: impl FnMut(T) + Send + 'static,
            ) -> Binding {
                self.bind_as_with(event, move |data, _| handler(data))
            }

            /// Like [`bind_as`](Self::bind_as), for a closure that gets the event as well, for example for the id of its
            /// sender.
            pub fn bind_as_with<T: DeserializeOwned + 'static>(
                &self,
                event: &str,
                handler: impl FnMut(T, &Event) + Send + 'static,
            ) -> Binding {
                self.register(|bound| Registration::Named(event.into(), BoundHandler::decoding(bound, handler)))
            }

            /// Sends a clone of each event of this name to a channel of the program. The events are those that
            /// [`bind`](Self::bind) would pass to a handler. The sender unbinds itself when the receiving half is gone.
            pub fn bind_sender(&self, event: &str, sender: impl AnySender<Event>) -> Binding {
                self.register(|bound| Registration::Named(event.into(), BoundHandler::sending(bound, sender)))
            }

            #[doc = concat!("Runs a handler for all events ", $all, ".")]
            pub fn bind_all(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
                self.register(|bound| Registration::All(BoundHandler::new(bound, handler)))
            }

            #[doc = concat!("Sends clones of all events ", $all, ", to a channel of the program.")]
            /// The sender unbinds itself when the receiving half is gone.
            pub fn bind_all_sender(&self, sender: impl AnySender<Event>) -> Binding {
                self.register(|bound| Registration::All(BoundHandler::sending(bound, sender)))
            }

            /// Unbinds a handler, whichever handle of this client it was registered on. After this returns, the handler
            /// does not start again. Unlike [`Binding::unbind`], it refuses the binding of another client.
            ///
            /// # Errors
            ///
            /// [`Error::OtherClient`] if the handler was registered on another client; it stays bound there.
            pub fn unbind(&self, binding: Binding) -> Result<(), Error> {
                binding.unbind_from(self.owner.core()?)
            }

            #[doc = concat!("Unbinds all handlers of events of this name that were registered on ", $registered_on)]
            #[doc = concat!("by [`bind`](Self::bind) and its variants.", $stay)]
            /// After it returns, the handlers do not start again.
            pub fn unbind_event(&self, event: &str) {
                if let Ok(core) = self.owner.core() {
                    core.unbind_event(self.scope(), event);
                }
            }

            #[doc = concat!("Unbinds all handlers that were registered on ", $registered_on)]
            #[doc = concat!("those of events and those of all other notifications.", $stay)]
            /// After it returns, the handlers do not start again.
            pub fn unbind_all(&self) {
                if let Ok(core) = self.owner.core() {
                    core.unbind_all(self.scope());
                }
            }
        }
    };
}

bind_methods! {
    Pusher,
    of_name: "on any channel or on none, and for those that are sent to the user",
    all: "of all channels, the platform's own included",
    registered_on: "this handle or a clone of it,",
    stay: " Handlers of channels and of the user stay.",
    /// The platform's own events can be named too, for example `pusher:subscription_succeeded`. The event
    /// `pusher:connection_established` belongs to no channel, and has the server's data:
    /// `{"socket_id":"1.2","activity_timeout":120}`.
}

bind_methods! {
    Channel,
    of_name: "on this channel",
    all: "of this channel, the platform's own included",
    registered_on: "this channel,",
    stay: "",
    /// The platform's own events can be named too; a handler for `pusher:subscription_succeeded` runs at once when the
    /// channel is subscribed already.
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
}

bind_methods! {
    User,
    of_name: "that are sent to the user",
    all: "that are sent to the user",
    registered_on: "this handle or a clone of it,",
    stay: "",
}

/// Writes the method that registers a handler for one kind of notification. The pattern finds the value for the handler.
macro_rules! on_method {
    ($(#[$about:meta])* $method:ident(&$value:ty), $kind:ident, $pattern:pat => $found:expr) => {
        $(#[$about])*
        pub fn $method(&self, handler: impl FnMut(&$value) + Send + 'static) -> Binding {
            let kind = NotificationKind::$kind;
            self.on::<$value>(kind, |notification| if let $pattern = notification { Some($found) } else { None }, handler)
        }
    };
}

/// Writes the receivers, and the methods for the kinds of notifications that belong to a channel. The client has them for
/// all channels.
macro_rules! channel_methods {
    (
        $handle:ty, $article:literal,
        whole: $whole:literal,
        application: $application:literal,
        received: $received:literal,
        $(#[$example:meta])*
    ) => {
        impl $handle {
            #[doc = concat!("A queue of its own for all notifications ", $received)]
            pub fn receiver(&self) -> Receiver {
                self.receiver_with(ReceiverOptions::default())
            }

            /// Like [`receiver`](Self::receiver), with options: the notifications to receive, the length of the queue, and a
            /// closure to wake.
            $(#[$example])*
            pub fn receiver_with(&self, options: ReceiverOptions) -> Receiver {
                let Ok(core) = self.core() else { return Receiver::closed() };
                Receiver::new(core, BindTarget::channel(self), options)
            }

            #[doc = concat!("Sends every [`Notification`] of ", $whole, " to a channel of the program, as a")]
            /// [`receiver`](Self::receiver) would receive them, and in the same order. The sender unbinds itself when the
            /// receiving half is gone.
            pub fn forward(&self, sender: impl AnySender<Notification>) -> Binding {
                self.register(|bound| Registration::Everything(BoundHandler::sending(bound, sender)))
            }

            #[doc = concat!("Runs a handler for the application's events ", $application, ".")]
            pub fn on_event(&self, handler: impl FnMut(&Event) + Send + 'static) -> Binding {
                self.register(|bound| Registration::Application(BoundHandler::new(bound, handler)))
            }

            on_method! {
                #[doc = concat!("Runs a handler whenever ", $article, " subscription is confirmed; at once for a")]
                /// subscription that is confirmed already.
                on_subscription_succeeded(&SubscriptionSucceeded), SubscriptionSucceeded,
                Notification::SubscriptionSucceeded(succeeded) => succeeded
            }

            on_method! {
                #[doc = concat!("Runs a handler whenever ", $article, " subscription fails.")]
                on_subscription_error(&SubscriptionError), SubscriptionError,
                Notification::SubscriptionError(failed) => failed
            }

            on_method! {
                #[doc = concat!("Runs a handler whenever the server reports how many connections are subscribed to ", $article)]
                /// channel, if the app has this feature enabled.
                on_subscription_count(&SubscriptionCount), SubscriptionCount,
                Notification::SubscriptionCount(count) => count
            }

            on_method! {
                /// Runs a handler with the channel's name when a cache channel has no cached event.
                on_cache_miss(&str), CacheMiss,
                Notification::CacheMiss { channel } => channel.as_str()
            }

            on_method! {
                /// Runs a handler for every event of an encrypted channel that could not be decrypted. If the key no
                /// longer fits, the client fetches it again, at most once every 10 s. To fetch it at once, unsubscribe
                /// and subscribe.
                on_decryption_failure(&DecryptionFailure), DecryptionFailure,
                Notification::DecryptionFailure(failure) => failure
            }

            on_method! {
                /// Runs a handler for every user who comes to a presence channel. The list of members is up to date when
                /// it runs.
                on_member_added(&MemberChange), MemberAdded,
                Notification::MemberAdded(change) => change
            }

            on_method! {
                /// Runs a handler for every user who leaves a presence channel. The list of members is up to date when it
                /// runs.
                on_member_removed(&MemberChange), MemberRemoved,
                Notification::MemberRemoved(change) => change
            }
        }
    };
}

channel_methods! {
    Pusher, "a",
    whole: "the client",
    application: "of all channels, for those without a channel, and for those that are sent to the user",
    received: "from now on, in order.",
}

channel_methods! {
    Channel, "the",
    whole: "this channel",
    application: "of this channel",
    received: "of this channel from now on, in order: events, confirmations and failures, members. Changes of the \
        connection belong to no channel: [`Pusher::receiver`] gets them.",
    ///
    /// ```
    /// use pusher_channels::{Config, NotificationKind, Overflow, Pusher, ReceiverOptions};
    ///
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// let pusher = Pusher::new(Config::cluster("app-key", "eu"));
    /// let players = pusher.subscribe("presence-players")?;
    /// // The newest position of each player, even if several have arrived since the last frame.
    /// let options = ReceiverOptions::new().only([NotificationKind::Event]).overflow(Overflow::KeepLatest);
    /// let positions = players.receiver_with(options);
    /// # Ok(())
    /// # }
    /// ```
}

impl Pusher {
    on_method! {
        /// Runs a handler for every change of the connection's state. A handler that is bound before
        /// [`connect`](Self::connect) gets all changes. One that is bound later gets the later ones: after `connect` has
        /// returned, [`Connected`](crate::ConnectionState::Connected) is not among them.
        on_connection_state_change(&ConnectionStateChange), ConnectionStateChange,
        Notification::ConnectionStateChange(change) => change
    }

    on_method! {
        /// Runs a handler for errors that belong to no subscription: errors that the server reports, client events that it
        /// refuses, messages that could not be understood, sign-ins that failed, handlers that panicked, notifications that
        /// were dropped. The handler also gets the error that makes the client [`Failed`](crate::ConnectionState::Failed).
        /// Other ends of the connection are reported by [`on_connection_state_change`](Self::on_connection_state_change).
        ///
        /// Some servers refuse a message by an error that names no channel. If only one message is unanswered, or later
        /// answers prove which one was refused, the error goes to that subscription, sign-in or client event. If it may
        /// belong to several messages, it waits for such a proof for up to 5 s, and is then reported here as
        /// [`Error::Server`]. A server that limits messages (4301) is reported once: the client sends the refused
        /// subscriptions and sign-in again, more slowly.
        on_error(&Error), Error,
        Notification::Error(error) => error
    }
}

impl User {
    on_method! {
        /// Runs a handler with the user's id whenever a sign-in is confirmed, also after a reconnect.
        on_signed_in(&str), SignedIn,
        Notification::SignedIn { id } => id.as_str()
    }

    on_method! {
        /// Runs a handler when users of the watchlist, which is part of the user's data, go online or offline.
        on_watchlist(&WatchlistEvent), Watchlist,
        Notification::Watchlist(event) => event
    }
}

#[cfg(feature = "capi")]
impl Pusher {
    /// Registers a handler for the notifications of one kind, which is not [`NotificationKind::Event`], of one channel or
    /// of all.
    pub(crate) fn on_kind(
        &self,
        kind: NotificationKind,
        channel: Option<&Channel>,
        handler: impl FnMut(&Notification) + Send + 'static,
    ) -> Binding {
        match channel {
            Some(channel) => channel.register_kind(kind, handler),
            None if kind.belongs_to() == BelongsTo::User => self.user().register_kind(kind, handler),
            None => self.register_kind(kind, handler),
        }
    }
}

/// Calls the method of each kind, so that a kind without one does not compile.
macro_rules! methods_exist {
    ($($(#[$about:meta])* $kind:ident $field:tt => {
        of: $of:ident, method: $method:ident, $($rest:tt)*
    })*) => {
        const _: fn(&Pusher, &Channel, &User) = |_pusher, _channel, _user| {
            $(methods_exist!($of, $method, _pusher, _channel, _user);)*
        };
    };
    (Channel, $method:ident, $pusher:ident, $channel:ident, $user:ident) => {
        $pusher.$method(|_| {});
        $channel.$method(|_| {});
    };
    (User, $method:ident, $pusher:ident, $channel:ident, $user:ident) => {
        $user.$method(|_| {});
    };
    ($of:ident, $method:ident, $pusher:ident, $channel:ident, $user:ident) => {
        $pusher.$method(|_| {});
    };
}

kinds! { methods_exist }
