//! A thread that can be waited for with a time limit.

use std::{
    convert::Infallible,
    sync::Arc,
    thread::{self, JoinHandle, ThreadId},
    time::Instant,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::Error;

pub(crate) struct Worker {
    handle: JoinHandle<()>,
    /// Disconnected once the thread has done its work.
    done: Receiver<Infallible>,
}

impl Worker {
    pub(crate) fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self, Error> {
        let (alive, done) = bounded(0);
        let body = move || {
            let _alive = alive;
            work();
        };
        match thread::Builder::new().name(name.to_owned()).spawn(body) {
            Ok(handle) => Ok(Self { handle, done }),
            Err(source) => Err(Error::Thread { name, source: Arc::new(source) }),
        }
    }

    pub(crate) fn id(&self) -> ThreadId {
        self.handle.thread().id()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.handle.is_finished()
    }

    /// Joins the thread if it ends until then, else lets it go: it ends by itself.
    pub(crate) fn join_until(self, deadline: Instant) -> bool {
        let done = self.done.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected);
        // A panic has been reported where it happened; here it only means that the thread is gone.
        done && self.handle.join().is_ok()
    }
}
