//! Cancellation of an attempt to connect, and of its connection.

use super::halves::CloseHandle;
use crate::sync::{Mutex, Receiver, Sender, bounded};

/// Shared by a thread that connects and reads, and by the threads that may end it.
///
/// Name resolution and the wait for room in a queue watch the [`signal`](Self::signal). Connecting, handshakes and reads
/// wait on a stream, and end when the token closes it.
pub(crate) struct CancelToken {
    signal: Receiver<()>,
    state: Mutex<Watched>,
}

struct Watched {
    /// Dropping it makes the signal ready for every receiver. `None` once the token is set.
    pending: Option<Sender<()>>,
    /// The streams that are being connected, by the number of their connect attempt. Later only the stream in use.
    streams: Vec<(usize, CloseHandle)>,
    /// One of them is in use, so no other may be connected.
    has_winner: bool,
}

impl CancelToken {
    pub fn new() -> Self {
        let (pending, signal) = bounded(0);
        Self { signal, state: Mutex::new(Watched { pending: Some(pending), streams: Vec::new(), has_winner: false }) }
    }

    /// Cancels. Further calls have no effect.
    pub fn set(&self) {
        let streams = {
            let mut state = self.state.lock();
            state.pending = None;
            std::mem::take(&mut state.streams)
        };
        // Without the lock, because closing a stream may call the program's own closure.
        streams.iter().for_each(|(_, stream)| stream.close());
    }

    pub fn is_set(&self) -> bool {
        self.state.lock().pending.is_none()
    }

    /// Disconnected, and so ready, once the token is set.
    pub fn signal(&self) -> &Receiver<()> {
        &self.signal
    }

    /// Lets [`set`](Self::set) close this stream too. False if that is too late, and the stream must not be used.
    pub fn watch(&self, attempt: usize, stream: CloseHandle) -> bool {
        let mut state = self.state.lock();
        if state.pending.is_none() || state.has_winner {
            return false;
        }
        state.streams.push((attempt, stream));
        true
    }

    /// The stream of this connect attempt is in use. Closes the streams of all others.
    pub fn keep_only(&self, winner: usize) {
        let others: Vec<_> = {
            let mut state = self.state.lock();
            state.has_winner = true;
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
    fn r9_after_one_attempt_has_won_no_other_socket_may_be_connected() {
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
