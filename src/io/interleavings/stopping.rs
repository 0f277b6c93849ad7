//! `Stop` against a reader that registers its sockets.

use std::{
    io::{ErrorKind, Read},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::Arc,
};

use super::{
    super::{stop::Stop, wire::Closer},
    explore,
};
use crate::sync::thread;

/// The other end of a socket that a reader has registered.
struct Peer(UnixStream);

impl Peer {
    /// Registers a socket for an attempt. `None` when it must not be used.
    fn register(stop: &Stop, attempt: usize) -> Option<Self> {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        theirs.set_nonblocking(true).expect("an open socket");
        let closer = Closer::new(move || ours.shutdown(Shutdown::Both).unwrap_or_default());
        stop.watch(attempt, closer).then_some(Self(theirs))
    }

    fn is_shut_down(mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn r10_no_socket_outlives_a_stop() {
    explore("stop against a reader that registers sockets", 5_000, || {
        let stop = Arc::new(Stop::new());
        let attempts = [0, 1].map(|attempt| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || Peer::register(&stop, attempt))
        });
        let winner = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || stop.keep_only(0))
        };
        let waiting = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || assert!(stop.signal().recv().is_err() && stop.is_set()))
        };
        stop.set();
        winner.join().expect("no panic");
        waiting.join().expect("whoever waits for the signal is woken");
        for attempt in attempts {
            // The socket may be registered by now, and is shut down; or it was too late.
            let registered = attempt.join().expect("no panic");
            assert!(registered.is_none_or(Peer::is_shut_down), "a socket stays open");
        }
        assert!(Peer::register(&stop, 2).is_none());
    });
}

#[test]
fn r9_one_socket_at_most_is_kept() {
    explore("the winner of two attempts against the other", 5_000, || {
        let stop = Arc::new(Stop::new());
        let attempts = [0, 1].map(|attempt| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let peer = Peer::register(&stop, attempt);
                if attempt == 0 {
                    stop.keep_only(0);
                }
                peer
            })
        });
        let [first, second] = attempts.map(|attempt| attempt.join().expect("no panic"));
        assert!(first.is_some_and(|peer| !peer.is_shut_down()), "the winner's socket is used");
        assert!(second.is_none_or(Peer::is_shut_down), "the other one's is not");
    });
}
