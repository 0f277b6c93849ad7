//! What of a budget for running handlers is left.

use std::time::Instant;

use crate::DispatchBudget;

/// How much of what waits may still be handled.
pub(crate) struct Remaining {
    /// What waited at the beginning. What comes while handlers run is for the next call, so that this one ends.
    waiting: usize,
    notifications: usize,
    deadline: Option<Instant>,
}

impl Remaining {
    /// For the dispatch thread, which goes on for ever.
    pub fn unlimited() -> Self {
        Self { waiting: usize::MAX, notifications: usize::MAX, deadline: None }
    }

    pub fn new(waiting: usize, budget: Option<DispatchBudget>) -> Self {
        let unlimited = Self { waiting, ..Self::unlimited() };
        match budget {
            None => unlimited,
            Some(DispatchBudget::Notifications(notifications)) => Self { notifications, ..unlimited },
            // A time that no clock can reach is for ever.
            Some(DispatchBudget::Time(time)) => Self { deadline: Instant::now().checked_add(time), ..unlimited },
        }
    }

    /// Whether another one may be handled.
    pub fn has_room(&self) -> bool {
        self.notifications > 0 && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// How many it is worth to take at once; 0 when all that waited at the beginning has been taken.
    pub fn batch_limit(&self) -> usize {
        self.waiting.min(self.notifications)
    }

    /// So many were taken.
    pub fn taken(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
    }

    /// One was handled.
    pub fn spend(&mut self) {
        self.notifications = self.notifications.saturating_sub(1);
    }
}
