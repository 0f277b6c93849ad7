//! A receiver to wait for among other descriptors.

use std::{
    fmt, io,
    ops::Deref,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use super::Receiver;

/// A [`Receiver`] with a descriptor that is readable while something waits, or the client is gone: for `poll`, `epoll`,
/// `kqueue`, and what is built on them, such as `mio`. Made by [`Receiver::pollable`]; it is used like the receiver that it
/// was made of.
///
/// Nobody needs to read from the descriptor, and nobody may. It stays readable until the receiver is empty, so who is told
/// of changes only (`EPOLLET`, `mio`) takes all that waits before waiting again. Now and then it is readable for something
/// that turns out to be of a channel that was unsubscribed meanwhile.
///
/// ```
/// use std::{os::fd::AsFd, time::Duration};
/// use pusher_channels::{Pusher, testing::TestServer};
/// # fn wait_until_readable(_: std::os::fd::BorrowedFd<'_>) {}
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let pusher = Pusher::new(server.config());
/// let receiver = pusher.receiver().pollable()?;
/// pusher.connect()?;
/// wait_until_readable(receiver.as_fd()); // by poll, beside other descriptors
/// for notification in receiver.try_iter() {
///     println!("{notification:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct PollableReceiver {
    receiver: Receiver,
    descriptor: Arc<UnixStream>,
}

impl Receiver {
    /// Gives the receiver a descriptor to wait on, beside others. Unix only.
    ///
    /// # Errors
    ///
    /// When the process may not open two more descriptors, or is a forked child.
    pub fn pollable(self) -> io::Result<PollableReceiver> {
        let queue = self.queue().ok_or_else(|| io::Error::other("the client belongs to the parent process"))?;
        let descriptor = queue.descriptor()?;
        Ok(PollableReceiver { receiver: self, descriptor })
    }
}

impl Deref for PollableReceiver {
    type Target = Receiver;

    fn deref(&self) -> &Receiver {
        &self.receiver
    }
}

impl AsFd for PollableReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for PollableReceiver {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl fmt::Debug for PollableReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollableReceiver").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}
