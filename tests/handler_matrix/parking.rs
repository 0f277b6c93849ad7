//! User code that waits inside a call of the client until the test goes on.

use std::sync::{
    Arc, Mutex,
    mpsc::{self, Receiver, Sender},
};

use super::{code::Code, support::PATIENCE};

/// The work of the code that waits.
pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// The first call of the [`code`](Self::code) waits for a task and runs it. All later calls return at once.
#[derive(Clone)]
pub(crate) struct Parking(Arc<Shared>);

struct Shared {
    entered: Sender<()>,
    tasks: Mutex<Option<Receiver<Task>>>,
}

/// The test's side of a [`Parking`].
pub(crate) struct Parked {
    entries: Receiver<()>,
    tasks: Sender<Task>,
}

impl Parking {
    pub(crate) fn new() -> (Self, Parked) {
        let ((entered, entries), (tasks, task)) = (mpsc::channel(), mpsc::channel());
        (Self(Arc::new(Shared { entered, tasks: Mutex::new(Some(task)) })), Parked { entries, tasks })
    }

    pub(crate) fn code(&self) -> Code {
        let parking = self.clone();
        Code::new(move || parking.enter())
    }

    fn enter(&self) {
        let first = self.0.tasks.lock().expect("no panic").take();
        let Some(tasks) = first else { return };
        self.0.entered.send(()).unwrap_or_default();
        // If the test has failed meanwhile, there is no task.
        if let Ok(task) = tasks.recv() {
            task();
        }
    }
}

impl Parked {
    pub(crate) fn wait(&self) {
        self.entries.recv_timeout(PATIENCE).expect("the client calls the user's code");
    }

    pub(crate) fn release(self, task: impl FnOnce() + Send + 'static) {
        self.tasks.send(Box::new(task)).unwrap_or_default();
    }
}
