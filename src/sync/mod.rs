//! Locks, channels, atomics and threads.
//!
//! They are those of parking_lot, crossbeam and the standard library. Unit tests that are built with `--cfg shuttle`
//! use the types of a model checker under the same names. It runs the hand-offs between threads in thousands of orders.

#[cfg(all(test, shuttle))]
pub(crate) mod model;

#[cfg(not(all(test, shuttle)))]
pub(crate) use {
    crossbeam_channel::{Receiver, Sender, bounded, select_biased, unbounded},
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::{sync::atomic, thread, thread_local},
};

#[cfg(all(test, shuttle))]
pub(crate) use {
    model::{Condvar, Mutex, MutexGuard, Receiver, Sender, bounded, select_biased, unbounded},
    shuttle::{sync::atomic, thread, thread_local},
};

/// Both ends of a channel, for an owner that sends and receives.
pub(crate) struct ChannelPair<T> {
    pub sender: Sender<T>,
    pub receiver: Receiver<T>,
}

impl<T> ChannelPair<T> {
    /// A channel that never blocks a sender.
    pub fn unbounded() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }

    /// A channel for one message.
    pub fn of_one() -> Self {
        let (sender, receiver) = bounded(1);
        Self { sender, receiver }
    }
}
