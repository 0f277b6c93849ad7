//! Receiving by push: callbacks for events and for everything else.

use std::{
    ffi::c_void,
    ptr,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{
    arguments::{OptionalOut, OptionalText, Place, Text, callbacks},
    boundary::Failure,
    client::Client,
    handles::{Freed, Handle, LastUse, OptionalHandle},
    notification::Notification,
    numbers,
    user_data::UserData,
};
use crate::{Channel, Event, Pusher};

callbacks! {
    /// Hears of a notification, which is there until it returns.
    type pusher_callback = fn(*mut c_void, *const Notification);
}

/// A registered callback, as long as somebody may want to end it.
pub(crate) struct Binding {
    /// Taken by the one who unbinds.
    bound: Mutex<Option<crate::Binding>>,
}

impl Freed for Binding {}

impl Binding {
    fn end(&self) {
        if let Some(bound) = self.bound.lock().take() {
            bound.unbind();
        }
    }
}

/// A callback that waits for its notifications.
struct Callback {
    function: pusher_callback,
    user_data: UserData,
    client: Weak<Client>,
}

impl Callback {
    fn new(function: pusher_callback, user_data: UserData, client: &Arc<Client>) -> Self {
        Self { function, user_data, client: Arc::downgrade(client) }
    }

    /// Runs it, unless the client was freed: what still waited then is nobody's.
    fn run(&self, notification: &Notification) {
        if self.client.upgrade().is_some_and(|client| !client.is_ended()) {
            // SAFETY: the header lets it run on any thread, with what was registered beside it.
            self.user_data.call(|user_data| unsafe { (self.function)(user_data, ptr::from_ref(notification)) });
        }
    }

    /// Only counts references: the text stays where it came in.
    fn event(&self, event: &Event) {
        self.run(&Notification::Event(event.clone()));
    }

    fn notice(&self, notice: crate::Notification) {
        self.run(&Notification::new(notice));
    }
}

/// Registers a callback. The place for its handle is taken before, so that it is not bound where there is none.
fn bind(place: Option<Place<'_, Handle<Binding>>>, register: impl FnOnce() -> crate::Binding) -> Result<(), Failure> {
    let Some(place) = place else {
        register();
        return Ok(());
    };
    let binding = Arc::new(Binding { bound: Mutex::default() });
    let handle = Handle::of(Arc::clone(&binding))?;
    *binding.bound.lock() = Some(register());
    place.put(handle);
    Ok(())
}

/// The kinds that a channel has, and the client for all channels.
#[derive(Clone, Copy)]
enum OfChannels {
    Event,
    SubscriptionSucceeded,
    SubscriptionError,
    SubscriptionCount,
    CacheMiss,
    MemberAdded,
    MemberRemoved,
    DecryptionFailure,
}

/// The kinds that belong to no channel.
#[derive(Clone, Copy)]
enum OfClient {
    ConnectionStateChange,
    SignedIn,
    Watchlist,
    Error,
}

/// What a callback can be registered for.
#[derive(Clone, Copy)]
enum Subject {
    OfChannels(OfChannels),
    OfClient(OfClient),
}

impl Subject {
    fn of(kind: i32) -> Result<Self, Failure> {
        Ok(match kind {
            numbers::PUSHER_KIND_EVENT => Self::OfChannels(OfChannels::Event),
            numbers::PUSHER_KIND_SUBSCRIPTION_SUCCEEDED => Self::OfChannels(OfChannels::SubscriptionSucceeded),
            numbers::PUSHER_KIND_SUBSCRIPTION_ERROR => Self::OfChannels(OfChannels::SubscriptionError),
            numbers::PUSHER_KIND_SUBSCRIPTION_COUNT => Self::OfChannels(OfChannels::SubscriptionCount),
            numbers::PUSHER_KIND_CACHE_MISS => Self::OfChannels(OfChannels::CacheMiss),
            numbers::PUSHER_KIND_MEMBER_ADDED => Self::OfChannels(OfChannels::MemberAdded),
            numbers::PUSHER_KIND_MEMBER_REMOVED => Self::OfChannels(OfChannels::MemberRemoved),
            numbers::PUSHER_KIND_DECRYPTION_FAILURE => Self::OfChannels(OfChannels::DecryptionFailure),
            numbers::PUSHER_KIND_CONNECTION_STATE_CHANGE => Self::OfClient(OfClient::ConnectionStateChange),
            numbers::PUSHER_KIND_SIGNED_IN => Self::OfClient(OfClient::SignedIn),
            numbers::PUSHER_KIND_WATCHLIST => Self::OfClient(OfClient::Watchlist),
            numbers::PUSHER_KIND_ERROR => Self::OfClient(OfClient::Error),
            numbers::PUSHER_KIND_LAGGED => {
                return Err(Failure::value("callbacks are told of lost notifications by PUSHER_KIND_ERROR"));
            }
            _ => return Err(Failure::value(format!("there is no kind {kind}"))),
        })
    }
}

/// The methods of the same names that a channel has, and the client for all channels.
macro_rules! on {
    ($source:ident, $kind:ident, $callback:ident) => {
        match $kind {
            OfChannels::Event => $source.on_event(move |event| $callback.event(event)),
            OfChannels::SubscriptionSucceeded => $source.on_subscription_succeeded(move |told| {
                $callback.notice(crate::Notification::SubscriptionSucceeded(told.clone()));
            }),
            OfChannels::SubscriptionError => $source.on_subscription_error(move |told| {
                $callback.notice(crate::Notification::SubscriptionError(told.clone()));
            }),
            OfChannels::SubscriptionCount => $source.on_subscription_count(move |told| {
                $callback.notice(crate::Notification::SubscriptionCount(told.clone()));
            }),
            OfChannels::CacheMiss => $source.on_cache_miss(move |channel| {
                $callback.notice(crate::Notification::CacheMiss { channel: channel.into() });
            }),
            OfChannels::MemberAdded => $source.on_member_added(move |told| {
                $callback.notice(crate::Notification::MemberAdded(told.clone()));
            }),
            OfChannels::MemberRemoved => $source.on_member_removed(move |told| {
                $callback.notice(crate::Notification::MemberRemoved(told.clone()));
            }),
            OfChannels::DecryptionFailure => $source.on_decryption_failure(move |told| {
                $callback.notice(crate::Notification::DecryptionFailure(told.clone()));
            }),
        }
    };
}

fn on_channel(channel: &Channel, kind: OfChannels, callback: Callback) -> crate::Binding {
    on!(channel, kind, callback)
}

fn on_channels(pusher: &Pusher, kind: OfChannels, callback: Callback) -> crate::Binding {
    on!(pusher, kind, callback)
}

fn on_client(pusher: &Pusher, kind: OfClient, callback: Callback) -> crate::Binding {
    match kind {
        OfClient::ConnectionStateChange => pusher.on_connection_state_change(move |change| {
            callback.notice(crate::Notification::ConnectionStateChange(change.clone()));
        }),
        OfClient::SignedIn => pusher.user().on_signed_in(move |id| {
            callback.notice(crate::Notification::SignedIn { id: id.into() });
        }),
        OfClient::Watchlist => pusher.user().on_watchlist(move |watched| {
            callback.notice(crate::Notification::Watchlist(watched.clone()));
        }),
        OfClient::Error => pusher.on_error(move |error| {
            callback.notice(crate::Notification::Error(Arc::new(error.clone())));
        }),
    }
}

exports! {
    fn pusher_bind(
        client: Handle<Client>,
        channel: OptionalText<'_>,
        event: OptionalText<'_>,
        callback: Option<pusher_callback>;
        user_data;
        binding: OptionalOut<'_, Handle<Binding>>
    ) {
        let pusher = client.pusher()?;
        let channel = channel.map(|name| pusher.channel(name)).transpose()?;
        let callback = Callback::new(callback, user_data, &client);
        let run = move |event: &Event| callback.event(event);
        bind(binding, || match (channel, event) {
            (Some(channel), Some(event)) => channel.bind(event, run),
            (Some(channel), None) => channel.bind_all(run),
            (None, Some(event)) => pusher.bind(event, run),
            (None, None) => pusher.bind_all(run),
        })
    }

    fn pusher_bind_user(
        client: Handle<Client>,
        event: OptionalText<'_>,
        callback: Option<pusher_callback>;
        user_data;
        binding: OptionalOut<'_, Handle<Binding>>
    ) {
        let user = client.pusher()?.user();
        let callback = Callback::new(callback, user_data, &client);
        let run = move |event: &Event| callback.event(event);
        bind(binding, || match event {
            Some(event) => user.bind(event, run),
            None => user.bind_all(run),
        })
    }

    fn pusher_on(
        client: Handle<Client>,
        kind: i32,
        channel: OptionalText<'_>,
        callback: Option<pusher_callback>;
        user_data;
        binding: OptionalOut<'_, Handle<Binding>>
    ) {
        let pusher = client.pusher()?;
        let callback = Callback::new(callback, user_data, &client);
        match (Subject::of(kind)?, channel) {
            (Subject::OfChannels(kind), Some(name)) => {
                let channel = pusher.channel(name)?;
                bind(binding, || on_channel(&channel, kind, callback))
            }
            (Subject::OfChannels(kind), None) => bind(binding, || on_channels(&pusher, kind, callback)),
            (Subject::OfClient(kind), None) => bind(binding, || on_client(&pusher, kind, callback)),
            (Subject::OfClient(_), Some(_)) => Err(Failure::value("this kind belongs to no channel")),
        }
    }

    fn pusher_unbind(binding: LastUse<Binding>) {
        binding.take()?.end();
        Ok(())
    }

    fn pusher_unbind_event(client: Handle<Client>, channel: OptionalText<'_>, event: Text<'_>) {
        let pusher = client.pusher()?;
        match channel {
            Some(name) => pusher.channel(name)?.unbind_event(event),
            None => pusher.unbind_event(event),
        }
        Ok(())
    }

    fn pusher_unbind_user_event(client: Handle<Client>, event: Text<'_>) {
        client.pusher()?.user().unbind_event(event);
        Ok(())
    }

    fn pusher_unbind_all(client: Handle<Client>, channel: OptionalText<'_>) {
        let pusher = client.pusher()?;
        match channel {
            Some(name) => pusher.channel(name)?.unbind_all(),
            None => pusher.unbind_all(),
        }
        Ok(())
    }

    fn pusher_unbind_user_all(client: Handle<Client>) {
        client.pusher()?.user().unbind_all();
        Ok(())
    }

    free fn pusher_binding_free(binding: OptionalHandle<Binding>)
}
