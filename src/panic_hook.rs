//! Whose panics are nobody's business but the log's: those of calls from C, and of the threads that such calls start.
//!
//! It goes by where a panic happens, and not by the name of the thread or the place in the source. In a Rust program that has
//! the C interface as well, handlers run on threads of this crate, and its own clients are to fail as loudly as without that
//! interface. A place in the source does not tell whose code it is: that of a dependency, or of the standard library, may
//! work for anybody, and paths of two crates can be the same.

use std::cell::Cell;

use crate::sync::thread_local;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// How this thread is, until it is dropped: then it is again as it was before.
///
/// A thread that is ending may have no place for it any more. Nothing is set there.
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

/// Whether a panic of this thread is one of the library's own, in a call from C.
pub(crate) fn is_quiet() -> bool {
    IS_QUIET.try_with(Cell::get).unwrap_or_default()
}

/// Work for another thread, which is as quiet as the one that hands it over.
pub(crate) fn inherited<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let is_quiet = is_quiet();
    move || {
        let _quiet = Quiet::set(is_quiet);
        work()
    }
}
