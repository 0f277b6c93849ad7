//! Calls of the program's own code. Every closure of the program is called through [`call`] or [`catch`].
//!
//! | code of the program | thread | a panic becomes |
//! |---|---|---|
//! | handlers, and the senders that stand for handlers | `pusher-dispatch`, or the caller of `Pusher::dispatch` | `Error::HandlerPanicked` |
//! | decoders | the thread that runs handlers or takes from a receiver | a decryption failure |
//! | wake-up closures and keys of receivers | every thread that delivers or calls the client | `Error::HandlerPanicked`, and the closure is not called again |
//! | dialers and the closure of `Config::url_with` | `pusher-reader` | a failed attempt to connect |
//! | streams of a dialer | `pusher-reader` and `pusher-writer`; the shutdown on every thread | an error of the stream |
//! | authorizers, authenticators, closures for headers and parameters | `pusher-auth` | a refused request |
//! | destructors of these closures | the thread that drops the last owner | a log record or `Error::HandlerPanicked` |
//!
//! A logger of the program is called by the macro `record`, which catches its panics. The destructor of a closure that
//! the program's own call drops runs in that call.
//! `Config` is below this module: it catches a panic in the closure of `url_with` by [`crate::user_code`], because
//! `Config::dial_url` calls the closure as well.
//!
//! # What this code may do
//!
//! 1. **Call the client.** No lock of the client is held. A call that waits for the client fails with
//!    `Error::WouldDeadlock` on the threads that the client needs: see [`reentrancy`](super::reentrancy).
//! 2. **Block.** A handler delays the handlers after it. A dialer or a stream delays its own connection, and an
//!    authorizer its own request. A wake-up closure delays the delivery. `disconnect` does not wait for it.
//! 3. **Panic.** The panic ends this call. If a destructor runs while the panic unwinds and panics as well, Rust ends
//!    the process.
//! 4. **Fork**, and return in the child. The client locks and sends nothing in the child: [`call`] returns
//!    [`UserCodeError::Forked`], and its caller returns without a lock. [`catch`] leaves that check to its caller,
//!    which makes it once for many calls, because it is a system call. If a handler forks, the handlers for the other
//!    events of the same batch run in the child as well.
//! 5. **Drop the last handle** of the client.
//!
//! The panic hook of the C interface needs no mark here: `capi::ffi::callback` sets it around the callbacks of C programs.

use std::{cell::RefCell, sync::Arc};

use super::{fork::ForkGuard, reentrancy::ReentrancyGuard};
use crate::sync::{
    atomic::{AtomicBool, AtomicUsize, Ordering},
    thread_local,
};

pub(crate) use crate::user_code::{Panicked, catch};

/// The reason why a call of the program's code has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserCodeError {
    /// It panicked.
    Panicked,
    /// It forked, and this is the child. The client must not lock or send anything here.
    Forked,
}

impl From<Panicked> for UserCodeError {
    fn from(_: Panicked) -> Self {
        Self::Panicked
    }
}

/// The circumstances of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallContext {
    process: ForkGuard,
    /// The client that needs this thread. `None` if another mark covers the call, or no client needs the thread.
    client: Option<usize>,
}

impl CallContext {
    pub fn new(process: ForkGuard) -> Self {
        Self { process, client: None }
    }

    /// For the time of the call, the thread counts as one that this client needs.
    pub fn needed_by(self, client: usize) -> Self {
        Self { client: Some(client), ..self }
    }
}

/// Runs code of the program. `name` is the subject of the log record about a panic.
pub(crate) fn call<T>(context: CallContext, name: &str, code: impl FnOnce() -> T) -> Result<T, UserCodeError> {
    let _mark = context.client.map(ReentrancyGuard::mark);
    let result = {
        let _busy = BusyGuard::new();
        catch(code)
    };
    if !context.process.is_current() {
        return Err(UserCodeError::Forked);
    }
    result.map_err(|panicked| {
        record!(error, "{name} panicked");
        panicked.into()
    })
}

thread_local! {
    /// The flag of this thread, if the client waits for its end.
    static FLAG: RefCell<Option<BusyFlag>> = const { RefCell::new(None) };
}

/// Whether a thread of the client is in a [`call`]. Nobody waits for the end of such a thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyFlag(Arc<AtomicBool>);

impl BusyFlag {
    /// Lets the calls on this thread set the flag.
    pub fn attach(&self) {
        let _ = FLAG.try_with(|flag| *flag.borrow_mut() = Some(self.clone()));
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Sets the flag of this thread, until it is dropped.
struct BusyGuard {
    flag: Option<BusyFlag>,
    /// The call is made inside another one.
    is_nested: bool,
}

impl BusyGuard {
    fn new() -> Self {
        let flag = FLAG.try_with(|flag| flag.borrow().clone()).ok().flatten();
        let is_nested = flag.as_ref().is_some_and(|flag| flag.0.swap(true, Ordering::AcqRel));
        Self { flag, is_nested }
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if let Some(flag) = self.flag.as_ref().filter(|_| !self.is_nested) {
            flag.0.store(false, Ordering::Release);
        }
    }
}

/// A permit for one of the calls that run at the same time. Dropping it returns it. Closures that never return keep
/// theirs, so they do not pile up.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// Takes one of `limit` permits; `None` if all are taken.
    pub fn take(taken: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let update = |count: usize| (count < limit).then_some(count + 1);
        taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::io::guard::reentrancy::is_needed_by;

    fn context() -> CallContext {
        CallContext::new(ForkGuard::current())
    }

    #[test]
    fn h1_the_mark_of_a_client_lasts_as_long_as_the_call() {
        assert_eq!(call(context().needed_by(7), "a closure", || is_needed_by(7)), Ok(true));
        assert_eq!(call(context(), "a closure", || is_needed_by(7)), Ok(false));
        let _ = call(context().needed_by(7), "a closure", || panic!("on purpose"));
        assert!(!is_needed_by(7));
    }

    #[test]
    fn h2_a_panic_whose_payload_panics_when_it_is_dropped_is_caught() {
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }
        let result: Result<(), _> = call(context(), "a closure", || std::panic::panic_any(Payload));
        assert_eq!(result, Err(UserCodeError::Panicked));
    }

    #[test]
    fn h6_the_flag_of_a_thread_is_set_until_its_outermost_call_ends() {
        let flag = BusyFlag::default();
        flag.attach();
        let inner = call(context(), "a closure", || {
            let inner = call(context(), "a closure", || flag.is_set());
            (inner, flag.is_set())
        });
        assert_eq!(inner, Ok((Ok(true), true)));
        assert!(!flag.is_set());
        let _ = call(context(), "a closure", || panic!("on purpose"));
        assert!(!flag.is_set());
    }

    #[test]
    fn a_dropped_permit_can_be_taken_again() {
        let taken = Arc::default();
        let first = Permit::take(&taken, 1);
        assert!(first.is_some() && Permit::take(&taken, 1).is_none());
        drop(first);
        assert!(Permit::take(&taken, 1).is_some());
    }
}
