//! A queue that the program polls or waits on, for game loops and worker threads.

mod errors;
mod iter;
mod options;
#[cfg(unix)]
mod pollable;
mod typed;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    Event, Notification,
    event::Intent,
    io::{
        Core,
        guard::{fork::ForkGuard, user_code::CallContext},
        queues::queue::{Item, PopError, Queue},
    },
};

pub use errors::{Closed, RecvTimeoutError, TryRecvError};
pub use iter::{IntoIter, Iter};
pub use options::ReceiverOptions;
#[cfg(unix)]
pub use pollable::PollableReceiver;
pub use typed::{EventReceiver, IntoEvents};

/// All notifications of a client, or of one channel, since the receiver was made, in order.
///
/// A receiver has a queue of its own, so that a slow one delays neither handlers nor other receivers, unless its policy
/// is [`Overflow::Block`](crate::Overflow::Block). [`Config::queue_capacity`](crate::Config::queue_capacity) bounds the
/// queue. [`Config::overflow`](crate::Config::overflow) sets the policy for a full queue; by default it drops the
/// oldest events, and reports them in their place as [`Notification::Lagged`]. [`ReceiverOptions`] set both for one
/// receiver.
///
/// Every notification is accounted for: it was returned, [`dropped`](Self::dropped) or
/// [`superseded`](Self::superseded), still waits, or was skipped. It is skipped if its channel was unsubscribed, if the
/// client disconnected, or if the decoder of the program turned it into a kind that this receiver does not receive.
///
/// A receiver does not keep its client alive, and is closed in a forked child. Threads can share it; each notification
/// then goes to one of them. Notifications that an iterator has taken are not there for other threads. If the iterator
/// is dropped early, they get them after newer ones.
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
    process: ForkGuard,
    queue: Arc<Queue>,
    core: Weak<Core>,
}

impl Receiver {
    /// A receiver of all notifications, or of one channel.
    pub(crate) fn new(core: &Arc<Core>, channel: Option<Arc<Intent>>, options: ReceiverOptions) -> Self {
        let queue = core.fan_out.add_receiver(options.queue_options(&core.options().limits, channel));
        Self { process: core.process, queue, core: Arc::downgrade(core) }
    }

    /// A receiver without a client, for a forked child.
    pub(crate) fn closed() -> Self {
        Self { process: ForkGuard::current(), queue: Arc::new(Queue::closed()), core: Weak::new() }
    }

    /// The next notification, if one waits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when nothing waits, [`TryRecvError::Closed`] if the client has ended and nothing waits.
    pub fn try_recv(&self) -> Result<Notification, TryRecvError> {
        self.queue().ok_or(TryRecvError::Closed)?;
        self.take_one()
    }

    /// Like [`try_recv`](Self::try_recv), for a caller that has checked the process.
    pub(crate) fn take_one(&self) -> Result<Notification, TryRecvError> {
        self.queue.begin_poll();
        loop {
            match self.queue.try_pop() {
                Ok(item) => {
                    if let Some(notification) = self.wanted_item(item) {
                        return Ok(notification);
                    }
                }
                Err(PopError::Closed) => return Err(TryRecvError::Closed),
                Err(PopError::Empty | PopError::Woken) => return Err(TryRecvError::Empty),
            }
        }
    }

    /// The next notification; waits for it.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the client has ended and no notification waits.
    pub fn recv(&self) -> Result<Notification, Closed> {
        let queue = self.queue().ok_or(Closed)?;
        queue.begin_poll();
        queue.pop_within(None, |item| self.wanted_item(item)).map_err(|_| Closed)
    }

    /// The next notification; waits for it for up to this time.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is over, [`RecvTimeoutError::Closed`] if the client has ended and
    /// nothing waits.
    pub fn recv_timeout(&self, time: Duration) -> Result<Notification, RecvTimeoutError> {
        let queue = self.queue().ok_or(RecvTimeoutError::Closed)?;
        queue.begin_poll();
        queue.pop_within(Some(time), |item| self.wanted_item(item)).map_err(|error| match error {
            PopError::Closed => RecvTimeoutError::Closed,
            PopError::Empty | PopError::Woken => RecvTimeoutError::Timeout,
        })
    }

    /// The number of notifications that wait, without those that an iterator has taken. Some may be skipped later,
    /// because their channels were unsubscribed meanwhile.
    pub fn len(&self) -> usize {
        self.queue().map_or(0, |queue| queue.len())
    }

    /// Whether the client has ended, and no notification waits. This is final.
    pub fn is_closed(&self) -> bool {
        self.queue().is_none_or(|queue| queue.is_closed())
    }

    /// Whether no notification waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn wanted_item(&self, item: Item) -> Option<Notification> {
        match item {
            Item::Lagged(count) => Some(Notification::Lagged(count)),
            Item::Entry(batch, index) => self.wanted(&Event::new(batch, index)),
        }
    }

    /// The notification, unless its channel was unsubscribed (S3).
    fn wanted(&self, event: &Event) -> Option<Notification> {
        if !event.is_wanted() {
            return None;
        }
        let public = |event: &Event| event.notice().cloned().unwrap_or_else(|| Notification::Event(event.clone()));
        let decoded = event.encoded().and_then(|_| self.core.upgrade()?.decoded(event));
        match decoded {
            None => Some(public(event)),
            // Decoding may have turned it into another kind.
            Some(decoded) => Some(public(&decoded)).filter(|notification| self.queue.selection().wants(notification)),
        }
    }

    /// The number of notifications that were dropped so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.dropped())
    }

    /// The number of events that were superseded so far: with [`Overflow::KeepLatest`](crate::Overflow::KeepLatest), a
    /// newer one of the same channel, name and sender arrived before they were taken.
    pub fn superseded(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.superseded())
    }

    /// A descriptor that is readable while a notification waits. It lasts as long as the receiver.
    #[cfg(all(unix, feature = "capi"))]
    pub(crate) fn descriptor(&self) -> std::io::Result<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;

        // The queue keeps it open.
        self.queue.descriptor().map(|descriptor| descriptor.as_raw_fd())
    }

    /// Accepts no more notifications, and ends all waiting. Waiting notifications can still be taken.
    pub(crate) fn close(&self) {
        if let Some(core) = self.core.upgrade().filter(|_| self.process.is_current()) {
            core.fan_out.remove_receiver(&self.queue);
        }
    }

    /// Calls the program's wake-up.
    fn notify(&self) {
        match self.core.upgrade() {
            Some(core) => core.fan_out.notify(&self.queue),
            // A panic is logged; the client that would report it has ended.
            None => {
                let _ = self.queue.notify(CallContext::new(self.process));
            }
        }
    }

    /// `None` in a forked child, where the queue's lock may be held by a thread that is not there (H7).
    fn queue(&self) -> Option<&Queue> {
        self.process.is_current().then_some(&*self.queue)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
