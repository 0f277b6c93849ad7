//! A receiver of decoded events.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::de::DeserializeOwned;

use super::{Closed, Receiver, RecvTimeoutError, TryRecvError};
use crate::{Error, Notification};

/// The data of one event of a channel, decoded from JSON: [`Channel::events_as`](crate::Channel::events_as). Data that is
/// not a `T` is [`Error::Decode`], and a loss because of a full queue is [`Error::Lagged`]; neither ends the receiver.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::{Pusher, testing::TestServer};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let pusher = Pusher::new(server.config()).connect()?;
/// let channel = pusher.channel("orders")?;
/// let orders = channel.events_as::<Order>("placed");
/// channel.subscribe().wait_subscribed(Duration::from_secs(5))?;
/// # server.trigger("orders", "placed", r#"{"id": 7}"#);
/// let order = orders.recv()??;
/// assert_eq!(order.id, 7);
/// # Ok(())
/// # }
/// ```
pub struct EventReceiver<T> {
    receiver: Receiver,
    decoded: PhantomData<fn() -> T>,
}

/// The decoded events of an [`EventReceiver`] that it owns, one after another, until the client has ended.
#[derive(Debug)]
pub struct IntoEvents<T>(EventReceiver<T>);

impl<T: DeserializeOwned> EventReceiver<T> {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self { receiver, decoded: PhantomData }
    }

    /// The next event, if one waits. Never blocks.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when nothing waits, [`TryRecvError::Closed`] if the client has ended and no event waits.
    pub fn try_recv(&self) -> Result<Result<T, Error>, TryRecvError> {
        loop {
            if let Some(decoded) = decoded(self.receiver.try_recv()?) {
                return Ok(decoded);
            }
        }
    }

    /// The next event; waits for it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the client has ended and no event waits.
    pub fn recv(&self) -> Result<Result<T, Error>, Closed> {
        loop {
            if let Some(decoded) = decoded(self.receiver.recv()?) {
                return Ok(decoded);
            }
        }
    }

    /// The next event; waits for it for up to this time.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] if no event came in time, [`RecvTimeoutError::Closed`] if the client has ended and
    /// no event waits.
    pub fn recv_timeout(&self, time: Duration) -> Result<Result<T, Error>, RecvTimeoutError> {
        // The receiver gets only events of one name and losses, so this makes one call.
        loop {
            if let Some(decoded) = decoded(self.receiver.recv_timeout(time)?) {
                return Ok(decoded);
            }
        }
    }

    /// The number of events that wait, without losses.
    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Whether the client has ended, and no event waits. This is final.
    pub fn is_closed(&self) -> bool {
        self.receiver.is_closed()
    }

    /// The number of events that were dropped so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.receiver.dropped()
    }

    /// The events that wait at this moment, one after another, without blocking.
    pub fn try_iter(&self) -> impl Iterator<Item = Result<T, Error>> {
        self.receiver.try_iter().filter_map(decoded)
    }

    /// Events one after another, waiting for each, until the client has ended.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, Error>> {
        self.receiver.iter().filter_map(decoded)
    }
}

/// Events one after another, waiting for each, until the client has ended.
impl<T: DeserializeOwned> Iterator for IntoEvents<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}

impl<T: DeserializeOwned> IntoIterator for EventReceiver<T> {
    type Item = Result<T, Error>;
    type IntoIter = IntoEvents<T>;

    fn into_iter(self) -> IntoEvents<T> {
        IntoEvents(self)
    }
}

/// `None` for other kinds of notifications.
fn decoded<T: DeserializeOwned>(notification: Notification) -> Option<Result<T, Error>> {
    if let Notification::Lagged(dropped) = notification {
        return Some(Err(Error::Lagged { dropped }));
    }
    if let Notification::Event(event) = notification { Some(event.json()) } else { None }
}

impl<T> fmt::Debug for EventReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").field("len", &self.receiver.len()).finish_non_exhaustive()
    }
}
