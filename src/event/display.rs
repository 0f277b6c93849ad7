//! The text of notifications: one line each, without the data of events.

use std::fmt::{self, Display, Formatter};

use super::{
    ConnectionStateChange, DecryptionFailure, Event, Member, MemberChange, Name, Notification, SubscriptionCount,
    SubscriptionError, SubscriptionSucceeded, WatchlistEvent,
};

/// `connected -> reconnecting: CAUSE; attempt 2 in 1.5s`
impl Display for ConnectionStateChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.previous, self.current)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        match self.retry_in {
            Some(delay) => write!(f, "; attempt {} in {delay:.1?}", self.attempt),
            None => Ok(()),
        }
    }
}

/// `news: subscribed`, or `news: subscribed again after a gap of 1.5s`
impl Display for SubscriptionSucceeded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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

/// The text of the error, which names the channel.
impl Display for SubscriptionError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// `news: 12 connections`
impl Display for SubscriptionCount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{}: {} connection{plural}", self.channel, self.count)
    }
}

/// The id alone, because the info may be confidential.
impl Display for Member {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// `presence-room: ann`
impl Display for MemberChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.channel, self.member)
    }
}

/// `private-encrypted-room: order-placed could not be decrypted: REASON`
impl Display for DecryptionFailure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} could not be decrypted: {}", self.channel, self.event, self.reason)
    }
}

/// `online: ann, bob`
impl Display for WatchlistEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.user_ids.iter().map(Name::as_str).collect();
        write!(f, "{}: {}", self.name, ids.join(", "))
    }
}

/// `orders: order-placed (120 bytes)`, without the data, which may be confidential.
impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(channel) = self.channel() {
            write!(f, "{channel}: ")?;
        }
        write!(f, "{} ({} bytes)", self.name(), self.data().len())
    }
}

impl Display for Notification {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::ConnectionStateChange(change) => change.fmt(f),
            Self::SubscriptionSucceeded(succeeded) => succeeded.fmt(f),
            Self::SubscriptionError(failed) => failed.fmt(f),
            Self::SubscriptionCount(count) => count.fmt(f),
            Self::CacheMiss { channel } => write!(f, "{channel}: the cache is empty"),
            Self::MemberAdded(change) => write!(f, "{change} joined"),
            Self::MemberRemoved(change) => write!(f, "{change} left"),
            Self::DecryptionFailure(failure) => failure.fmt(f),
            Self::SignedIn { id } => write!(f, "signed in as {id}"),
            Self::Watchlist(event) => event.fmt(f),
            Self::Error(error) => error.fmt(f),
            Self::Lagged(count) => write!(f, "{count} notifications were dropped, because the queue was full"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{ConnectionState, DecryptionError, Error, event::Batch};

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
        for (notification, text) in rows {
            assert_eq!(notification.to_string(), text);
            assert!(!text.contains("secret"), "X1: neither data nor info");
        }
    }
}
