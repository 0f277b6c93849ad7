//! Permits: a limit for the number of concurrent holders.

use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};

/// A permit. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// Takes one of `limit` permits; `None` if all are taken.
    pub fn take(taken: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let update = |count: usize| (count < limit).then_some(count + 1);
        taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_can_be_taken_again() {
        let taken = Arc::default();
        let first = Permit::take(&taken, 1);
        assert!(first.is_some() && Permit::take(&taken, 1).is_none());
        drop(first);
        assert!(Permit::take(&taken, 1).is_some());
    }
}
