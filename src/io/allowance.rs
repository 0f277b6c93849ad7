//! What of a budget for running handlers is left.

use std::time::Instant;

use super::queue::{Step, Taken};
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

    pub(super) fn is_left(&self) -> bool {
        self.waiting > 0 && self.has_room()
    }

    /// Whether the next may still be handled. A loss belongs to what waited before it.
    pub(super) fn is_left_for(&self, next: Option<&Taken>) -> bool {
        matches!(next, Some(Taken::Lagged(_))) && self.has_room() || self.is_left()
    }

    /// How many it is worth to take at once.
    pub(super) fn appetite(&self) -> usize {
        self.waiting.min(self.notifications)
    }

    fn has_room(&self) -> bool {
        self.notifications > 0 && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// One step was made. Reports of losses do not count among what waits.
    pub(super) fn spend(&mut self, step: Step, is_handled: bool) {
        self.waiting = self.waiting.saturating_sub(usize::from(matches!(step, Step::Entry(_))));
        self.notifications = self.notifications.saturating_sub(usize::from(is_handled));
    }
}
