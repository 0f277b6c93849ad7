//! The fields of notifications, beside events. All types here are public.

use std::{fmt, sync::Arc, time::Duration};

use log::Level;

use super::{Member, Name};
use crate::{ConnectionState, Error};

/// One change of the [`ConnectionState`]. Changes arrive in order, and `previous` never equals `current`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionStateChange {
    /// The state that was left.
    pub previous: ConnectionState,
    /// The state that was entered.
    pub current: ConnectionState,
    /// The reason, if there was an error: it ended the last connection or the last attempt. A change to
    /// [`Unavailable`](ConnectionState::Unavailable) has the last known cause, also in the middle of an attempt. It is
    /// `None` there only if the first attempt has lasted for the whole of
    /// [`Config::unavailable_timeout`](crate::Config::unavailable_timeout).
    pub cause: Option<Arc<Error>>,
    /// The number of the current attempt, or of the next one. It counts from 1, and starts again once a connection has
    /// been stable for 10 s. With [`Failed`](ConnectionState::Failed) and
    /// [`Disconnected`](ConnectionState::Disconnected) it is the number that the next attempt would have.
    pub attempt: u32,
    /// The delay before that attempt; `None` if there is no delay.
    pub retry_in: Option<Duration>,
}

/// `connected -> reconnecting: CAUSE; attempt 2 in 1.5s`
impl fmt::Display for ConnectionStateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(self.cause.as_ref().map(ToString::to_string).as_deref()))
    }
}

impl ConnectionStateChange {
    /// The record for the log: a warning for a change with a cause, which is shown without text from outside (X1).
    pub(crate) fn log_record(&self) -> (Level, String) {
        let current = self.current;
        match (&self.cause, current) {
            (Some(cause), _) => {
                let wait = self.retry_in.map(|delay| format!("; attempt {} in {delay:.1?}", self.attempt));
                (Level::Warn, format!("{current}: {}{}", cause.redacted(), wait.unwrap_or_default()))
            }
            (None, ConnectionState::Connected | ConnectionState::Disconnected) => (Level::Info, current.to_string()),
            (None, _) => (Level::Debug, current.to_string()),
        }
    }

    /// The line that is printed, with this text for the cause.
    pub(crate) fn line(&self, cause: Option<&str>) -> String {
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let wait = self.retry_in.map(|delay| format!("; attempt {} in {delay:.1?}", self.attempt));
        format!("{} -> {}{cause}{}", self.previous, self.current, wait.unwrap_or_default())
    }
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

/// `news: subscribed`, or `news: subscribed again after a gap of 1.5s`
impl fmt::Display for SubscriptionSucceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: subscribed", self.channel)?;
        if self.resubscribed {
            f.write_str(" again")?;
        }
        match self.gap {
            Some(gap) => write!(f, " after a gap of {gap:.1?}"),
            None => Ok(()),
        }
    }
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

/// The text of the error, which names the channel.
impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
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

/// `news: 12 connections`
impl fmt::Display for SubscriptionCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{}: {} connection{plural}", self.channel, self.count)
    }
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

/// `presence-room: ann`
impl fmt::Display for MemberChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.channel, self.member)
    }
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

/// `private-encrypted-room: order-placed could not be decrypted: REASON`
impl fmt::Display for DecryptionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} could not be decrypted: {}", self.channel, self.event, self.reason)
    }
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

/// `online: ann, bob`
impl fmt::Display for WatchlistEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.user_ids.iter().map(Name::as_str).collect();
        write!(f, "{}: {}", self.name, ids.join(", "))
    }
}
