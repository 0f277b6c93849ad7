//! The way to end a reader, wherever it waits.

use std::net::Shutdown;

use socket2::Socket;

use crate::sync::{Mutex, Receiver, Sender, bounded};

/// Shared by a reader and those who may end it.
///
/// A reader waits in name resolution or for room in a queue, which watch the [`signal`](Self::signal), or on a socket:
/// connecting, handshakes and `peek` all end when the socket is shut down.
pub(crate) struct Stop {
    signal: Receiver<()>,
    state: Mutex<State>,
}

struct State {
    /// Dropping it makes the signal ready for everybody. `None` once the reader is to end.
    pending: Option<Sender<()>>,
    /// The sockets that are being connected, by the number of their attempt; later the one that is used.
    sockets: Vec<(usize, Socket)>,
    /// One of them is used, so that no other may be connected.
    won: bool,
}

impl Stop {
    pub(crate) fn new() -> Self {
        let (pending, signal) = bounded(0);
        Self { signal, state: Mutex::new(State { pending: Some(pending), sockets: Vec::new(), won: false }) }
    }

    /// Ends the reader; again and again is fine.
    pub(crate) fn set(&self) {
        let mut state = self.state.lock();
        state.pending = None;
        for (_, socket) in state.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.state.lock().pending.is_none()
    }

    /// Ready, by being disconnected, once the reader is to end.
    pub(crate) fn signal(&self) -> &Receiver<()> {
        &self.signal
    }

    /// Lets `set` shut this socket down too. False when it is too late, and the socket must not be used.
    pub(crate) fn watch(&self, attempt: usize, socket: Socket) -> bool {
        let mut state = self.state.lock();
        if state.pending.is_none() || state.won {
            return false;
        }
        state.sockets.push((attempt, socket));
        true
    }

    /// One attempt has won. The sockets of all others are shut down.
    pub(crate) fn keep_only(&self, winner: usize) {
        let mut state = self.state.lock();
        state.won = true;
        state.sockets.retain(|(attempt, socket)| {
            let keep = *attempt == winner;
            if !keep {
                let _ = socket.shutdown(Shutdown::Both);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Type};

    use super::*;

    fn socket() -> Socket {
        Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket")
    }

    #[test]
    fn r9_once_an_attempt_has_won_no_other_socket_may_be_connected() {
        let stop = Stop::new();
        assert!(stop.watch(0, socket()));
        assert!(stop.watch(1, socket()));
        stop.keep_only(0);
        assert!(!stop.watch(2, socket()));
    }

    #[test]
    fn r10_after_the_end_no_socket_may_be_connected() {
        let stop = Stop::new();
        stop.set();
        assert!(stop.is_set());
        assert!(!stop.watch(0, socket()));
        assert!(stop.signal().recv().is_err());
    }
}
