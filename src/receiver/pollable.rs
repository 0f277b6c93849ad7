//! A receiver with a descriptor, to wait for beside other descriptors.

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

/// A [`Receiver`] with a descriptor that is readable while a notification waits, or the client has ended: for `poll`,
/// `epoll`, `kqueue`, and libraries on top of them, such as `mio`. [`Receiver::pollable`] makes it of a receiver, and
/// it has the same methods.
///
/// Do not read from the descriptor. It stays readable until the receiver is empty. An edge-triggered program
/// (`EPOLLET`, `mio`) calls [`try_recv`](Receiver::try_recv) until it returns [`Empty`](crate::TryRecvError::Empty),
/// and then waits again: a single [`try_iter`](Receiver::try_iter) leaves notifications that arrived meanwhile. A
/// program that only uses `try_iter` also checks [`is_closed`](Receiver::is_closed), because the descriptor stays
/// readable after the end. It may be readable for a notification that is then skipped, because its channel was
/// unsubscribed meanwhile. In a forked child the descriptor belongs to the parent, and the child's receiver is closed.
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
    /// Gives the receiver a descriptor to wait for, beside others. Unix only.
    ///
    /// # Errors
    ///
    /// An error if the process may not open two more descriptors, or is a forked child.
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
