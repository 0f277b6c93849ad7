//! Marks the threads whose panics the C interface logs instead of printing them: threads that run a call from C, and
//! the threads that such calls start.
//!
//! The mark belongs to the thread. The name of the thread does not suffice: in a Rust program that also has the C
//! interface, handlers run on threads of this crate, and their panics must be printed as usual. The position in the
//! source does not suffice either: code of a dependency or of the standard library runs for many callers, and two
//! crates may have the same paths.

use std::cell::Cell;

use crate::sync::thread_local;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Sets the mark of this thread until it is dropped. Then the earlier mark applies again.
///
/// A thread that is ending may have no thread-local storage. Its mark stays unset.
pub(crate) struct Quiet {
    before: bool,
}

impl Quiet {
    pub(crate) fn set(is_quiet: bool) -> Self {
        Self { before: IS_QUIET.try_with(|quiet| quiet.replace(is_quiet)).unwrap_or_default() }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = IS_QUIET.try_with(|quiet| quiet.set(self.before));
    }
}

/// Whether this thread runs on behalf of a call from C.
pub(crate) fn is_quiet() -> bool {
    IS_QUIET.try_with(Cell::get).unwrap_or_default()
}

/// Wraps work for another thread, which inherits the mark of this thread.
pub(crate) fn inherited<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let is_quiet = is_quiet();
    move || {
        let _quiet = Quiet::set(is_quiet);
        work()
    }
}
