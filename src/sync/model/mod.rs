//! Locks and channels of the model checker, with the interface that the crate uses.
//!
//! The model has no clock. A test decides whether deadlines never come, so that a missing wake-up is a deadlock, or
//! come at random times.

mod channel;
mod lock;

use std::cell::Cell;

use shuttle::rand::{Rng, thread_rng};

pub(crate) use channel::{Receiver, Sender, bounded, select, select_biased, unbounded};
pub(crate) use lock::{Condvar, Mutex, MutexGuard};

// The thread-local of the standard library: all threads of a model run on the operating system's thread of the test.
std::thread_local! {
    static DEADLINES_COME: Cell<bool> = const { Cell::new(false) };
}

/// Decides for the rest of this test whether deadlines come.
pub(crate) fn let_deadlines_come(they_do: bool) {
    DEADLINES_COME.set(they_do);
}

/// Whether a wait with a deadline ends without a wake-up.
fn deadline_has_come() -> bool {
    DEADLINES_COME.get() && thread_rng().gen_bool(0.25)
}
