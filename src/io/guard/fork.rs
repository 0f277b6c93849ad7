//! The process that a client belongs to.
//!
//! `fork` copies the memory of a process, but only the thread that calls it. The copy of a client has the descriptors of
//! the connection, which still belongs to the parent. Its locks may stay locked for ever, because the threads that held
//! them are missing. So every call of a handle begins with [`ForkGuard::check`], and in a child the client locks, sends
//! and shuts down nothing (H7).

use std::process;

use crate::Error;

/// The process that made a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForkGuard {
    id: u32,
}

impl ForkGuard {
    pub fn current() -> Self {
        Self { id: process::id() }
    }

    #[cfg(test)]
    pub fn of_another_process() -> Self {
        Self { id: process::id().wrapping_add(1) }
    }

    /// Asks the operating system each time, which takes about 0.1 µs. Memory cannot tell, because the child has a copy of
    /// it.
    pub fn is_current(self) -> bool {
        self.id == process::id()
    }

    pub fn check(self) -> Result<(), Error> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked) }
    }
}
