//! The table of the kinds of notifications. Macros generate from it everything that exists once for each kind.

use std::{fmt, sync::Arc};

use log::Level;

use super::{Event, Name, notification::*};
use crate::Error;

/// The table of kinds. It hands its rows to the macro that `$consumer` names. A row has
///
/// * the variant of [`Notification`], with its documentation and its field;
/// * `of`: the handle that handlers are registered on, as [`BelongsTo`] has it;
/// * `method`: the method that registers a handler;
/// * `handlers`: the name of the handlers in the report of a panic;
/// * `text`: how such a notification is printed;
/// * `log`: the record that it leaves in the log, which has neither data of events nor text from outside (X1);
/// * `more_bytes`: the memory of the parts whose size has no limit of its own;
/// * `c`: the number and the name in the C interface, which never change, and the parts that C can ask for.
///
/// The module `capi` reads the column `c`, so its expressions use the names of that module.
///
/// A new kind needs a row here, a type for its field in `event/notification.rs`, a method in `client/bind.rs`, and its
/// documentation in `capi/pusher_channels.h`.
macro_rules! kinds {
    ($consumer:ident) => {
        $consumer! {
            /// An application event of a subscribed channel.
            Event(event: Event) => {
                of: Channel, method: on_event, handlers: "application events",
                text: "{event}",
                log: None,
                more_bytes: 0,
                c: 1, "event" {},
            }
            /// The connection changed its state.
            ConnectionStateChange(change: ConnectionStateChange) => {
                of: Client, method: on_connection_state_change, handlers: "connection state changes",
                text: "{change}",
                log: Some(change.log_record()),
                more_bytes: 0,
                c: 2, "connection_state_change" { error: change.cause.clone() },
            }
            /// The server confirmed a subscription.
            SubscriptionSucceeded(succeeded: SubscriptionSucceeded) => {
                of: Channel, method: on_subscription_succeeded, handlers: "succeeded subscriptions",
                text: "{succeeded}",
                log: Some((Level::Debug, format!("subscribed to {}", succeeded.channel))),
                more_bytes: 0,
                c: 3, "subscription_succeeded" { channel: succeeded.channel.as_str() },
            }
            /// A subscription failed.
            SubscriptionError(failed: SubscriptionError) => {
                of: Channel, method: on_subscription_error, handlers: "failed subscriptions",
                text: "{failed}",
                log: Some((Level::Warn, failed.error.redacted().to_string())),
                more_bytes: 0,
                c: 4, "subscription_error" {
                    channel: failed.channel.as_ref().map(Name::as_str),
                    error: Arc::new(failed.error.clone()),
                },
            }
            /// The server reported how many connections are subscribed to a channel.
            SubscriptionCount(count: SubscriptionCount) => {
                of: Channel, method: on_subscription_count, handlers: "subscription counts",
                text: "{count}",
                log: None,
                more_bytes: 0,
                c: 5, "subscription_count" { channel: count.channel.as_str(), count: count.count },
            }
            /// A cache channel has no cached event.
            CacheMiss {
                /// The channel.
                channel: Name
            } => {
                of: Channel, method: on_cache_miss, handlers: "cache misses",
                text: "{channel}: the cache is empty",
                log: None,
                more_bytes: 0,
                c: 6, "cache_miss" { channel: channel.as_str() },
            }
            /// A user came to a presence channel.
            MemberAdded(change: MemberChange) => {
                of: Channel, method: on_member_added, handlers: "added members",
                text: "{change} joined",
                log: None,
                more_bytes: change.member.bytes(),
                c: 7, "member_added" {
                    channel: change.channel.as_str(),
                    user_id: change.member.id(),
                    user_info: change.member.info(),
                },
            }
            /// A user left a presence channel.
            MemberRemoved(change: MemberChange) => {
                of: Channel, method: on_member_removed, handlers: "removed members",
                text: "{change} left",
                log: None,
                more_bytes: change.member.bytes(),
                c: 8, "member_removed" {
                    channel: change.channel.as_str(),
                    user_id: change.member.id(),
                    user_info: change.member.info(),
                },
            }
            /// An event of an encrypted channel could not be decrypted. It is skipped.
            DecryptionFailure(failure: DecryptionFailure) => {
                of: Channel, method: on_decryption_failure, handlers: "decryption failures",
                text: "{failure}",
                // The reason is left out, because it may be text of the program's decoder.
                log: Some((Level::Warn, format!("{}: an event could not be decrypted", failure.channel))),
                more_bytes: 0,
                c: 9, "decryption_failure" {
                    channel: failure.channel.as_str(),
                    name: failure.event.as_str(),
                    reason: failure.reason.to_string(),
                },
            }
            /// The user is signed in.
            SignedIn {
                /// The user's id.
                id: Name
            } => {
                of: User, method: on_signed_in, handlers: "sign-ins",
                text: "signed in as {id}",
                log: None,
                more_bytes: 0,
                c: 10, "signed_in" { user_id: id.as_str() },
            }
            /// Users of the watchlist went online or offline.
            Watchlist(event: WatchlistEvent) => {
                of: User, method: on_watchlist, handlers: "watchlist events",
                text: "{event}",
                log: None,
                more_bytes: event.user_ids.iter().map(Name::bytes).sum(),
                c: 11, "watchlist" { name: event.name.as_str(), users: event.user_ids.as_slice() },
            }
            /// An error that belongs to no single subscription, and did not end the connection.
            Error(error: Arc<Error>) => {
                of: Client, method: on_error, handlers: "errors",
                text: "{error}",
                log: Some((Level::Warn, error.redacted().to_string())),
                more_bytes: 0,
                c: 12, "error" { error: Arc::clone(error), count: dropped(error) },
            }
            /// This number of notifications was dropped here, because the queue was full.
            Lagged(count: u64) => {
                of: Queue, method: on_error, handlers: "errors",
                text: "{count} notifications were dropped, because the queue was full",
                log: None,
                more_bytes: 0,
                c: 13, "lagged" { count: *count },
            }
        }
    };
}
pub(crate) use kinds;

/// Makes the types of the rows of [`kinds`].
macro_rules! define {
    ($(
        $(#[$about:meta])*
        $kind:ident $(($field:ident: $type:ty))? $({ $(#[$about_named:meta])* $named:ident: $named_type:ty })? => {
            of: $of:ident, method: $method:ident, handlers: $handlers:literal,
            text: $text:literal,
            log: $log:expr,
            more_bytes: $more_bytes:expr,
            c: $number:literal, $name:literal $parts:tt,
        }
    )*) => {
        /// Everything that a [`Receiver`](crate::Receiver) can bring, in the order in which it happened.
        ///
        /// Each variant wraps the value that the handler of the same name gets. The enum grows with the protocol, so a
        /// `match` needs a wildcard arm.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum Notification {
            $($(#[$about])* $kind $(($type))? $({ $(#[$about_named])* $named: $named_type })?,)*
        }

        /// The kind of a [`Notification`], for [`ReceiverOptions::only`](crate::ReceiverOptions::only).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum NotificationKind {
            $(#[doc = concat!("[`Notification::", stringify!($kind), "`].")] $kind,)*
        }

        impl Notification {
            /// The kind of this notification.
            pub fn kind(&self) -> NotificationKind {
                match self {
                    $(Self::$kind { .. } => NotificationKind::$kind,)*
                }
            }

            /// The record for the log, if there is one.
            #[allow(unused_variables, reason = "some kinds need no field for it")]
            pub(crate) fn log_record(&self) -> Option<(Level, String)> {
                match self {
                    $(Self::$kind $(($field))? $({ $named })? => $log,)*
                }
            }

            /// About how many bytes it holds.
            #[allow(unused_variables, reason = "most kinds need no field for it")]
            pub(crate) fn bytes(&self) -> usize {
                /// Enough for an error with its texts. Texts from outside are cut to an excerpt.
                const NOTICE: usize = 1024;
                NOTICE + match self {
                    $(Self::$kind $(($field))? $({ $named })? => $more_bytes,)*
                }
            }
        }

        /// One line, without the data of events.
        impl fmt::Display for Notification {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind $(($field))? $({ $named })? => write!(f, $text),)*
                }
            }
        }

        impl NotificationKind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            pub(crate) fn belongs_to(self) -> BelongsTo {
                match self {
                    $(Self::$kind => BelongsTo::$of,)*
                }
            }

            /// The name of the handlers of this kind in the report of a panic.
            pub(crate) fn handlers(self) -> &'static str {
                match self {
                    $(Self::$kind => $handlers,)*
                }
            }
        }
    };
}

kinds! { define }

/// The handle that handlers of a kind are registered on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BelongsTo {
    /// A channel, or the client for all channels.
    Channel,
    /// The client alone.
    Client,
    /// The signed-in user.
    User,
    /// Receivers alone. Handlers of errors get an error in its place.
    Queue,
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

const _: () = assert!(NotificationKind::ALL.len() <= u16::BITS as usize, "each kind has a bit in the set");

impl Kinds {
    pub const ALL: Self = Self(u16::MAX);

    /// These kinds and [`NotificationKind::Lagged`]: without losses, a count that looks right could be wrong.
    pub fn of(kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        kinds.into_iter().chain([NotificationKind::Lagged]).fold(Self(0), |set, kind| Self(set.0 | Self::bit(kind)))
    }

    pub fn has(self, kind: NotificationKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    fn bit(kind: NotificationKind) -> u16 {
        1 << kind as u16
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use super::*;
    use crate::{ConnectionState, DecryptionError, Member, event::Batch};

    #[test]
    fn a_set_has_its_kinds_and_losses() {
        let set = Kinds::of([NotificationKind::Event, NotificationKind::Error]);
        assert!(
            set.has(NotificationKind::Event) && set.has(NotificationKind::Error) && set.has(NotificationKind::Lagged)
        );
        assert!(!set.has(NotificationKind::ConnectionStateChange) && Kinds::ALL.has(NotificationKind::CacheMiss));
    }

    #[test]
    fn h10_every_notification_can_be_printed() {
        let channel = || Name::from("room");
        let change = ConnectionStateChange {
            previous: ConnectionState::Connected,
            current: ConnectionState::Reconnecting,
            cause: Some(Arc::new(Error::Disconnected)),
            attempt: 2,
            retry_in: Some(Duration::from_millis(1500)),
        };
        let (cause, succeeded) = (Error::Disconnected.to_string(), |resubscribed, gap| SubscriptionSucceeded {
            channel: channel(),
            resubscribed,
            gap,
        });
        let member = || MemberChange { channel: channel(), member: Member::new("ann", r#"{"secret":1}"#) };
        let failure = DecryptionFailure { channel: channel(), event: "e".into(), reason: DecryptionError::WrongKey };
        let failed =
            SubscriptionError { channel: Some(channel()), error: Error::NotSubscribed { channel: "room".into() } };
        let watchlist = WatchlistEvent { name: "online".into(), user_ids: vec!["ann".into(), "bob".into()] };
        let mut batch = Batch::default();
        batch.push_event(None, "placed", None, 6, |text| text.push_str("secret"));
        let rows = [
            (Notification::Event(Event::new(Arc::new(batch), 0)), "placed (6 bytes)".to_owned()),
            (
                Notification::ConnectionStateChange(change),
                format!("connected -> reconnecting: {cause}; attempt 2 in 1.5s"),
            ),
            (Notification::SubscriptionSucceeded(succeeded(false, None)), "room: subscribed".to_owned()),
            (
                Notification::SubscriptionSucceeded(succeeded(true, Some(Duration::from_secs(2)))),
                "room: subscribed again after a gap of 2.0s".to_owned(),
            ),
            (Notification::SubscriptionError(failed.clone()), failed.error.to_string()),
            (
                Notification::SubscriptionCount(SubscriptionCount { channel: channel(), count: 1 }),
                "room: 1 connection".to_owned(),
            ),
            (Notification::CacheMiss { channel: channel() }, "room: the cache is empty".to_owned()),
            (Notification::MemberAdded(member()), "room: ann joined".to_owned()),
            (Notification::MemberRemoved(member()), "room: ann left".to_owned()),
            (
                Notification::DecryptionFailure(failure),
                "room: e could not be decrypted: the key does not fit".to_owned(),
            ),
            (Notification::SignedIn { id: "ann".into() }, "signed in as ann".to_owned()),
            (Notification::Watchlist(watchlist), "online: ann, bob".to_owned()),
            (Notification::Error(Arc::new(Error::Disconnected)), cause.clone()),
            (Notification::Lagged(7), "7 notifications were dropped, because the queue was full".to_owned()),
        ];
        for (notification, text) in &rows {
            assert_eq!(notification.to_string(), *text);
            assert!(!text.contains("secret"), "X1: neither data nor info");
        }
        let kinds: HashSet<_> = rows.iter().map(|(notification, _)| notification.kind()).collect();
        assert_eq!(kinds.len(), NotificationKind::ALL.len());
    }
}
