//! Queues of notifications, for receiving by pull.

use std::time::Duration;

use crate::{
    RecvTimeoutError, TryRecvError,
    capi::{
        events::notification::Notification,
        ffi::results::{self, Failure},
        internals,
    },
};

/// A receiver, as the functions of C use it.
pub(crate) struct Queue {
    receiver: crate::Receiver,
}

impl Queue {
    pub fn new(receiver: crate::Receiver) -> Self {
        Self { receiver }
    }

    /// The next notification. Waits for it for up to this time, or for ever if the time is negative.
    pub fn next(&self, timeout_ms: i32) -> Result<Notification, Failure> {
        // Looking up the handle has shown that this is no forked child. A notification that waits is taken without
        // reading the clock.
        match (internals::client::take_one(&self.receiver), timeout_ms) {
            (Ok(notification), _) => return Ok(Notification::new(notification)),
            (Err(TryRecvError::Closed), _) => return Err(Failure::Closed),
            (Err(TryRecvError::Empty), 0) => return Err(Failure::Nothing),
            (Err(TryRecvError::Empty), _) => {}
        }
        let next = match u64::try_from(timeout_ms) {
            Ok(time) => self.receiver.recv_timeout(Duration::from_millis(time)).map_err(|nothing| match nothing {
                RecvTimeoutError::Timeout => Failure::Nothing,
                RecvTimeoutError::Closed => Failure::Closed,
            }),
            Err(_) => self.receiver.recv().map_err(|_| Failure::Closed),
        };
        next.map(Notification::new)
    }

    #[cfg(unix)]
    pub fn descriptor(&self) -> Result<i32, Failure> {
        internals::client::descriptor(&self.receiver)
            .map_err(|error| Failure::Misuse(results::PUSHER_ERR_IO, error.to_string().into()))
    }

    #[cfg(not(unix))]
    pub fn descriptor(&self) -> Result<i32, Failure> {
        Err(Failure::Misuse(results::PUSHER_ERR_UNSUPPORTED, "there are no descriptors here".into()))
    }

    /// Ends all waiting for it, while other threads use it.
    pub fn close(&self) {
        internals::client::close(&self.receiver);
    }

    pub fn receiver(&self) -> &crate::Receiver {
        &self.receiver
    }
}
