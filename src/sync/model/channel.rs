//! The channel, with the interface of crossbeam.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use shuttle::thread;

use super::lock::{Condvar, Mutex};

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), capacity, senders: 1, receivers: 1, watchers: Vec::new() };
    let channel = Arc::new(Channel { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

struct Channel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    messages: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
    /// The waits for several channels.
    watchers: Vec<Arc<WakeUp>>,
}

impl<T> Channel<T> {
    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        self.changed.notify_all();
        watchers.iter().for_each(|wake_up| wake_up.notify());
        result
    }
}

impl<T> State<T> {
    /// The result of a receive without waiting. `None` if it would have to wait.
    fn poll(&mut self) -> Option<Result<T, RecvError>> {
        match self.messages.pop_front() {
            Some(message) => Some(Ok(message)),
            None => (self.senders == 0).then_some(Err(RecvError)),
        }
    }

    fn is_ready(&self) -> bool {
        !self.messages.is_empty() || self.senders == 0
    }
}

impl<T> Sender<T> {
    /// Panics if it would have to wait: the crate uses `try_send` in this case.
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.try_send(message).map_err(|error| match error {
            TrySendError::Disconnected(message) => SendError(message),
            TrySendError::Full(_) => panic!("a send would have to wait"),
        })
    }

    /// Tries again and again, because a receiver notifies no sender of room.
    pub(crate) fn send_timeout(&self, message: T, _: Duration) -> Result<(), SendTimeoutError<T>> {
        let mut message = message;
        loop {
            message = match self.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(message)) => return Err(SendTimeoutError::Disconnected(message)),
                Err(TrySendError::Full(message)) if super::deadline_has_come() => {
                    return Err(SendTimeoutError::Timeout(message));
                }
                Err(TrySendError::Full(message)) => message,
            };
            thread::yield_now();
        }
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.change(|state| {
            if state.receivers == 0 {
                return Err(TrySendError::Disconnected(message));
            }
            if state.messages.len() >= state.capacity {
                return Err(TrySendError::Full(message));
            }
            state.messages.push_back(message);
            Ok(())
        })
    }
}

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.state.lock();
        loop {
            match state.poll() {
                Some(result) => return result,
                None => self.0.changed.wait(&mut state),
            }
        }
    }

    pub(crate) fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        let mut state = self.0.state.lock();
        loop {
            match state.poll() {
                Some(result) => return result.map_err(|RecvError| RecvTimeoutError::Disconnected),
                None if self.0.changed.wait_until(&mut state, deadline).timed_out() => {
                    return match state.poll() {
                        Some(result) => result.map_err(|RecvError| RecvTimeoutError::Disconnected),
                        None => Err(RecvTimeoutError::Timeout),
                    };
                }
                None => {}
            }
        }
    }

    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.poll() {
            Some(result) => result.map_err(|RecvError| TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    pub(crate) fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.state.lock().messages.is_empty()
    }

    pub(crate) fn poll(&self) -> Option<Result<T, RecvError>> {
        self.0.state.lock().poll()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().receivers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.change(|state| state.senders -= 1);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.change(|state| state.receivers -= 1);
    }
}

/// Wakes a thread that waits for several channels.
#[derive(Default)]
pub(crate) struct WakeUp {
    notified: Mutex<bool>,
    changed: Condvar,
}

impl WakeUp {
    fn notify(&self) {
        *self.notified.lock() = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut notified = self.notified.lock();
        while !*notified {
            self.changed.wait(&mut notified);
        }
    }
}

/// A channel that a thread can wait for together with others.
pub(crate) trait Watched {
    /// True if it is ready. Otherwise it notifies `wake_up` once it is ready.
    fn watch(&self, wake_up: &Arc<WakeUp>) -> bool;
}

impl<T> Watched for Receiver<T> {
    fn watch(&self, wake_up: &Arc<WakeUp>) -> bool {
        let mut state = self.0.state.lock();
        let is_ready = state.is_ready();
        if !is_ready {
            state.watchers.push(Arc::clone(wake_up));
        }
        is_ready
    }
}

impl<T> Watched for &Receiver<T> {
    fn watch(&self, wake_up: &Arc<WakeUp>) -> bool {
        (*self).watch(wake_up)
    }
}

/// Waits for the first ready channel. `None` if the deadline comes before.
pub(crate) fn select(receivers: &[&dyn Watched], has_deadline: bool) -> Option<usize> {
    loop {
        let wake_up = Arc::default();
        if let Some(ready) = receivers.iter().position(|receiver| receiver.watch(&wake_up)) {
            return Some(ready);
        }
        if has_deadline && super::deadline_has_come() {
            thread::yield_now();
            return None;
        }
        wake_up.wait();
    }
}

/// The cases that the crate uses: two receivers, and an optional deadline.
macro_rules! select_biased {
    (
        recv($first:expr) -> $a:pat => $on_first:expr,
        recv($second:expr) -> $b:pat => $on_second:expr
        $(, default($time:expr) => $on_time:expr)? $(,)?
    ) => {{
        let (first, second) = (&$first, &$second);
        let has_deadline = false $(|| { let _ = $time; true })?;
        #[allow(unreachable_code, reason = "an arm may return")]
        let done = loop {
            match $crate::sync::model::select(&[first, second], has_deadline) {
                // Another thread may have taken the message.
                Some(0) => if let Some(result) = first.poll() {
                    let $a = result;
                    break $on_first;
                },
                Some(_) => if let Some(result) = second.poll() {
                    let $b = result;
                    break $on_second;
                },
                None => { $(break $on_time;)? }
            }
        };
        done
    }};
}
pub(crate) use select_biased;
