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
/// of changes only (`EPOLLET`, `mio`) takes with [`try_recv`](Receiver::try_recv) until that says
/// [`Empty`](crate::TryRecvError::Empty) before waiting again: one [`try_iter`](Receiver::try_iter) leaves what came
/// meanwhile. Who takes by `try_iter` alone asks [`is_closed`](Receiver::is_closed), because at the end the descriptor stays
/// readable for ever. Now and then it is readable for something that turns out to be of a channel that was unsubscribed
/// meanwhile. In a forked child the descriptor is the parent's, and says nothing of the child's receiver, which is closed.
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
/// while !receiver.is_closed() {
///     wait_until_readable(receiver.as_fd()); // by poll, beside other descriptors
///     for notification in receiver.try_iter() {
///         println!("{notification:?}");
///     }
///     # break;
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
