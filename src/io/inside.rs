//! The threads that a client needs to go on: a call that waits for the client must not be made on one of them (H1).
//!
//! These are the thread that runs handlers, while it does, the heartbeat, and the readers. On the latter two user code runs as
//! well: a dialer, the end of a stream that a dialer has made, a logger. What wakes a consumer may run on any thread, and is
//! marked by itself.

use std::cell::RefCell;

use super::Core;
use crate::{Error, sync::thread_local};

thread_local! {
    /// The clients that need this thread, by what identifies them.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Marks this thread as one that a client needs, until it is dropped.
///
/// A thread that is ending may have no place for the mark any more, and drop the last handle then. Nothing is marked there.
pub(super) struct Inside {
    is_marked: bool,
}

impl Inside {
    pub(super) fn of(client: usize) -> Self {
        Self { is_marked: INSIDE.try_with(|inside| inside.borrow_mut().push(client)).is_ok() }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if self.is_marked {
            let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
        }
    }
}

impl Core {
    /// Waiting calls return an error where they would wait for the very thread that they are on.
    pub(crate) fn refuse_inside(&self, call: &'static str) -> Result<(), Error> {
        let inside = INSIDE.try_with(|inside| inside.borrow().contains(&self.identity()));
        if inside.unwrap_or_default() { Err(Error::WouldDeadlock { call }) } else { Ok(()) }
    }

    /// Marks this thread as one that this client needs.
    pub(super) fn inside(&self) -> Inside {
        Inside::of(self.identity())
    }

    pub(super) fn identity(&self) -> usize {
        self.outlets.identity()
    }
}
