//! How often this process was forked, without asking the operating system each time (H7).
//!
//! Every call on a handle has to know whether it is in a forked child, and asking for the process's id costs more than all the
//! rest of taking an event. So the child is told once, by `pthread_atfork` of POSIX. A child that is made past the C
//! library, by a system call of its own, is not told; what its calls reach asks for the id.

use std::sync::atomic::{AtomicU32, Ordering};

use super::boundary::Failure;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// Which process this is, among those that were forked one from the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u32);

impl Generation {
    pub(super) fn current() -> Self {
        Self(FORKS.load(Ordering::Acquire))
    }
}

/// Sees to it that forks are counted from now on.
#[cfg(unix)]
pub(super) fn count() -> Result<(), Failure> {
    use std::{ffi::c_int, sync::atomic::AtomicBool};

    type Handler = Option<unsafe extern "C" fn()>;

    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }

    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::AcqRel);
    }

    static IS_COUNTED: AtomicBool = AtomicBool::new(false);

    // Not by a lock, which a fork could leave locked.
    if IS_COUNTED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // SAFETY: the handler does what is allowed in a child of many threads: it changes one atomic number.
    if unsafe { pthread_atfork(None, None, Some(in_child)) } == 0 {
        return Ok(());
    }
    IS_COUNTED.store(false, Ordering::Release);
    Err(Failure::Misuse(super::results::PUSHER_ERR_IO, "there is no memory to watch for forks".into()))
}

/// There are none.
#[cfg(not(unix))]
pub(super) fn count() -> Result<(), Failure> {
    Ok(())
}
