//! Receiving by pull.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    NotificationKind,
    capi::{
        client::Client,
        config::{
            options::{self, Takes},
            unknown::Names,
        },
        events::{notification::Notification, numbers, queue::Queue},
        ffi::{
            arguments::{Out, Owned, Text},
            callback::callbacks,
            handles::{Freed, Handle, OptionalHandle},
            results::Failure,
        },
    },
};

/// A queue beside the client's own.
pub(crate) struct Receiver {
    queue: Queue,
}

impl Freed for Receiver {
    /// Ends the waiting of other threads.
    fn freed(&self) {
        self.queue.close();
    }
}

impl Freed for ReceiverOptions {}

/// The options of a queue, until one is made.
#[derive(Default)]
pub(crate) struct ReceiverOptions {
    choice: Mutex<Choice>,
}

#[derive(Default, Clone)]
struct Choice {
    channel: Option<String>,
    kinds: Vec<NotificationKind>,
    /// The names of the application events.
    events: Vec<String>,
    options: crate::ReceiverOptions,
}

impl Choice {
    fn set(&mut self, option: &str, value: &str) -> Result<(), Failure> {
        let options = self.options.clone();
        let takes = takes(option)?;
        let other = || takes.other_value(option);
        match option {
            "only" => self.kinds.push(numbers::kind_named(value).ok_or_else(other)?),
            "events" => self.events.push(value.to_owned()),
            "capacity" => self.options = options.capacity(capacity(value).ok_or_else(other)?),
            "overflow" => self.options = options.overflow(options::overflow(value).ok_or_else(other)?),
            _ => self.channel = Some(value.to_owned()),
        }
        Ok(())
    }
}

const OPTIONS: [(&str, Takes); 5] = [
    ("channel", Takes::Text),
    ("only", Takes::Kind),
    ("events", Takes::Text),
    ("capacity", options::CAPACITY),
    ("overflow", options::OVERFLOW),
];

/// The values that an option takes.
fn takes(option: &str) -> Result<Takes, Failure> {
    let known = OPTIONS.iter().find(|(name, _)| *name == option);
    known.map(|(_, takes)| *takes).ok_or_else(|| {
        let here = OPTIONS.map(|(name, _)| name).to_vec();
        let names = Names { noun: "option", here, elsewhere: (Vec::new(), "pusher_receiver_options_set") };
        names.unknown(option, false)
    })
}

fn capacity(value: &str) -> Option<usize> {
    value.parse().ok().filter(|capacity| *capacity > 0 && !value.starts_with('+'))
}

callbacks! {
    /// Wakes an event loop.
    type pusher_wake_callback = fn(*mut std::ffi::c_void);
}

exports! {
    fn pusher_next(client: Handle<Client>, timeout_ms: i32, notification: Out<'_, Owned<Notification>>) {
        notification.put(Owned::new(client.queue()?.next(timeout_ms)?));
        Ok(())
    }

    fn pusher_length(client: Handle<Client>, length: Out<'_, usize>) {
        length.put(client.queue()?.receiver().len());
        Ok(())
    }

    fn pusher_descriptor(client: Handle<Client>, descriptor: Out<'_, i32>) {
        descriptor.put(client.queue()?.descriptor()?);
        Ok(())
    }

    fn pusher_receiver_options_new(options: Out<'_, Handle<ReceiverOptions>>) {
        options.put(Handle::new(ReceiverOptions::default())?);
        Ok(())
    }

    fn pusher_receiver_options_set(options: Handle<ReceiverOptions>, option: Text<'_>, value: Text<'_>) {
        options.choice.lock().set(option, value)
    }

    fn pusher_receiver_options_set_int(options: Handle<ReceiverOptions>, option: Text<'_>, value: i64) {
        match takes(option)? {
            Takes::Integer(_) => options.choice.lock().set(option, &value.to_string()),
            takes => Err(takes.other_kind(option)),
        }
    }

    fn pusher_receiver_options_wake(
        options: Handle<ReceiverOptions>,
        callback: Option<pusher_wake_callback>;
        user_data;
    ) {
        let wake = move || {
            // SAFETY: the header lets the callback run on any thread with its `user_data`.
            user_data.call(|user_data| unsafe { callback(user_data) });
        };
        let mut choice = options.choice.lock();
        let woken = choice.options.clone().wake(wake);
        let before = std::mem::replace(&mut choice.options, woken);
        drop(choice);
        // The destructor is the program's own code, so it runs without the lock.
        drop(before);
        Ok(())
    }

    free fn pusher_receiver_options_free(options: OptionalHandle<ReceiverOptions>)

    fn pusher_receiver_new(
        client: Handle<Client>,
        options: OptionalHandle<ReceiverOptions>,
        receiver: Out<'_, Handle<Receiver>>,
    ) {
        let pusher = client.pusher()?;
        let choice = options.map(|options: Arc<ReceiverOptions>| options.choice.lock().clone()).unwrap_or_default();
        let Choice { channel, kinds, events, mut options } = choice;
        if !kinds.is_empty() {
            options = options.only(kinds);
        }
        if !events.is_empty() {
            options = options.events(events);
        }
        let made = match channel {
            Some(channel) => pusher.channel(&channel)?.receiver_with(options),
            None => pusher.receiver_with(options),
        };
        receiver.put(Handle::new(Receiver { queue: Queue::new(made) })?);
        Ok(())
    }

    free fn pusher_receiver_free(receiver: OptionalHandle<Receiver>)

    fn pusher_receiver_next(
        receiver: Handle<Receiver>,
        timeout_ms: i32,
        notification: Out<'_, Owned<Notification>>,
    ) {
        notification.put(Owned::new(receiver.queue.next(timeout_ms)?));
        Ok(())
    }

    fn pusher_receiver_descriptor(receiver: Handle<Receiver>, descriptor: Out<'_, i32>) {
        descriptor.put(receiver.queue.descriptor()?);
        Ok(())
    }

    fn pusher_receiver_length(receiver: Handle<Receiver>, length: Out<'_, usize>) {
        length.put(receiver.queue.receiver().len());
        Ok(())
    }

    fn pusher_receiver_dropped(receiver: Handle<Receiver>, dropped: Out<'_, u64>) {
        dropped.put(receiver.queue.receiver().dropped());
        Ok(())
    }

    fn pusher_receiver_superseded(receiver: Handle<Receiver>, superseded: Out<'_, u64>) {
        superseded.put(receiver.queue.receiver().superseded());
        Ok(())
    }
}
