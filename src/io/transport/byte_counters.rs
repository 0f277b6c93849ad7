//! Counters of the bytes on the network.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The bytes at the socket, with those that TLS and WebSocket add.
#[derive(Debug, Default)]
pub(crate) struct ByteCounters {
    received: AtomicU64,
    sent: AtomicU64,
}

impl ByteCounters {
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn total_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}
