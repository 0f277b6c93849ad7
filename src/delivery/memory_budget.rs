//! Memory budgets for data that servers and endpoints send.

use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};

/// The session of one client keeps up to this many bytes, over all its channels, members aside: events that wait for a
/// key, and permissions that wait for the answer of the server. D3 promises 32 MiB in all, of which members may take 20
/// MiB. The rest is for the message that is being read, for the data that is made of it, and for a list of members that
/// replaces another one.
const OF_SESSION: usize = 3 << 20;

/// The dispatcher keeps up to this many bytes of confirmations for handlers that are bound later.
const OF_DISPATCHER: usize = 1 << 20;

/// A memory budget. A clone is the same budget.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    left: Arc<AtomicUsize>,
}

/// The part of a budget that one owner holds. Dropping the reservation returns it.
#[derive(Debug)]
pub(crate) struct Reservation {
    left: Arc<AtomicUsize>,
    bytes: usize,
}

impl MemoryBudget {
    pub fn of_session() -> Self {
        Self::of(OF_SESSION)
    }

    pub fn of_dispatcher() -> Self {
        Self::of(OF_DISPATCHER)
    }

    pub fn of(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// An empty reservation.
    pub fn reservation(&self) -> Reservation {
        Reservation { left: Arc::clone(&self.left), bytes: 0 }
    }
}

impl Reservation {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the size of the reservation. Returns false, and changes nothing, if the budget is too small. A smaller
    /// size always fits.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let held = self.bytes;
        // No other memory depends on this number, so the order is irrelevant.
        let update = |left: usize| (left + held).checked_sub(bytes);
        let fits = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok();
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_reservations_together_never_exceed_the_budget() {
        let budget = MemoryBudget::of(10);
        let (mut first, mut second) = (budget.reservation(), budget.reservation());
        assert!(first.resize(6) && second.resize(4));
        assert!(!first.resize(7), "the budget is used up");
        assert_eq!((first.bytes(), second.bytes()), (6, 4), "a refusal changes nothing");
        assert!(second.resize(3) && first.resize(7));
    }

    #[test]
    fn d3_a_reservation_is_returned_when_it_is_dropped() {
        let budget = MemoryBudget::of(10);
        let mut first = budget.reservation();
        assert!(first.resize(10));
        drop(first);
        assert!(budget.clone().reservation().resize(10));
    }
}
