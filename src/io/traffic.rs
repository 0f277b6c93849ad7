//! The bytes that have gone over the network.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted at the socket, so that what TLS and WebSocket add is in it: it is what a bill for traffic counts, too.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn total_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}
