//! Marks of the threads that a client needs. A call that waits for the client fails on such a thread (H1).
//!
//! The client needs the heartbeat, the readers, and a thread that runs handlers. It also needs every thread on which a
//! wake-up closure or a closure for keys runs, for the time of that call. Loggers, and the closures that shut streams
//! down, run on these threads as well. Dialers and their streams run on readers.

use std::cell::RefCell;

use crate::sync::thread_local;

thread_local! {
    /// The clients that need this thread.
    static MARKS: RefCell<Vec<Mark>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Mark {
    /// The address that identifies the client.
    client: usize,
    /// The thread runs handlers.
    runs_handlers: bool,
}

/// Marks this thread as one that a client needs, until the guard is dropped.
///
/// A thread that is ending may have lost its thread-local variables, and drops the last handle then. It gets no mark.
pub(crate) struct ReentrancyGuard {
    is_marked: bool,
}

impl ReentrancyGuard {
    pub fn mark(client: usize) -> Self {
        Self::push(Mark { client, runs_handlers: false })
    }

    /// The mark of a thread that runs handlers.
    pub fn mark_handlers(client: usize) -> Self {
        Self::push(Mark { client, runs_handlers: true })
    }

    fn push(mark: Mark) -> Self {
        Self { is_marked: MARKS.try_with(|marks| marks.borrow_mut().push(mark)).is_ok() }
    }
}

impl Drop for ReentrancyGuard {
    fn drop(&mut self) {
        if self.is_marked {
            let _ = MARKS.try_with(|marks| marks.borrow_mut().pop());
        }
    }
}

/// Whether the client needs this thread.
pub(crate) fn is_needed_by(client: usize) -> bool {
    is_marked(|mark| mark.client == client)
}

/// Whether this is called inside a handler of the client.
pub(crate) fn runs_handlers_of(client: usize) -> bool {
    is_marked(|mark| mark.client == client && mark.runs_handlers)
}

fn is_marked(fits: impl Fn(&Mark) -> bool) -> bool {
    MARKS.try_with(|marks| marks.borrow().iter().any(fits)).unwrap_or_default()
}
