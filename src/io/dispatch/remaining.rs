//! The rest of a budget for running handlers.

use std::time::Instant;

use crate::DispatchBudget;

/// The number of notifications that may still be handled, and the time for it.
pub(crate) struct Remaining {
    /// The notifications that waited at the beginning. Later ones are for the next call, so that this one ends.
    waiting: usize,
    notifications: usize,
    deadline: Option<Instant>,
}

impl Remaining {
    /// The budget of the dispatch thread, which has no end.
    pub fn unlimited() -> Self {
        Self { waiting: usize::MAX, notifications: usize::MAX, deadline: None }
    }

    pub fn new(waiting: usize, budget: Option<DispatchBudget>) -> Self {
        let unlimited = Self { waiting, ..Self::unlimited() };
        match budget {
            None => unlimited,
            Some(DispatchBudget::Notifications(notifications)) => Self { notifications, ..unlimited },
            // A time beyond the range of the clock means no limit.
            Some(DispatchBudget::Time(time)) => Self { deadline: Instant::now().checked_add(time), ..unlimited },
        }
    }

    /// Whether another notification may be handled.
    pub fn has_room(&self) -> bool {
        self.notifications > 0 && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// The number of notifications to take at once; 0 when all that waited at the beginning were taken.
    pub fn batch_limit(&self) -> usize {
        self.waiting.min(self.notifications)
    }

    /// This number of notifications was taken.
    pub fn taken(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
    }

    /// One notification was handled.
    pub fn spend(&mut self) {
        self.notifications = self.notifications.saturating_sub(1);
    }
}
