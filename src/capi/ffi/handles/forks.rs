//! Counts the forks of this process, so that a handle need not ask the operating system each time (H7).
//!
//! Every call on a handle has to know whether it runs in a forked child, and asking for the process id costs more than
//! the rest of taking an event. So `pthread_atfork` of POSIX counts each fork in the child. A child that a bare system
//! call makes is not counted; the client below the handle still asks for the id.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::capi::ffi::results::Failure;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// Identifies this process among the ones that were forked from each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub fn current() -> Self {
        Self(FORKS.load(Ordering::Acquire))
    }
}

/// Starts to count forks, unless that was done before.
#[cfg(unix)]
pub(crate) fn count() -> Result<(), Failure> {
    use std::{ffi::c_int, process};

    type Handler = Option<unsafe extern "C" fn()>;

    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }

    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::AcqRel);
    }

    static COUNTING: Registration = Registration::new();

    // SAFETY: the handler does what is allowed in a child of many threads: it changes one atomic number.
    let is_counted = COUNTING.once(process::id, || unsafe { pthread_atfork(None, None, Some(in_child)) } == 0);
    let no_memory =
        || Failure::Misuse(crate::capi::ffi::results::PUSHER_ERR_IO, "there is no memory to watch for forks".into());
    is_counted.then_some(()).ok_or_else(no_memory)
}

/// Registers something once, before anything else. It uses no lock, which a fork could leave locked: it remembers the
/// process that registers, and ignores a registration that another process did not finish.
#[cfg(unix)]
struct Registration {
    /// The process that registers, or one of the constants.
    state: AtomicU32,
}

#[cfg(unix)]
impl Registration {
    /// No process has these ids.
    const NOT_YET: u32 = 0;
    const DONE: u32 = u32::MAX;

    const fn new() -> Self {
        Self { state: AtomicU32::new(Self::NOT_YET) }
    }

    /// Registers, and returns whether that is done. It waits for another thread that registers: otherwise a handle
    /// could be made, and the process forked, before forks are counted.
    fn once(&self, process: impl FnOnce() -> u32, register: impl FnOnce() -> bool) -> bool {
        if self.state.load(Ordering::Acquire) == Self::DONE {
            return true;
        }
        let process = process();
        loop {
            match self.state.load(Ordering::Acquire) {
                Self::DONE => return true,
                state if state == process => std::thread::yield_now(),
                state => {
                    if self.state.compare_exchange(state, process, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                        break;
                    }
                }
            }
        }
        let is_done = register();
        self.state.store(if is_done { Self::DONE } else { Self::NOT_YET }, Ordering::Release);
        is_done
    }
}

/// This platform has no forks.
#[cfg(not(unix))]
pub(crate) fn count() -> Result<(), Failure> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    /// The time for which nothing may happen.
    const WHILE: Duration = Duration::from_millis(100);

    #[test]
    fn every_thread_waits_for_the_registration() {
        let registration = Registration::new();
        let (sender, returned) = mpsc::channel();
        thread::scope(|scope| {
            let register = || {
                scope.spawn(|| sender.send(registration.once(|| 7, || panic!("twice"))));
                assert!(returned.recv_timeout(WHILE).is_err(), "the other thread waits");
                true
            };
            assert!(registration.once(|| 7, register));
        });
        assert_eq!(returned.recv(), Ok(true));
    }

    #[test]
    fn a_failed_or_unfinished_registration_is_tried_again() {
        let registration = Registration::new();
        assert!(!registration.once(|| 7, || false));
        let in_a_child = || registration.once(|| 8, || true);
        assert!(registration.once(|| 7, in_a_child));
        assert!(registration.once(|| 9, || panic!("again")));
    }
}
