//! Notifications: the enum of all kinds, and the payload of each kind.

use std::{fmt, sync::Arc, time::Duration};

use super::{ConnectionStateChange, Event, Member, Name};
use crate::Error;

/// Everything that a [`Receiver`](crate::Receiver) can receive, in the order in which it happened.
///
/// Each variant wraps the argument of the handler of the same name. The enum grows with the protocol, so a `match`
/// needs a wildcard arm.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notification {
    /// An application event of a subscribed channel.
    Event(Event),
    /// The connection changed its state.
    ConnectionStateChange(ConnectionStateChange),
    /// The server confirmed a subscription.
    SubscriptionSucceeded(SubscriptionSucceeded),
    /// A subscription failed.
    SubscriptionError(SubscriptionError),
    /// The server reported how many connections are subscribed to a channel.
    SubscriptionCount(SubscriptionCount),
    /// A cache channel has no cached event.
    CacheMiss {
        /// The channel.
        channel: Name,
    },
    /// A user joined a presence channel.
    MemberAdded(MemberChange),
    /// A user left a presence channel.
    MemberRemoved(MemberChange),
    /// An event of an encrypted channel could not be decrypted. It is skipped.
    DecryptionFailure(DecryptionFailure),
    /// The user is signed in.
    SignedIn {
        /// The user's id.
        id: Name,
    },
    /// Users of the watchlist went online or offline.
    Watchlist(WatchlistEvent),
    /// An error that belongs to no single subscription, and did not end the connection.
    Error(Arc<Error>),
    /// This number of notifications was dropped here, because the queue was full.
    Lagged(u64),
}

/// The server confirmed a subscription: from here on, events of the channel arrive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionSucceeded {
    /// The channel.
    pub channel: Name,
    /// Whether the channel was subscribed on an earlier connection, and not unsubscribed since.
    pub resubscribed: bool,
    /// With `resubscribed`, the time without a subscription. Events that were published in that time are lost: the
    /// protocol delivers at most once and replays nothing.
    pub gap: Option<Duration>,
}

/// A subscription failed. It is not retried on this connection; a reconnect or another `subscribe` tries again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionError {
    /// The channel, if the failure belongs to one.
    pub channel: Option<Name>,
    /// The error.
    pub error: Error,
}

/// The number of connections that are subscribed to a channel, if the app has counts enabled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionCount {
    /// The channel.
    pub channel: Name,
    /// The number of connections, including this one.
    pub count: u64,
}

/// A user joined or left a presence channel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemberChange {
    /// The channel.
    pub channel: Name,
    /// The user, as last known.
    pub member: Member,
}

/// An event of an encrypted channel could not be decrypted. Neither its data nor its ciphertext is delivered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecryptionFailure {
    /// The channel.
    pub channel: Name,
    /// The event's name.
    pub event: Name,
    /// The reason.
    pub reason: DecryptionError,
}

/// The reason why an event could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptionError {
    /// The data is not an encrypted message at all.
    Malformed(&'static str),
    /// The key of the channel is wrong. The client then fetches a new key and tries the event again, unless the last
    /// fetch for this channel was less than 10 s ago. The key that came with the subscription counts as no fetch.
    WrongKey,
    /// The decoder could not decode the decrypted bytes. The default decoder of
    /// [`Config::encrypted_data_decoder`](crate::Config::encrypted_data_decoder) reads UTF-8.
    Undecodable(String),
}

impl fmt::Display for DecryptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::WrongKey => f.write_str("the key does not fit"),
            Self::Undecodable(reason) => write!(f, "the plain text cannot be decoded: {reason}"),
        }
    }
}

impl std::error::Error for DecryptionError {}

/// Users whom the signed-in user watches went online or offline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WatchlistEvent {
    /// `online` or `offline`.
    pub name: Name,
    /// The users.
    pub user_ids: Vec<Name>,
}
