//! The options of a receiver: its notifications, its queue, and the closure that it wakes.

use std::{collections::HashSet, fmt, sync::Arc};

use crate::{
    Event, NotificationKind, Overflow,
    config::Limits,
    event::{Intent, Kinds},
    io::queues::queue::{KeyOf, QueueOptions, Selection, WakeUp},
};

/// The options of a receiver, for [`Pusher::receiver_with`](crate::Pusher::receiver_with) and
/// [`Channel::receiver_with`](crate::Channel::receiver_with). Options that are not set are those of the client's
/// [`Config`](crate::Config).
///
/// ```
/// use pusher_channels::{NotificationKind, Overflow, ReceiverOptions};
///
/// let positions = ReceiverOptions::new().only([NotificationKind::Event]).overflow(Overflow::KeepLatest).capacity(1_000);
/// ```
#[derive(Clone)]
pub struct ReceiverOptions {
    kinds: Kinds,
    events: Option<Arc<HashSet<Box<str>>>>,
    capacity: Option<usize>,
    overflow: Option<Overflow>,
    wake_up: Option<WakeUp>,
    key_of: Option<KeyOf>,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        Self { kinds: Kinds::ALL, events: None, capacity: None, overflow: None, wake_up: None, key_of: None }
    }
}

impl ReceiverOptions {
    /// All kinds of notifications, with the options of the client's [`Config`](crate::Config).
    pub fn new() -> Self {
        Self::default()
    }

    /// Receives these kinds only; the last call counts. Other kinds are not queued.
    /// [`Lagged`](NotificationKind::Lagged) is always received. Defaults to all kinds.
    pub fn only(mut self, kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        self.kinds = Kinds::of(kinds);
        self
    }

    /// Receives application events with these names only; the last call counts. Other kinds of notifications are not
    /// affected: [`only`](Self::only) chooses them. Defaults to all names.
    pub fn events<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.events = Some(Arc::new(names.into_iter().map(Into::into).collect()));
        self
    }

    /// The maximum number of notifications that wait, at least 1. Defaults to
    /// [`Config::queue_capacity`](crate::Config::queue_capacity). Independently
    /// of that, a queue is full with 16 MiB; a single larger notification passes.
    pub fn capacity(mut self, notifications: usize) -> Self {
        self.capacity = Some(notifications.max(1));
        self
    }

    /// The policy for a full queue. Defaults to [`Config::overflow`](crate::Config::overflow), and if that is not set, to
    /// [`Overflow::DropOldest`]. With [`Overflow::Block`], a receiver that is not read stops the whole client, including its handlers and other
    /// receivers. With [`Overflow::KeepLatest`], events with the same channel, name and sender replace each other. If two
    /// players of a public channel share the name `moved`, only the newest event of both waits: give each player a name,
    /// or a [key](Self::keep_latest_by).
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self.key_of = None;
        self
    }

    /// [`Overflow::KeepLatest`] by a key of the program's own. An event supersedes a waiting event with the same key,
    /// even if their channels, names and senders differ: put everything that distinguishes two events into the key. For
    /// `None`, the rule of `KeepLatest` holds. Of this and [`overflow`](Self::overflow), the last call counts.
    ///
    /// This is for games on servers that do not name the sender of a client event, such as Sockudo, and for private
    /// channels: there `KeepLatest` alone keeps all positions of all players.
    ///
    /// ```
    /// use pusher_channels::ReceiverOptions;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Moved {
    ///     player: String,
    /// }
    ///
    /// let positions = ReceiverOptions::new().keep_latest_by(|event| match event.name() {
    ///     "client-moved" => event.json::<Moved>().ok().map(|moved| moved.player),
    ///     _ => None,
    /// });
    /// ```
    ///
    /// The closure runs once for each event, before the event can be received. It runs on the same threads as a
    /// [wake-up](Self::wake), and must not block either. If events arrive faster than the closure handles them, up to
    /// [`capacity`](Self::capacity) events wait for it; then the client stops reading.
    /// [`try_recv`](crate::Receiver::try_recv) may find an event a moment later than other receivers do. The closure
    /// may call the client; calls that wait return [`Error::WouldDeadlock`](crate::Error::WouldDeadlock). A closure
    /// that panics is reported, and not run again: from then on the rule of `KeepLatest` holds for all events. The data
    /// of an encrypted event is empty in the closure if an
    /// [`encrypted_data_decoder`](crate::Config::encrypted_data_decoder) is set, because that runs later.
    pub fn keep_latest_by(mut self, key: impl Fn(&Event) -> Option<String> + Send + Sync + 'static) -> Self {
        self.overflow = Some(Overflow::KeepLatest);
        self.key_of = Some(Arc::new(key));
        self
    }

    /// Runs a closure after a notification was queued, and when the client has ended: to wake an event loop, for
    /// example with a message. It runs once, and again only after the receiver was asked for notifications (`try_recv`,
    /// `recv`, `try_iter`, ...), and when the client has ended. So after a wake-up, take all waiting notifications, and
    /// check whether the receiver [is closed](crate::Receiver::is_closed).
    ///
    /// The closure usually runs on the thread that reads from the socket, or on the one that keeps time. It must not
    /// block: meanwhile nothing is received, and no ping is answered. It may also run on your own thread: when you drop
    /// the last handle, call `dispatch`, or drop an iterator early. So it must not take a lock that you hold while you
    /// call the client. It may call the client; calls that wait return
    /// [`Error::WouldDeadlock`](crate::Error::WouldDeadlock). A closure that panics is reported, and not run again. It
    /// should hold no handle of its client, because the handle keeps the client alive. After the receiver was dropped, a
    /// call that was just starting may still run; no other call follows.
    pub fn wake(mut self, wake_up: impl Fn() + Send + Sync + 'static) -> Self {
        self.wake_up = Some(Arc::new(wake_up));
        self
    }

    pub(super) fn queue_options(self, limits: &Limits, channel: Option<Arc<Intent>>) -> QueueOptions {
        QueueOptions {
            capacity: self.capacity.unwrap_or(limits.queue_capacity),
            overflow: self.overflow.or(limits.overflow).unwrap_or(Overflow::DropOldest),
            selection: Selection::new(channel, self.kinds).of_events(self.events),
            wake_up: self.wake_up,
            key_of: self.key_of,
        }
    }
}

impl fmt::Debug for ReceiverOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverOptions")
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}
