//! Where the user's code waits, inside a call of the client's, until it is told what to do.

use std::sync::{
    Arc, Mutex,
    mpsc::{self, Receiver, Sender},
};

use super::{code::Code, support::PATIENCE};

/// What parked code is told to do.
pub(crate) type Errand = Box<dyn FnOnce() + Send>;

/// The first call of the [`code`](Self::code) parks, all others return at once.
#[derive(Clone)]
pub(crate) struct Parking(Arc<Place>);

struct Place {
    entered: Sender<()>,
    errands: Mutex<Option<Receiver<Errand>>>,
}

/// The other side of a [`Parking`].
pub(crate) struct Gate {
    entries: Receiver<()>,
    errands: Sender<Errand>,
}

impl Parking {
    pub(crate) fn new() -> (Self, Gate) {
        let ((entered, entries), (errands, errand)) = (mpsc::channel(), mpsc::channel());
        (Self(Arc::new(Place { entered, errands: Mutex::new(Some(errand)) })), Gate { entries, errands })
    }

    pub(crate) fn code(&self) -> Code {
        let parking = self.clone();
        Code::new(move || parking.enter())
    }

    fn enter(&self) {
        let first = self.0.errands.lock().expect("no panic").take();
        let Some(errands) = first else { return };
        self.0.entered.send(()).unwrap_or_default();
        // Where the test has failed meanwhile, there is none.
        if let Ok(errand) = errands.recv() {
            errand();
        }
    }
}

impl Gate {
    pub(crate) fn wait(&self) {
        self.entries.recv_timeout(PATIENCE).expect("the client calls the user's code");
    }

    pub(crate) fn release(self, errand: impl FnOnce() + Send + 'static) {
        self.errands.send(Box::new(errand)).unwrap_or_default();
    }
}
