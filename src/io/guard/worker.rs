//! A thread that can be waited for with a time limit.

use std::{convert::Infallible, sync::Arc, time::Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::user_code::BusyFlag;
use crate::{
    Error, panic_hook,
    sync::{
        Receiver, bounded,
        thread::{self, JoinHandle, ThreadId},
    },
};

pub(crate) struct Worker {
    handle: JoinHandle<()>,
    /// Disconnected once the thread has done its work.
    done: Receiver<Infallible>,
    /// Set while the thread runs code of the program.
    busy: BusyFlag,
}

impl Worker {
    pub fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self, Error> {
        let (alive, done) = bounded(0);
        let busy = BusyFlag::default();
        let flag = busy.clone();
        let body = move || {
            let _alive = alive;
            flag.attach();
            work();
        };
        match thread::Builder::new().name(name.to_owned()).spawn(panic_hook::inherited(body)) {
            Ok(handle) => Ok(Self { handle, done, busy }),
            Err(source) => Err(Error::Thread { name, source: Arc::new(source) }),
        }
    }

    pub fn id(&self) -> ThreadId {
        self.handle.thread().id()
    }

    /// Whether the thread runs code of the program, which may take any time.
    pub fn runs_user_code(&self) -> bool {
        self.busy.is_set()
    }

    /// Whether the thread has done its work, so joining it takes no time.
    pub fn is_done(&self) -> bool {
        self.done.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// The end of the work, to wait for without owning the thread.
    pub fn end(&self) -> End {
        End(self.done.clone())
    }

    /// Joins the thread if it ends before the deadline. A later thread is detached, and ends by itself.
    pub fn join_until(self, deadline: Instant) -> bool {
        // A panic was reported where it happened. Here it only means that the thread has ended.
        self.end().wait_until(deadline) && self.handle.join().is_ok()
    }
}

/// The end of a thread's work.
pub(crate) struct End(Receiver<Infallible>);

impl End {
    /// True if the work ended before the deadline.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.0.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}
