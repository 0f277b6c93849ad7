//! The reasons why a receiver returns no notification.

use std::fmt;

/// The client has ended, and no notification waits. This is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// The reason why [`Receiver::try_recv`](crate::Receiver::try_recv) returned no notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// No notification waits.
    Empty,
    /// The client has ended, and no notification waits. This is final.
    Closed,
}

/// The reason why [`Receiver::recv_timeout`](crate::Receiver::recv_timeout) returned no notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// No notification arrived in time.
    Timeout,
    /// The client has ended, and no notification waits. This is final.
    Closed,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has ended and no notification waits")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no notification waits"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no notification arrived in time"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl std::error::Error for Closed {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvTimeoutError {}
