//! The threads that a client needs to go on: a call that waits for the client must not be made on one of them (H1).
//!
//! These are the thread that runs handlers, while it does, the heartbeat, and the readers. On the latter two user code runs as
//! well: a dialer, the end of a stream that a dialer has made, a logger. What wakes a consumer may run on any thread, and is
//! marked by itself.

use std::cell::RefCell;

use crate::sync::thread_local;

thread_local! {
    /// The clients that need this thread.
    static INSIDE: RefCell<Vec<Mark>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Mark {
    /// The address that identifies the client.
    client: usize,
    /// The code that runs here is a handler.
    runs_handlers: bool,
}

/// Marks this thread as one that a client needs, until it is dropped.
///
/// A thread that is ending may have no place for the mark any more, and drop the last handle then. Nothing is marked there.
pub(crate) struct ReentrancyGuard {
    is_marked: bool,
}

impl ReentrancyGuard {
    pub fn of(client: usize) -> Self {
        Self::marked(Mark { client, runs_handlers: false })
    }

    pub fn handlers_of(client: usize) -> Self {
        Self::marked(Mark { client, runs_handlers: true })
    }

    fn marked(mark: Mark) -> Self {
        Self { is_marked: INSIDE.try_with(|inside| inside.borrow_mut().push(mark)).is_ok() }
    }
}

impl Drop for ReentrancyGuard {
    fn drop(&mut self) {
        if self.is_marked {
            let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
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
    INSIDE.try_with(|inside| inside.borrow().iter().any(fits)).unwrap_or_default()
}
