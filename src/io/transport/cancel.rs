//! The way to end an attempt to connect, and the connection that comes of it, wherever it waits.

use super::halves::CloseHandle;
use crate::sync::{Mutex, Receiver, Sender, bounded};

/// Shared by a thread that connects and reads, and those who may end that.
///
/// It waits in name resolution or for room in a queue, which watch the [`signal`](Self::signal), or on a stream: connecting,
/// handshakes and reads all end when the stream is closed.
pub(crate) struct CancelToken {
    signal: Receiver<()>,
    state: Mutex<Watched>,
}

struct Watched {
    /// Dropping it makes the signal ready for everybody. `None` once it is to end.
    pending: Option<Sender<()>>,
    /// The streams that are being connected, by the number of their attempt; later the one that is used.
    streams: Vec<(usize, CloseHandle)>,
    /// One of them is used, so that no other may be connected.
    won: bool,
}

impl CancelToken {
    pub fn new() -> Self {
        let (pending, signal) = bounded(0);
        Self { signal, state: Mutex::new(Watched { pending: Some(pending), streams: Vec::new(), won: false }) }
    }

    /// Ends it; again and again is fine.
    pub fn set(&self) {
        let streams = {
            let mut state = self.state.lock();
            state.pending = None;
            std::mem::take(&mut state.streams)
        };
        // Without the lock, because the program's own closure may be among them.
        streams.iter().for_each(|(_, stream)| stream.close());
    }

    pub fn is_set(&self) -> bool {
        self.state.lock().pending.is_none()
    }

    /// Ready, by being disconnected, once it is to end.
    pub fn signal(&self) -> &Receiver<()> {
        &self.signal
    }

    /// Lets `set` close this stream too. False when it is too late, and the stream must not be used.
    pub fn watch(&self, attempt: usize, stream: CloseHandle) -> bool {
        let mut state = self.state.lock();
        if state.pending.is_none() || state.won {
            return false;
        }
        state.streams.push((attempt, stream));
        true
    }

    /// One attempt has won. The streams of all others are closed.
    pub fn keep_only(&self, winner: usize) {
        let others: Vec<_> = {
            let mut state = self.state.lock();
            state.won = true;
            let (kept, others) = std::mem::take(&mut state.streams).into_iter().partition(|(n, _)| *n == winner);
            state.streams = kept;
            others
        };
        others.iter().for_each(|(_, stream)| stream.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> CloseHandle {
        CloseHandle::new(|| ())
    }

    #[test]
    fn r9_once_an_attempt_has_won_no_other_socket_may_be_connected() {
        let cancel = CancelToken::new();
        assert!(cancel.watch(0, stream()));
        assert!(cancel.watch(1, stream()));
        cancel.keep_only(0);
        assert!(!cancel.watch(2, stream()));
    }

    #[test]
    fn r10_after_the_end_no_socket_may_be_connected() {
        let cancel = CancelToken::new();
        cancel.set();
        assert!(cancel.is_set());
        assert!(!cancel.watch(0, stream()));
        assert!(cancel.signal().recv().is_err());
    }
}
