//! A descriptor that is readable while something waits.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
};

/// The queue's side of it. One byte lies in the pair of sockets, or none: so neither side ever blocks, and nobody has to
/// count.
#[derive(Debug)]
pub(crate) struct Readiness {
    /// The end that the user waits on, and that nobody else reads from.
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

    /// Makes the descriptor readable, or not. Where it would block, somebody else has been at it, and it is so already. Any
    /// other failure, of which none is known, is made up for by the next change.
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
