//! What of a budget for running handlers is left.

use std::time::Instant;

use crate::DispatchBudget;

/// How much of what waits may still be handled.
pub(super) struct Allowance {
    /// What waited at the beginning. What comes while handlers run is for the next call, so that this one ends.
    waiting: usize,
    notifications: usize,
    deadline: Option<Instant>,
}

impl Allowance {
    /// For the dispatch thread, which goes on for ever.
    pub(super) fn unlimited() -> Self {
        Self { waiting: usize::MAX, notifications: usize::MAX, deadline: None }
    }

    pub(super) fn new(waiting: usize, budget: Option<DispatchBudget>) -> Self {
        let unlimited = Self { waiting, ..Self::unlimited() };
        match budget {
            None => unlimited,
            Some(DispatchBudget::Notifications(notifications)) => Self { notifications, ..unlimited },
            // A time that no clock can reach is for ever.
            Some(DispatchBudget::Time(time)) => Self { deadline: Instant::now().checked_add(time), ..unlimited },
        }
    }

    /// Whether another one may be handled.
    pub(super) fn has_room(&self) -> bool {
        self.notifications > 0 && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// How many it is worth to take at once; 0 when all that waited at the beginning has been taken.
    pub(super) fn appetite(&self) -> usize {
        self.waiting.min(self.notifications)
    }

    /// So many were taken.
    pub(super) fn taken(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
    }

    /// One was handled.
    pub(super) fn spend(&mut self) {
        self.notifications = self.notifications.saturating_sub(1);
    }
}
