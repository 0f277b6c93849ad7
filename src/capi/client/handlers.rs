//! Receiving by push: callbacks for events and for all other notifications, and the functions that run them by hand.

use std::{
    ffi::c_void,
    ptr,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    Channel, Event, NotificationKind, Pusher,
    capi::{
        client::Client,
        events::{notification::Notification, numbers},
        ffi::{
            arguments::{OptionalOut, OptionalText, OutPointer, Text},
            callback::{UserData, callbacks},
            handles::{Freed, Handle, LastUse, OptionalHandle},
            results::Failure,
        },
        internals::{self, texts::BelongsTo},
    },
};

callbacks! {
    /// Gets a notification, which is valid until it returns.
    type pusher_callback = fn(*mut c_void, *const Notification);
}

/// A registered callback, for a program that may end it.
pub(crate) struct Binding {
    /// `None` once it was unbound.
    bound: Mutex<Option<crate::Binding>>,
}

impl Freed for Binding {}

impl Binding {
    fn end(&self) {
        // Unbinding drops the callback, whose destructor is the program's own code, so it happens without the lock.
        let bound = self.bound.lock().take();
        if let Some(bound) = bound {
            bound.unbind();
        }
    }
}

/// A callback of a client.
struct Callback {
    function: pusher_callback,
    user_data: UserData,
    client: Weak<Client>,
}

impl Callback {
    fn new(function: pusher_callback, user_data: UserData, client: &Arc<Client>) -> Self {
        Self { function, user_data, client: Arc::downgrade(client) }
    }

    /// Runs it, unless the client was freed: notifications that still wait then are dropped.
    fn run(&self, notification: &Notification) {
        if self.client.upgrade().is_some_and(|client| !client.is_ended()) {
            // SAFETY: the header lets the callback run on any thread with its `user_data`.
            self.user_data.call(|user_data| unsafe { (self.function)(user_data, ptr::from_ref(notification)) });
        }
    }

    /// Copies no text, but counts references to it.
    fn event(&self, event: &Event) {
        self.run(&Notification::Event(event.clone()));
    }

    fn notice(&self, notice: &crate::Notification) {
        self.run(&Notification::new(notice.clone()));
    }
}

/// Registers a callback. Its handle is made first: without one, the callback must not be bound.
fn bind(
    out: Option<OutPointer<'_, Handle<Binding>>>,
    register: impl FnOnce() -> crate::Binding,
) -> Result<(), Failure> {
    let Some(out) = out else {
        register();
        return Ok(());
    };
    let binding = Arc::new(Binding { bound: Mutex::default() });
    let handle = Handle::of(Arc::clone(&binding))?;
    *binding.bound.lock() = Some(register());
    out.put(handle);
    Ok(())
}

/// Registers a callback for a kind, of one channel or of all.
fn on(pusher: &Pusher, kind: NotificationKind, channel: Option<&Channel>, callback: Callback) -> crate::Binding {
    match (kind, channel) {
        (NotificationKind::Event, Some(channel)) => channel.on_event(move |event| callback.event(event)),
        (NotificationKind::Event, None) => pusher.on_event(move |event| callback.event(event)),
        _ => internals::client::on_kind(pusher, kind, channel, move |notification| callback.notice(notification)),
    }
}

/// The client, if it has the option `manual_dispatch`. Otherwise an error, because a dispatch would do nothing.
fn by_hand(client: &Client) -> Result<Pusher, Failure> {
    let unset = || Failure::value("the option manual_dispatch is not set");
    client.is_dispatched_by_hand.then(|| client.pusher()).ok_or_else(unset)?
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
        let kind = numbers::kind(kind)?;
        match numbers::belongs_to(kind) {
            BelongsTo::Channel => {}
            BelongsTo::Client | BelongsTo::User if channel.is_none() => {}
            BelongsTo::Client | BelongsTo::User => return Err(Failure::value("this kind belongs to no channel")),
            BelongsTo::Queue => {
                return Err(Failure::value("lost notifications are reported to callbacks of PUSHER_KIND_ERROR"));
            }
        }
        let channel = channel.map(|name| pusher.channel(name)).transpose()?;
        bind(binding, || on(&pusher, kind, channel.as_ref(), callback))
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

    fn pusher_dispatch(client: Handle<Client>, count: OptionalOut<'_, usize>) {
        let handled = by_hand(&client)?.dispatch();
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }

    fn pusher_dispatch_count(client: Handle<Client>, max: usize, count: OptionalOut<'_, usize>) {
        let handled = by_hand(&client)?.dispatch_for(max);
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }

    fn pusher_dispatch_time(client: Handle<Client>, time_ms: i32, count: OptionalOut<'_, usize>) {
        // The function does not wait, so a negative time does not mean for ever. Most likely it is an overdrawn budget.
        let time = u64::try_from(time_ms).map_err(|_| Failure::value("a time to dispatch for is not negative"))?;
        let handled = by_hand(&client)?.dispatch_for(Duration::from_millis(time));
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }
}
