//! In which process a client lives.
//!
//! `fork` copies the memory of a process, but only the thread that calls it. The copy of a client has the descriptors of the
//! connection, which still belongs to the parent, and locks that nobody may ever open, because the threads that held them
//! are not there. So the way from a handle to what it works on leads through [`ForkGuard::check`]: in a child nothing is
//! locked, sent or shut down (H7).

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

    /// Asks the operating system each time, which takes about 0.1 µs: nothing else that is safe can tell, because a child
    /// remembers all that its parent knew.
    pub fn is_current(self) -> bool {
        self.id == process::id()
    }

    pub fn check(self) -> Result<(), Error> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked) }
    }
}
