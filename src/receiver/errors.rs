//! Why a receiver brought nothing.

use std::fmt;

/// The client is gone and nothing waits. This is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Why [`Receiver::try_recv`](crate::Receiver::try_recv) brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing waits.
    Empty,
    /// The client is gone and nothing waits. This is final.
    Closed,
}

/// Why [`Receiver::recv_timeout`](crate::Receiver::recv_timeout) brought nothing.
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
