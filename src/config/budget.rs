//! How much a program lets handlers do at a time.

use std::time::Duration;

/// How much [`Pusher::dispatch_for`](crate::Pusher::dispatch_for) does at most: a number of notifications, or a time.
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
    /// At most so many notifications, however many handlers each of them has.
    Notifications(usize),
    /// No notification is begun after this time. The handlers of one that has begun run to their end.
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
