//! What happens besides application events, and the enum that holds them all.

use std::{sync::Arc, time::Duration};

use super::{ConnectionStateChange, Event, Name};
use crate::Error;

/// Everything that a [`Receiver`](crate::Receiver) can bring, in the order in which it happened.
///
/// Each variant wraps what the handler of the same name gets. The enum grows with the protocol, so a `match` needs a
/// wildcard arm.
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
    /// Something went wrong that belongs to no single subscription, and did not end the connection.
    Error(Arc<Error>),
    /// So many notifications were dropped here, because the queue was full.
    Lagged(u64),
}

/// The server confirmed a subscription: from here on, events of the channel arrive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionSucceeded {
    /// The channel.
    pub channel: Name,
    /// True when the client renewed the subscription by itself on another connection, false when the user made it.
    pub resubscribed: bool,
    /// With `resubscribed`, how long the channel was not subscribed. What was published in that time is lost: the
    /// protocol delivers at most once and replays nothing.
    pub gap: Option<Duration>,
}

/// A subscription failed. It is not retried on this connection; a reconnect or another `subscribe` tries again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionError {
    /// The channel, if the failure belongs to one.
    pub channel: Option<Name>,
    /// What went wrong.
    pub error: Error,
}
