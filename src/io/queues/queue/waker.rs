//! Tells a consumer that something waits.

use std::sync::Arc;

use crate::{
    io::guard::user_code::{self, CallContext, UserCodeError},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The user's wake-up closure.
pub(crate) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Rung after something is in the queue: once, until the consumer looks again.
///
/// The consumer says that it looks before it looks, and the producer fills the queue before it rings: so either the consumer
/// sees what was put in, or the producer sees that it has to ring.
pub(crate) struct Waker {
    wake_up: Mutex<Option<WakeUp>>,
    /// There is a closure, or there was one.
    is_armed: bool,
    is_notified: AtomicBool,
    looks: AtomicUsize,
}

impl Waker {
    pub fn new(wake_up: Option<WakeUp>) -> Self {
        Self {
            is_armed: wake_up.is_some(),
            wake_up: Mutex::new(wake_up),
            is_notified: AtomicBool::new(false),
            looks: AtomicUsize::new(0),
        }
    }

    /// Whether somebody has to be woken for what is in the queue now.
    pub fn must_notify(&self) -> bool {
        self.is_armed && !self.is_notified.swap(true, Ordering::SeqCst)
    }

    /// A consumer is about to look. Returns how many looks there have been.
    pub fn look(&self) -> usize {
        if !self.is_armed {
            return 0;
        }
        self.is_notified.store(false, Ordering::SeqCst);
        self.looks.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether somebody has looked since that look, and has to be woken now. Who gives back what he took himself is not woken
    /// for it: inside of the closure that would never end.
    pub fn must_notify_again(&self, since: usize) -> bool {
        self.is_armed && self.looks.load(Ordering::SeqCst) != since && self.must_notify()
    }

    /// Runs the closure, on whatever thread this is, without a lock. One that panics is not run again, because it may have
    /// been called for the report of its last panic.
    pub fn notify(&self, context: CallContext) -> Result<(), UserCodeError> {
        let Some(wake_up) = self.wake_up.lock().clone() else { return Ok(()) };
        // The call drops the closure as well, because it may be the last owner of what the closure holds.
        let result = user_code::call(context, "a handler for a receiver's queue", move || wake_up());
        if result == Err(UserCodeError::Panicked) {
            let _ = user_code::catch(|| drop(self.disarm()));
        }
        result
    }

    /// From here on it does not ring. Returns the closure, for the caller to drop without a lock.
    pub fn disarm(&self) -> Option<WakeUp> {
        self.wake_up.lock().take()
    }
}
