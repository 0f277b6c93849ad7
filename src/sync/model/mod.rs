//! Locks and channels of the model checker, in the shape of those that the crate uses.
//!
//! There is no clock in the model. A test says whether deadlines never come, so that whatever is not woken is found as a
//! deadlock, or come whenever the checker likes.

mod channel;
mod lock;

use std::cell::Cell;

use shuttle::rand::{Rng, thread_rng};

pub(crate) use channel::{Receiver, Sender, bounded, select, select_biased, unbounded};
pub(crate) use lock::{Condvar, Mutex, MutexGuard};

// The standard library's: all threads of a model run on one thread of the operating system, that of the test.
std::thread_local! {
    static DEADLINES_COME: Cell<bool> = const { Cell::new(false) };
}

/// From here on, in this test.
pub(crate) fn let_deadlines_come(they_do: bool) {
    DEADLINES_COME.set(they_do);
}

/// Whether a wait with a deadline is over without having been woken.
fn deadline_has_come() -> bool {
    DEADLINES_COME.get() && thread_rng().gen_bool(0.25)
}
