//! `CancelToken` against a reader that registers its sockets.

use std::{
    io::{ErrorKind, Read},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::Arc,
};

use super::explore;
use crate::{
    io::transport::{cancel::CancelToken, halves::CloseHandle},
    sync::thread,
};

/// The other end of a socket that a reader has registered.
struct RegisteredSocket(UnixStream);

impl RegisteredSocket {
    /// Registers a socket for an attempt. `None` if the reader must not use it.
    fn register(cancel: &CancelToken, attempt: usize) -> Option<Self> {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        theirs.set_nonblocking(true).expect("an open socket");
        let close_handle = CloseHandle::new(move || ours.shutdown(Shutdown::Both).unwrap_or_default());
        cancel.watch(attempt, close_handle).then_some(Self(theirs))
    }

    fn is_shut_down(mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn r10_no_socket_outlives_a_cancellation() {
    explore("cancel against a reader that registers sockets", 5_000, || {
        let cancel = Arc::new(CancelToken::new());
        let attempts = [0, 1].map(|attempt| {
            let cancel = Arc::clone(&cancel);
            thread::spawn(move || RegisteredSocket::register(&cancel, attempt))
        });
        let winner = {
            let cancel = Arc::clone(&cancel);
            thread::spawn(move || cancel.keep_only(0))
        };
        let waiting = {
            let cancel = Arc::clone(&cancel);
            thread::spawn(move || assert!(cancel.signal().recv().is_err() && cancel.is_set()))
        };
        cancel.set();
        winner.join().expect("no panic");
        waiting.join().expect("a thread that waits for the signal is woken");
        for attempt in attempts {
            // The socket was registered in time and is shut down, or it was refused.
            let registered = attempt.join().expect("no panic");
            assert!(registered.is_none_or(RegisteredSocket::is_shut_down), "a socket stays open");
        }
        assert!(RegisteredSocket::register(&cancel, 2).is_none());
    });
}

#[test]
fn r9_at_most_one_socket_is_kept() {
    explore("the winner of two attempts against the other", 5_000, || {
        let cancel = Arc::new(CancelToken::new());
        let attempts = [0, 1].map(|attempt| {
            let cancel = Arc::clone(&cancel);
            thread::spawn(move || {
                let peer = RegisteredSocket::register(&cancel, attempt);
                if attempt == 0 {
                    cancel.keep_only(0);
                }
                peer
            })
        });
        let [first, second] = attempts.map(|attempt| attempt.join().expect("no panic"));
        assert!(first.is_some_and(|peer| !peer.is_shut_down()), "the winner's socket is used");
        assert!(second.is_none_or(RegisteredSocket::is_shut_down), "the socket of the other is shut down");
    });
}
