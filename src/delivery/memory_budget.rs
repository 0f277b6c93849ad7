//! Memory budgets for data that servers and endpoints send (D3).

/// The session of one client keeps up to this many bytes, over all its channels, members aside: events that wait for a
/// key, and permissions that wait for the answer of the server.
pub(crate) const SESSION_BYTES: usize = 3 << 20;

/// The dispatcher keeps up to this many bytes of confirmations for handlers that are bound later.
pub(crate) const DISPATCHER_BYTES: usize = 1 << 20;

/// A memory budget. It is a plain number that its owner counts, so each reservation must come back to the budget that
/// it is from.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    left: usize,
    #[cfg(any(fuzzing, test))]
    whole: usize,
}

/// The part of a budget that one piece of data takes. [`MemoryBudget::release`] returns it.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Reservation {
    bytes: usize,
}

impl MemoryBudget {
    pub fn of(bytes: usize) -> Self {
        Self {
            left: bytes,
            #[cfg(any(fuzzing, test))]
            whole: bytes,
        }
    }

    /// A reservation of this size. `None` if the budget is too small.
    pub fn reserve(&mut self, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation::default();
        self.resize(&mut reservation, bytes).then_some(reservation)
    }

    /// Changes the size of a reservation. Returns false, and changes nothing, if the budget is too small. A smaller
    /// size always fits.
    pub fn resize(&mut self, reservation: &mut Reservation, bytes: usize) -> bool {
        let Some(left) = (self.left + reservation.bytes).checked_sub(bytes) else { return false };
        (self.left, reservation.bytes) = (left, bytes);
        true
    }

    /// Takes the reservation back. Its data is dropped.
    pub fn release(&mut self, mut reservation: Reservation) {
        self.resize(&mut reservation, 0);
    }

    /// The bytes that are reserved.
    #[cfg(any(fuzzing, test))]
    pub fn reserved(&self) -> usize {
        self.whole - self.left
    }
}

impl Reservation {
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_reservations_together_never_exceed_the_budget() {
        let mut budget = MemoryBudget::of(10);
        let (mut first, mut second) = (budget.reserve(6).expect("it fits"), budget.reserve(4).expect("it fits"));
        assert!(!budget.resize(&mut first, 7) && budget.reserve(1).is_none(), "the budget is used up");
        assert_eq!((first.bytes(), second.bytes()), (6, 4), "a refusal changes nothing");
        assert!(budget.resize(&mut second, 3) && budget.resize(&mut first, 7));
        assert_eq!(budget.reserved(), 10);
    }

    #[test]
    fn d3_a_released_reservation_can_be_reserved_again() {
        let mut budget = MemoryBudget::of(10);
        let first = budget.reserve(10).expect("it fits");
        budget.release(first);
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve(10).is_some());
    }
}
