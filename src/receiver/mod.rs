//! A queue to poll, for game loops and for threads of one's own.

mod drain;
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
    receiver::drain::Drain,
};

pub use errors::{Closed, RecvTimeoutError, TryRecvError};
pub use iter::{IntoIter, Iter};
pub use options::ReceiverOptions;
#[cfg(unix)]
pub use pollable::PollableReceiver;
pub use typed::{EventReceiver, IntoEvents};

/// Everything that happens to a client, or to one channel, from the making of the receiver on, in order.
///
/// A receiver has a queue of its own, so that a slow one delays neither handlers nor other receivers, unless its policy is
/// [`Overflow::Block`](crate::Overflow::Block). The queue is bounded by
/// [`Config::queue_capacity`](crate::Config::queue_capacity); what happens when it is full is said by
/// [`Config::overflow`](crate::Config::overflow), and defaults to dropping the oldest events, which is reported in place
/// as [`Notification::Lagged`]. Each receiver may have it otherwise: [`ReceiverOptions`].
///
/// Whatever becomes of it, what was received is what was handed out, [`dropped`](Self::dropped),
/// [`superseded`](Self::superseded), still waits, or was skipped: because its channel was unsubscribed or the client
/// disconnected, or because the decoder of the program made another kind of it than the receiver is for.
///
/// A receiver does not keep its client alive, and is closed in a forked child. It can be shared between threads, each
/// notification then goes to one; what an iterator has taken meanwhile is not there for the others, and when it is dropped
/// early they get it after what followed it.
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
    /// Of everything, or of one channel.
    pub(crate) fn new(core: &Arc<Core>, channel: Option<Arc<Intent>>, options: ReceiverOptions) -> Self {
        let queue = core.fan_out.add_receiver(options.queue_options(core.config.limits(), channel));
        Self { process: core.process, queue, core: Arc::downgrade(core) }
    }

    /// Of no client, for a forked child, where there is none.
    pub(crate) fn closed() -> Self {
        Self { process: ForkGuard::current(), queue: Arc::new(Queue::closed()), core: Weak::new() }
    }

    /// The next notification, if one waits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when nothing waits, [`TryRecvError::Closed`] when the client is gone and nothing waits.
    pub fn try_recv(&self) -> Result<Notification, TryRecvError> {
        self.queue().ok_or(TryRecvError::Closed)?;
        self.take_one()
    }

    /// As [`try_recv`](Self::try_recv), for a caller who knows that this is no forked child.
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
    /// [`Closed`] when the client is gone and nothing waits.
    pub fn recv(&self) -> Result<Notification, Closed> {
        let queue = self.queue().ok_or(Closed)?;
        queue.begin_poll();
        queue.pop_within(None, |item| self.wanted_item(item)).map_err(|_| Closed)
    }

    /// The next notification; waits for it at most so long.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is over, [`RecvTimeoutError::Closed`] when the client is gone and nothing
    /// waits.
    pub fn recv_timeout(&self, time: Duration) -> Result<Notification, RecvTimeoutError> {
        let queue = self.queue().ok_or(RecvTimeoutError::Closed)?;
        queue.begin_poll();
        queue.pop_within(Some(time), |item| self.wanted_item(item)).map_err(|error| match error {
            PopError::Closed => RecvTimeoutError::Closed,
            PopError::Empty | PopError::Woken => RecvTimeoutError::Timeout,
        })
    }

    /// The notifications that wait at this moment, one after another, without blocking. What comes meanwhile is for the
    /// next call, so that a frame of a game ends however fast the server sends. What the iterator does not hand out before
    /// it is dropped stays.
    pub fn try_iter(&self) -> impl Iterator<Item = Notification> {
        Drain::new(self, usize::MAX)
    }

    /// As [`try_iter`](Self::try_iter), but at most so many: what is beyond that stays. With
    /// [`Overflow::KeepLatest`](crate::Overflow::KeepLatest) take all instead, because an event that is renewed goes to the
    /// end of the queue each time, and may stay beyond the number for ever.
    pub fn drain(&self, max: usize) -> impl Iterator<Item = Notification> {
        Drain::new(self, max)
    }

    /// How many notifications wait, without those that an iterator has taken and not handed out yet. Some of them may turn
    /// out to be of channels that were unsubscribed meanwhile, and are then skipped.
    pub fn len(&self) -> usize {
        self.queue().map_or(0, |queue| queue.len())
    }

    /// Whether the client is gone and nothing waits. This is final.
    pub fn is_closed(&self) -> bool {
        self.queue().is_none_or(|queue| queue.is_closed())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn wanted_item(&self, item: Item) -> Option<Notification> {
        match item {
            Item::Lagged(count) => Some(Notification::Lagged(count)),
            Item::Entry(batch, index) => self.wanted(&Event::new(batch, index)),
        }
    }

    /// In its public form, unless it was for a channel that is not wanted any more (S3).
    fn wanted(&self, event: &Event) -> Option<Notification> {
        if !event.is_wanted() {
            return None;
        }
        let public = |event: &Event| event.notice().cloned().unwrap_or_else(|| Notification::Event(event.clone()));
        let decoded = event.encoded().and_then(|_| self.core.upgrade()?.decoded(event));
        match decoded {
            None => Some(public(event)),
            // It may be another kind than it was thought to be.
            Some(decoded) => Some(public(&decoded)).filter(|notification| self.queue.selection().wants(notification)),
        }
    }

    /// How many notifications were dropped so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.dropped())
    }

    /// How many events were superseded so far: with [`Overflow::KeepLatest`](crate::Overflow::KeepLatest), a newer one of
    /// the same channel, name and sender came before they were taken.
    pub fn superseded(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.superseded())
    }

    /// A descriptor that is readable while something waits. It lasts as long as the receiver.
    #[cfg(all(unix, feature = "capi"))]
    pub(crate) fn descriptor(&self) -> std::io::Result<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;

        // The queue keeps it open.
        self.queue.descriptor().map(|descriptor| descriptor.as_raw_fd())
    }

    /// Takes no more in, and ends all waiting. What waits is still handed out.
    pub(crate) fn close(&self) {
        if let Some(core) = self.core.upgrade().filter(|_| self.process.is_current()) {
            core.fan_out.remove_receiver(&self.queue);
        }
    }

    /// Wakes the consumer of this receiver.
    fn notify(&self) {
        match self.core.upgrade() {
            Some(core) => core.fan_out.notify(&self.queue),
            // The client is gone, so that no report is possible. A panic is logged.
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
