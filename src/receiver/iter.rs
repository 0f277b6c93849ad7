//! Iterators over the notifications of a receiver: over those that wait now, and over all, waiting for each.

use std::collections::VecDeque;

use super::Receiver;
use crate::{
    Event, Notification,
    io::queues::queue::{Step, Taken},
};

impl Receiver {
    /// The notifications that wait now, one after another, without blocking. Later ones are for the next call, so that
    /// a frame of a game ends however fast the server sends. Notifications that the iterator has not returned when it
    /// is dropped stay in the queue.
    pub fn try_iter(&self) -> impl Iterator<Item = Notification> {
        Drain::new(self, usize::MAX)
    }

    /// Like [`try_iter`](Self::try_iter), for up to `max` notifications; the others stay. With
    /// [`Overflow::KeepLatest`](crate::Overflow::KeepLatest) use `try_iter` instead: a renewed event goes to the end of
    /// the queue each time, and `drain` might never come to it.
    pub fn drain(&self, max: usize) -> impl Iterator<Item = Notification> {
        Drain::new(self, max)
    }

    /// Iterates over the notifications, waiting for each, until the client has ended. `for notification in &receiver`
    /// does the same.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self)
    }
}

/// Takes many waiting notifications at a time, which saves a lock and a check of the process for each. Its drop puts
/// notifications that it has not returned back into their place.
struct Drain<'a> {
    receiver: &'a Receiver,
    held: VecDeque<Taken>,
    /// The event of the batch that is being returned: only its index changes.
    event: Option<Event>,
    /// The rest of the notifications that waited at the beginning. Later ones are for the next call, so that a frame of
    /// a game ends however fast the server sends.
    waiting: usize,
    /// The number of notifications that may still be returned.
    room: usize,
    /// The number of the poll that began before this iterator took anything.
    poll: usize,
    is_borrower: bool,
}

impl<'a> Drain<'a> {
    fn new(receiver: &'a Receiver, room: usize) -> Self {
        let poll = receiver.queue.begin_poll();
        let waiting = receiver.queue.len();
        Self { receiver, held: VecDeque::new(), event: None, waiting, room, poll, is_borrower: false }
    }

    /// False if there is nothing left to take.
    fn refill(&mut self) -> bool {
        if self.waiting == 0 {
            return false;
        }
        // Nothing is locked in a forked child (H7).
        let Some(queue) = self.receiver.queue() else { return false };
        if !std::mem::replace(&mut self.is_borrower, true) {
            queue.begin_taking();
        }
        let taken = queue.take_batches(self.waiting.min(self.room), &mut self.held);
        self.waiting = self.waiting.saturating_sub(taken);
        taken > 0
    }

    /// The next held notification. `None` if its channel was unsubscribed meanwhile.
    fn step(&mut self) -> Option<Notification> {
        let taken = self.held.front_mut()?;
        let step = match taken {
            Taken::Segment(segment) => segment.step(),
            Taken::Lagged(count) => Some(Step::Lost(std::mem::take(count))),
        };
        let notification = match (step, taken) {
            (Some(Step::Lost(count)), _) => Some(Notification::Lagged(count)),
            (Some(Step::Entry(index)), Taken::Segment(segment)) => {
                let event = self.event.get_or_insert_with(|| Event::new(segment.batch().clone(), index));
                event.set_index(index);
                self.receiver.wanted(event)
            }
            _ => None,
        };
        if self.held.front().is_some_and(Taken::is_used_up) {
            self.held.pop_front();
            self.event = None;
        }
        notification
    }
}

impl Iterator for Drain<'_> {
    type Item = Notification;

    fn next(&mut self) -> Option<Notification> {
        while self.room > 0 && (!self.held.is_empty() || self.refill()) {
            let notification = self.step();
            if notification.is_some() {
                self.room -= 1;
                return notification;
            }
        }
        None
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let gives_back = !self.held.is_empty();
        if gives_back {
            let Some(queue) = self.receiver.queue() else { return };
            queue.return_unused(&mut self.held);
        }
        // The fork check is left out, because nearly every iterator returns everything that it took.
        let is_the_end = self.is_borrower && self.receiver.queue.finish();
        let Some(queue) = (gives_back || is_the_end).then(|| self.receiver.queue()).flatten() else { return };
        if is_the_end {
            queue.notify_end();
        }
        // Another thread may have looked meanwhile, and gone to sleep.
        if queue.must_notify_again(self.poll) {
            self.receiver.notify();
        }
    }
}

/// The notifications of a [`Receiver`], one after another, until the client has ended: [`Receiver::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a Receiver);

/// The notifications of a [`Receiver`] that it owns, one after another, until the client has ended.
#[derive(Debug)]
pub struct IntoIter(Receiver);

impl Iterator for Iter<'_> {
    type Item = Notification;

    fn next(&mut self) -> Option<Notification> {
        self.0.recv().ok()
    }
}

impl Iterator for IntoIter {
    type Item = Notification;

    fn next(&mut self) -> Option<Notification> {
        self.0.recv().ok()
    }
}

impl<'a> IntoIterator for &'a Receiver {
    type Item = Notification;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Receiver {
    type Item = Notification;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}
