//! Wakes a consumer when its queue has entries: by a closure, or by a descriptor.

#[cfg(unix)]
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use std::sync::Arc;

use crate::{
    io::guard::user_code::{self, CallContext, UserCodeError},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The wake-up closure of the program.
pub(crate) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Calls the wake-up closure after entries were pushed: once, until the consumer polls again.
///
/// The consumer announces a poll before it reads the queue, and the producer fills the queue before it checks for a
/// poll. So either the consumer sees the entries, or the producer sees that it must call the closure.
pub(crate) struct Waker {
    wake_up: Mutex<Option<WakeUp>>,
    /// Whether there is a closure, or there was one.
    is_armed: bool,
    is_notified: AtomicBool,
    polls: AtomicUsize,
}

impl Waker {
    pub fn new(wake_up: Option<WakeUp>) -> Self {
        Self {
            is_armed: wake_up.is_some(),
            wake_up: Mutex::new(wake_up),
            is_notified: AtomicBool::new(false),
            polls: AtomicUsize::new(0),
        }
    }

    /// Whether the consumer must be woken for the current entries.
    pub fn must_notify(&self) -> bool {
        self.is_armed && !self.is_notified.swap(true, Ordering::SeqCst)
    }

    /// A consumer is about to poll. Returns the number of polls.
    pub fn begin_poll(&self) -> usize {
        if !self.is_armed {
            return 0;
        }
        self.is_notified.store(false, Ordering::SeqCst);
        self.polls.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether another consumer has polled after the poll `since`, and must be woken. A consumer is not woken for
    /// entries that it returned itself: inside the wake-up closure this would never end.
    pub fn must_notify_again(&self, since: usize) -> bool {
        self.is_armed && self.polls.load(Ordering::SeqCst) != since && self.must_notify()
    }

    /// Calls the closure, on the current thread and without a lock. A closure that panics is not called again, because
    /// the call may be for the report of its last panic.
    pub fn notify(&self, context: CallContext) -> Result<(), UserCodeError> {
        let Some(wake_up) = self.wake_up.lock().clone() else { return Ok(()) };
        // The call drops the closure as well, because it may be the last owner of the values in the closure.
        let result = user_code::call(context, "a handler for a receiver's queue", move || wake_up());
        if result == Err(UserCodeError::Panicked) {
            let _ = user_code::catch(|| drop(self.disarm()));
        }
        result
    }

    /// Stops waking. Returns the closure, which the caller drops without a lock.
    pub fn disarm(&self) -> Option<WakeUp> {
        self.wake_up.lock().take()
    }
}

/// A descriptor that is readable while notifications wait: a pair of sockets that holds one byte or none. So neither side
/// ever blocks, and no count is needed.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Readiness {
    /// The end that the program waits on. Only [`set`](Self::set) reads from it.
    readable: Arc<UnixStream>,
    writable: UnixStream,
    is_readable: bool,
}

#[cfg(unix)]
impl Readiness {
    pub fn new() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        writable.set_nonblocking(true)?;
        Ok(Self { readable: Arc::new(readable), writable, is_readable: false })
    }

    pub fn descriptor(&self) -> Arc<UnixStream> {
        Arc::clone(&self.readable)
    }

    /// Makes the descriptor readable or unreadable. `WouldBlock` means that the descriptor has this state already, because
    /// the program has used the pair itself. After any other failure the next change tries again.
    pub fn set(&mut self, is_readable: bool) {
        if self.is_readable == is_readable {
            return;
        }
        let done = if is_readable { (&self.writable).write(&[0]) } else { (&*self.readable).read(&mut [0]) };
        if done.map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |_| true) {
            self.is_readable = is_readable;
        }
    }
}
