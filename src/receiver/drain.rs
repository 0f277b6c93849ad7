//! Taking many notifications at once.

use super::Receiver;
use crate::{
    Event, Notification,
    io::queue::{Segment, Step, Taken},
};

/// Takes from the queue batch by batch, which spares a lock for each notification. What it has not handed out when it is
/// dropped goes back, in its place.
pub(super) struct Drain<'a> {
    receiver: &'a Receiver,
    held: Option<(Segment, Event)>,
    /// How many of those that waited at the beginning are left. What comes meanwhile is for the next call, so that a frame
    /// ends however fast the server sends.
    waiting: usize,
    /// How many may still be handed out.
    room: usize,
    /// Whether there may be a loss after all that waited.
    may_end_in_loss: bool,
}

impl<'a> Drain<'a> {
    pub(super) fn new(receiver: &'a Receiver, room: usize) -> Self {
        receiver.queue.looked();
        let waiting = receiver.queue.len();
        Self { receiver, held: None, waiting, room, may_end_in_loss: waiting > 0 }
    }

    /// The next notification of what waits, `None` where nobody wants it any more.
    fn step(&mut self) -> Option<Option<Notification>> {
        let step = loop {
            match &mut self.held {
                Some((segment, _)) => match segment.step() {
                    Some(step) => break step,
                    None => self.held = None,
                },
                // Nothing is locked in a forked child (H7).
                None => match self.receiver.queue()?.try_take().ok()? {
                    Taken::Lagged(count) => break Step::Lost(count),
                    Taken::Segment(segment) => {
                        let event = Event::new(segment.batch().clone(), 0);
                        self.held = Some((segment, event));
                    }
                },
            }
        };
        match (step, &mut self.held) {
            (Step::Entry(index), Some((_, event))) => {
                self.waiting -= 1;
                event.set_index(index);
                Some(self.receiver.wanted(event))
            }
            (Step::Lost(count), _) => Some(Some(Notification::Lagged(count))),
            (Step::Entry(_), None) => None,
        }
    }

    /// What was dropped after the last that waited belongs to it.
    fn loss_at_the_end(&mut self) -> Option<Notification> {
        let is_used_up = self.held.as_ref().is_none_or(|(segment, _)| segment.left() == 0);
        let may = std::mem::take(&mut self.may_end_in_loss) && self.room > 0 && is_used_up;
        self.receiver.queue().filter(|_| may)?.take_loss().map(Notification::Lagged)
    }
}

impl Iterator for Drain<'_> {
    type Item = Notification;

    fn next(&mut self) -> Option<Notification> {
        while self.waiting > 0 && self.room > 0 {
            let notification = self.step()?;
            if notification.is_some() {
                self.room -= 1;
                return notification;
            }
        }
        self.loss_at_the_end()
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        if let (Some((segment, _)), Some(queue)) = (self.held.take(), self.receiver.queue()) {
            queue.put_back(segment);
        }
    }
}
