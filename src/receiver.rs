//! A queue to poll, for game loops and for threads of one's own.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    Event, Notification,
    io::{
        Core, Decoding,
        process::Process,
        queue::{Item, Nothing, Queue},
    },
};

/// Everything that happens to a client from the making of the receiver on, in order.
///
/// A receiver has a queue of its own, so that a slow one delays neither handlers nor other receivers. The queue is
/// bounded by [`Config::queue_capacity`](crate::Config::queue_capacity); what happens when it is full is said by
/// [`Config::overflow`](crate::Config::overflow), and defaults to dropping the oldest events, which is reported in place
/// as [`Notification::Lagged`].
///
/// A receiver does not keep its client alive, and is closed in a forked child. It can be shared between threads, each notification then goes to one.
///
/// ```
/// use pusher_channels::{Notification, Pusher, testing::TestServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let pusher = Pusher::new(server.config()).connect()?;
/// let receiver = pusher.receiver();
/// pusher.subscribe("positions")?;
/// // Each frame of a game:
/// for notification in receiver.try_iter() {
///     match notification {
///         Notification::Event(event) => println!("{}: {}", event.name(), event.data()),
///         Notification::ConnectionStateChange(change) => println!("{}", change.current),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Receiver {
    process: Process,
    queue: Arc<Queue>,
    decoding: Option<Decoding>,
    core: Weak<Core>,
}

impl Receiver {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let decoding = core.decoding.clone();
        Self { process: core.process, queue: core.outlets.add_receiver(), decoding, core: Arc::downgrade(core) }
    }

    /// Of no client, for a forked child, where there is none.
    pub(crate) fn closed() -> Self {
        Self { process: Process::current(), queue: Arc::new(Queue::closed()), decoding: None, core: Weak::new() }
    }

    /// The next notification, if one waits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when nothing waits, [`TryRecvError::Closed`] when the client is gone and nothing waits.
    pub fn try_recv(&self) -> Result<Notification, TryRecvError> {
        let queue = self.queue().ok_or(TryRecvError::Closed)?;
        loop {
            match queue.try_pop() {
                Ok(item) => {
                    if let Some(notification) = self.wanted(item) {
                        return Ok(notification);
                    }
                }
                Err(Nothing::Closed) => return Err(TryRecvError::Closed),
                Err(Nothing::Empty | Nothing::Woken) => return Err(TryRecvError::Empty),
            }
        }
    }

    /// The next notification; waits for it.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the client is gone and nothing waits.
    pub fn recv(&self) -> Result<Notification, Closed> {
        let queue = self.queue().ok_or(Closed)?;
        queue.pop_within(None, |item| self.wanted(item)).map_err(|_| Closed)
    }

    /// The next notification; waits for it at most so long.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is over, [`RecvTimeoutError::Closed`] when the client is gone and nothing
    /// waits.
    pub fn recv_timeout(&self, time: Duration) -> Result<Notification, RecvTimeoutError> {
        let queue = self.queue().ok_or(RecvTimeoutError::Closed)?;
        queue.pop_within(Some(time), |item| self.wanted(item)).map_err(|nothing| match nothing {
            Nothing::Closed => RecvTimeoutError::Closed,
            Nothing::Empty | Nothing::Woken => RecvTimeoutError::Timeout,
        })
    }

    /// The notifications that wait, one after another, without blocking.
    pub fn try_iter(&self) -> impl Iterator<Item = Notification> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    /// Notifications one after another, waiting for each, until the client is gone.
    pub fn iter(&self) -> impl Iterator<Item = Notification> {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// How many notifications wait. Some of them may turn out to be of channels that were unsubscribed meanwhile, and are
    /// then skipped.
    pub fn len(&self) -> usize {
        self.queue().map_or(0, |queue| queue.len())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In its public form, unless it was for a channel that is not wanted any more (S3).
    fn wanted(&self, item: Item) -> Option<Notification> {
        let event = match item {
            Item::Lagged(count) => return Some(Notification::Lagged(count)),
            Item::Entry(batch, index) => Event::new(batch, index),
        };
        if !event.is_wanted() {
            return None;
        }
        let event = self.decoding.as_ref().and_then(|decoding| decoding.decode(&event)).unwrap_or(event);
        Some(event.notice().cloned().unwrap_or(Notification::Event(event)))
    }

    /// How many notifications were dropped so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.dropped())
    }

    /// `None` in a forked child, where the queue's lock may be held by a thread that is not there (H7).
    fn queue(&self) -> Option<&Queue> {
        self.process.is_current().then_some(&*self.queue)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade().filter(|_| self.process.is_current()) {
            core.outlets.remove_receiver(&self.queue);
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The client is gone and nothing waits. This is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Why [`Receiver::try_recv`] brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing waits.
    Empty,
    /// The client is gone and nothing waits. This is final.
    Closed,
}

/// Why [`Receiver::recv_timeout`] brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// Nothing came in time.
    Timeout,
    /// The client is gone and nothing waits. This is final.
    Closed,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is gone and nothing waits")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing waits"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("nothing came in time"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl std::error::Error for Closed {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvTimeoutError {}
