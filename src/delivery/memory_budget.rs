//! How much memory may be kept of what servers and endpoints send.

use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Up to this many bytes are kept by one client, over all its channels. D3 promises 32 MiB in all, of which members may take
/// 20 MiB: the rest is for the message that is being read, for what is made of it, and for a list of members that replaces
/// another one.
const LIMIT: usize = 4 << 20;

/// The rest of a memory budget: for members, which have one of their own, or for events that wait for a key, permissions that wait for
/// the server's answer, and the data of confirmations. A clone is the same budget.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    left: Arc<AtomicUsize>,
}

/// What one keeper holds of the budget. It is given back when the reservation is dropped, so that nobody has to remember to.
#[derive(Debug)]
pub(crate) struct Reservation {
    left: Arc<AtomicUsize>,
    bytes: usize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of(LIMIT)
    }
}

impl MemoryBudget {
    pub fn of(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// A reservation of nothing yet.
    pub fn reservation(&self) -> Reservation {
        Reservation { left: Arc::clone(&self.left), bytes: 0 }
    }
}

impl Reservation {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the reservation so large. False, and no change, when there is not so much left. Making it smaller always works.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let held = self.bytes;
        // Nothing else is read because of this number, so that no order has to be kept.
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
    fn d3_shares_together_never_exceed_the_budget() {
        let budget = MemoryBudget::of(10);
        let (mut first, mut second) = (budget.reservation(), budget.reservation());
        assert!(first.resize(6) && second.resize(4));
        assert!(!first.resize(7), "nothing is left");
        assert_eq!((first.bytes(), second.bytes()), (6, 4), "a refusal changes nothing");
        assert!(second.resize(3) && first.resize(7));
    }

    #[test]
    fn d3_a_share_is_given_back_when_it_is_dropped() {
        let budget = MemoryBudget::of(10);
        let mut first = budget.reservation();
        assert!(first.resize(10));
        drop(first);
        assert!(budget.clone().reservation().resize(10));
    }
}
