//! The threads that a client needs to go on: a call that waits for the client must not be made on one of them (H1).
//!
//! These are the thread that runs handlers, while it does, the heartbeat, and the readers. On the latter two user code runs as
//! well: a dialer, the end of a stream that a dialer has made, a logger. What wakes a consumer may run on any thread, and is
//! marked by itself.

use std::cell::RefCell;

use super::Core;
use crate::{Error, sync::thread_local};

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
pub(super) struct Inside {
    is_marked: bool,
}

impl Inside {
    pub(super) fn of(client: usize) -> Self {
        Self::marked(Mark { client, runs_handlers: false })
    }

    pub(super) fn handlers_of(client: usize) -> Self {
        Self::marked(Mark { client, runs_handlers: true })
    }

    fn marked(mark: Mark) -> Self {
        Self { is_marked: INSIDE.try_with(|inside| inside.borrow_mut().push(mark)).is_ok() }
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
        if self.is_marked(|_| true) { Err(Error::WouldDeadlock { call }) } else { Ok(()) }
    }

    /// Whether this is called inside a handler of this client.
    pub(super) fn runs_handlers_here(&self) -> bool {
        self.is_marked(|mark| mark.runs_handlers)
    }

    fn is_marked(&self, fits: impl Fn(&Mark) -> bool) -> bool {
        let of_this = |mark: &Mark| mark.client == self.identity() && fits(mark);
        INSIDE.try_with(|inside| inside.borrow().iter().any(of_this)).unwrap_or_default()
    }

    /// Marks this thread as one that this client needs.
    pub(super) fn inside(&self) -> Inside {
        Inside::of(self.identity())
    }

    pub(super) fn identity(&self) -> usize {
        self.outlets.identity()
    }
}
