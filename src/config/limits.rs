//! Limits of queues, of messages, and of traffic.

use std::time::Duration;

use super::Config;

/// The limits that the threads and the handles apply. Those of members and of traffic are applied by the session, and are
/// fields of its `Settings`.
#[derive(Clone)]
pub(crate) struct Limits {
    pub queue_capacity: usize,
    /// Set for handlers and receivers alike; `None` for the default of each.
    pub overflow: Option<Overflow>,
    pub max_message_size: usize,
    /// Bytes; `None` for no limit.
    pub client_event_size: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue_capacity: 16_384, overflow: None, max_message_size: 1 << 20, client_event_size: Some(10_240) }
    }
}

/// The behaviour of a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The client stops reading from the socket until there is room, and in the end the server waits as well. No
    /// notification is lost.
    Block,
    /// The oldest notifications are dropped, and [`Notification::Lagged`](crate::Notification::Lagged) reports the loss.
    DropOldest,
    /// The newest notifications are dropped, and [`Notification::Lagged`](crate::Notification::Lagged) reports the loss.
    DropNewest,
    /// An event supersedes the waiting event with the same channel, name and sender
    /// ([`Event::user_id`](crate::Event::user_id)), for example with a newer position of a player. It waits in its own
    /// place in the queue. [`Receiver::superseded`](crate::Receiver::superseded) counts superseded events; they are not a
    /// loss.
    ///
    /// Other notifications all wait, and so do client events without a sender: those on private channels, and all of
    /// Sockudo. [`ReceiverOptions::keep_latest_by`](crate::ReceiverOptions::keep_latest_by) takes keys of the program's
    /// own for these. If the queue is full all the same, the oldest notifications are dropped, as with `DropOldest`.
    KeepLatest,
}

/// The limit for one call of [`Pusher::dispatch_for`](crate::Pusher::dispatch_for): a number of notifications, or a time.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::DispatchBudget;
///
/// assert_eq!(DispatchBudget::from(100), DispatchBudget::Notifications(100));
/// assert_eq!(DispatchBudget::from(Duration::from_millis(2)), DispatchBudget::Time(Duration::from_millis(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispatchBudget {
    /// Up to this number of notifications, whatever number of handlers each of them has.
    Notifications(usize),
    /// No notification is started after this time. The handlers of a notification that has started run to their end.
    Time(Duration),
}

impl From<usize> for DispatchBudget {
    fn from(notifications: usize) -> Self {
        Self::Notifications(notifications)
    }
}

impl From<Duration> for DispatchBudget {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

/// Limits of queues, of messages, and of traffic.
impl Config {
    /// How many notifications each queue holds, at least 1. Defaults to 16,384. A queue with 16 MiB of data is full as
    /// well; a single larger notification passes.
    pub fn queue_capacity(mut self, notifications: usize) -> Self {
        self.client.limits.queue_capacity = notifications;
        self.check("queue_capacity", notifications > 0, "must be at least 1")
    }

    /// The behaviour of full queues, for handlers and receivers alike. Defaults to [`Overflow::Block`] for handlers and
    /// [`Overflow::DropOldest`] for receivers.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.client.limits.overflow = Some(overflow);
        self
    }

    /// The size of the largest message that the client accepts, from 1 byte to 1 GiB. Defaults to 1 MiB.
    ///
    /// The client closes the connection with code 1009 at a larger message, and connects again. It does the same for a
    /// frame of any kind that announces more. A connection keeps a buffer of the size of its largest message. The headers
    /// of a message's fragments may take 2 MiB in addition.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.client.limits.max_message_size = bytes;
        self.check("max_message_size", (1..=1 << 30).contains(&bytes), "must be between 1 byte and 1 GiB")
    }

    /// How many client events the client sends in any second, at least 1; `None` for no limit. Defaults to 10, which is
    /// the hosted service's limit for a connection.
    ///
    /// Client events over the limit wait for their turn, in the order of the calls, for up to
    /// [`client_event_patience`](Self::client_event_patience). The client counts them at the time at which it writes
    /// them to the socket. The network delivers some messages faster than others, so the client uses a window of up to
    /// 1.01 s. A loop that triggers at exactly the limit therefore falls behind, by up to half a second after some
    /// minutes. Then the client shortens the window to 1 s, and a strict server may refuse an event now and then. A
    /// loop that stays a little below the limit avoids both.
    ///
    /// A server that limits messages of every kind, as Laravel Reverb can, counts client events as well: lower this
    /// option if [`on_error`](crate::Pusher::on_error) reports 4301 for them.
    pub fn client_event_limit(mut self, per_second: Option<u32>) -> Self {
        self.session.client_event_limit = per_second;
        self.check("client_event_limit", per_second != Some(0), "must be at least 1, or None for no limit")
    }

    /// How long a client event over the [limit](Self::client_event_limit) may wait for its turn. Defaults to 2 s.
    /// [`trigger`](crate::Pusher::trigger) never blocks: for an event that would wait longer, it returns
    /// [`Error::ClientEventRate`](crate::Error::ClientEventRate) at once.
    ///
    /// After a burst, the next events are sent together, about 1 s later. So a burst over the limit needs a value of at
    /// least 1.01 s. With 2 s, a burst of up to twice the limit is sent. With zero, no client event waits. Up to 1,024
    /// client events wait, whatever the value is.
    pub fn client_event_patience(mut self, patience: Duration) -> Self {
        self.session.client_event_patience = patience;
        self
    }

    /// How many bytes the data of a client event may have as JSON, at least 1; `None` for no limit. The quotes around a
    /// string do not count. Defaults to 10,240, the documented limit of the hosted service. Larger data is an
    /// [`Error::ClientEventTooLarge`](crate::Error::ClientEventTooLarge).
    ///
    /// Raise it for a server that accepts more: soketi accepts 100 KB of data by default. Lower it for Laravel Reverb,
    /// which accepts 10,000 bytes (its option `max_message_size`) for the whole message: the data, the names of channel
    /// and event, and about 40 bytes more. Reverb closes the connection with code 1009 after a larger message. The client
    /// then reports [`Error::ClientEventTooLarge`](crate::Error::ClientEventTooLarge) to
    /// [`on_error`](crate::Pusher::on_error), and connects again.
    pub fn client_event_size(mut self, bytes: Option<usize>) -> Self {
        self.client.limits.client_event_size = bytes;
        self.check("client_event_size", bytes != Some(0), "must be at least 1, or None for no limit")
    }

    /// How many members of each presence channel the client keeps, at least 1. Defaults to 100,000. If a channel has
    /// more, the client reports [`Error::TooManyMembers`](crate::Error::TooManyMembers).
    ///
    /// A channel with more or larger members needs up to three options: this one for their number,
    /// [`max_presence_bytes`](Self::max_presence_bytes) for their memory, and
    /// [`max_message_size`](Self::max_message_size) for the confirmation, which contains the whole list. With 100,000
    /// members that have ids of 10 and infos of 50 bytes, the confirmation has about 9 MB.
    pub fn max_presence_members(mut self, members: usize) -> Self {
        self.session.subscriptions.max_presence_members = members;
        self.check("max_presence_members", members > 0, "must be at least 1")
    }

    /// How much memory the members of all presence channels of the client may take, in bytes. Defaults to 20 MiB. The
    /// client reports members beyond this limit like those beyond
    /// [`max_presence_members`](Self::max_presence_members). A member counts with its id, its info and about 130 bytes
    /// for its places in lists. The default has room for 100,000 members with ids of 10 and infos of 50 bytes.
    pub fn max_presence_bytes(mut self, bytes: usize) -> Self {
        self.session.subscriptions.max_presence_bytes = bytes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{local, option_of},
        *,
    };
    use crate::delivery::memory_budget::{DISPATCHER_BYTES, SESSION_BYTES};

    #[test]
    fn limits_of_zero_are_refused() {
        assert_eq!(option_of(local().client_event_limit(Some(0))), "client_event_limit");
        assert_eq!(option_of(local().client_event_size(Some(0))), "client_event_size");
        assert_eq!(option_of(local().max_presence_members(0)), "max_presence_members");
        assert_eq!(option_of(local().max_message_size(0)), "max_message_size");
        assert_eq!(option_of(local().queue_capacity(0)), "queue_capacity");
    }

    #[test]
    fn a_message_has_at_most_a_gibibyte() {
        assert_eq!(option_of(local().max_message_size(usize::MAX)), "max_message_size");
        assert_eq!(option_of(local().max_message_size((1 << 30) + 1)), "max_message_size");
        assert!(local().max_message_size(1 << 30).plan().is_ok());
    }

    #[test]
    fn limits_have_their_documented_defaults() {
        let (defaults, unlimited) = (local(), local().client_event_limit(None).client_event_size(None));
        let (limits, session) = (&defaults.client.limits, &defaults.session);
        assert_eq!((session.client_event_limit, limits.client_event_size), (Some(10), Some(10_240)));
        assert_eq!((unlimited.session.client_event_limit, unlimited.client.limits.client_event_size), (None, None));
        assert_eq!(session.client_event_patience, Duration::from_secs(2));
        let subscriptions = &session.subscriptions;
        assert_eq!((subscriptions.max_presence_members, subscriptions.max_presence_bytes), (100_000, 20 << 20));
        assert_eq!((limits.queue_capacity, limits.max_message_size, limits.overflow), (16_384, 1 << 20, None));
    }

    const MIB: usize = 1 << 20;

    #[test]
    fn d3_the_budgets_leave_8_of_32_mib_to_the_message_that_is_read() {
        let config = local();
        let (limits, max_presence_bytes) = (&config.client.limits, config.session.subscriptions.max_presence_bytes);
        assert_eq!(max_presence_bytes, 20 * MIB);
        assert_eq!((SESSION_BYTES, DISPATCHER_BYTES), (3 * MIB, MIB));
        let rest = 32 * MIB - max_presence_bytes - SESSION_BYTES - DISPATCHER_BYTES;
        assert_eq!(rest, 8 * MIB);
        assert!(limits.max_message_size <= rest / 8, "a message takes memory in several forms");
    }
}
