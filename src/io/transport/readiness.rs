//! A descriptor that is readable while notifications wait.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
};

/// A pair of sockets that holds one byte or none. So neither side ever blocks, and no count is needed.
#[derive(Debug)]
pub(crate) struct Readiness {
    /// The end that the program waits on. Only [`set`](Self::set) reads from it.
    readable: Arc<UnixStream>,
    writable: UnixStream,
    is_readable: bool,
}

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
