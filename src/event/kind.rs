//! The kinds of notifications.

use super::Notification;

/// The kind of a [`Notification`], for [`ReceiverOptions::only`](crate::ReceiverOptions::only).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotificationKind {
    /// [`Notification::Event`].
    Event,
    /// [`Notification::ConnectionStateChange`].
    ConnectionStateChange,
    /// [`Notification::SubscriptionSucceeded`].
    SubscriptionSucceeded,
    /// [`Notification::SubscriptionError`].
    SubscriptionError,
    /// [`Notification::SubscriptionCount`].
    SubscriptionCount,
    /// [`Notification::CacheMiss`].
    CacheMiss,
    /// [`Notification::MemberAdded`].
    MemberAdded,
    /// [`Notification::MemberRemoved`].
    MemberRemoved,
    /// [`Notification::DecryptionFailure`].
    DecryptionFailure,
    /// [`Notification::SignedIn`].
    SignedIn,
    /// [`Notification::Watchlist`].
    Watchlist,
    /// [`Notification::Error`].
    Error,
    /// [`Notification::Lagged`].
    Lagged,
}

impl Notification {
    /// The kind of this notification.
    pub fn kind(&self) -> NotificationKind {
        match self {
            Self::Event(_) => NotificationKind::Event,
            Self::ConnectionStateChange(_) => NotificationKind::ConnectionStateChange,
            Self::SubscriptionSucceeded(_) => NotificationKind::SubscriptionSucceeded,
            Self::SubscriptionError(_) => NotificationKind::SubscriptionError,
            Self::SubscriptionCount(_) => NotificationKind::SubscriptionCount,
            Self::CacheMiss { .. } => NotificationKind::CacheMiss,
            Self::MemberAdded(_) => NotificationKind::MemberAdded,
            Self::MemberRemoved(_) => NotificationKind::MemberRemoved,
            Self::DecryptionFailure(_) => NotificationKind::DecryptionFailure,
            Self::SignedIn { .. } => NotificationKind::SignedIn,
            Self::Watchlist(_) => NotificationKind::Watchlist,
            Self::Error(_) => NotificationKind::Error,
            Self::Lagged(_) => NotificationKind::Lagged,
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

const _: () = assert!((NotificationKind::Lagged as u32) < u16::BITS, "every kind has a bit in the set");

impl Kinds {
    pub(crate) const ALL: Self = Self(u16::MAX);

    /// Every set has `Lagged`, because a receiver that missed it would trust an incomplete count.
    pub(crate) fn of(kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        kinds.into_iter().chain([NotificationKind::Lagged]).fold(Self(0), |set, kind| Self(set.0 | Self::bit(kind)))
    }

    pub(crate) fn has(self, kind: NotificationKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    fn bit(kind: NotificationKind) -> u16 {
        1 << kind as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_kinds_and_lagged() {
        let set = Kinds::of([NotificationKind::Event, NotificationKind::Error]);
        assert!(
            set.has(NotificationKind::Event) && set.has(NotificationKind::Error) && set.has(NotificationKind::Lagged)
        );
        assert!(!set.has(NotificationKind::ConnectionStateChange) && Kinds::ALL.has(NotificationKind::CacheMiss));
    }
}
