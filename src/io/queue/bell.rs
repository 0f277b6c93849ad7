//! Tells a consumer that something waits.

use std::{fmt, sync::Arc};

use crate::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

/// The user's wake-up closure.
pub(crate) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Rung after something is in the queue: once, until the consumer looks again.
///
/// The consumer says that it looks before it looks, and the producer fills the queue before it rings: so either the consumer
/// sees what was put in, or the producer sees that it has to ring.
pub(super) struct Bell {
    wake_up: Mutex<Option<WakeUp>>,
    /// There is a closure, or there was one.
    is_hung: bool,
    has_rung: AtomicBool,
}

impl Bell {
    pub(super) fn new(wake_up: Option<WakeUp>) -> Self {
        Self { is_hung: wake_up.is_some(), wake_up: Mutex::new(wake_up), has_rung: AtomicBool::new(false) }
    }

    /// Whether somebody has to be woken for what is in the queue now.
    pub(super) fn is_to_be_rung(&self) -> bool {
        self.is_hung && !self.has_rung.swap(true, Ordering::SeqCst)
    }

    /// The consumer is about to look.
    pub(super) fn looked(&self) {
        if self.is_hung {
            self.has_rung.store(false, Ordering::SeqCst);
        }
    }

    /// The closure, to be run without a lock.
    pub(super) fn wake_up(&self) -> Option<WakeUp> {
        self.wake_up.lock().clone()
    }

    /// From here on it does not ring. Returns the closure, for the caller to drop without a lock.
    pub(super) fn take_down(&self) -> Option<WakeUp> {
        self.wake_up.lock().take()
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("is_hung", &self.is_hung).finish_non_exhaustive()
    }
}
