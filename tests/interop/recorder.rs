//! Records the events that a handler gets.

use std::{sync::mpsc, time::Instant};

use pusher_channels::Event;

use crate::{
    message::{Delivery, Message, assert_delivered},
    process::DEADLINE,
};

/// Records the events that a handler gets.
pub(crate) struct Recorder {
    name: &'static str,
    sender: mpsc::Sender<Delivery>,
    receiver: mpsc::Receiver<Delivery>,
    taken: Vec<Delivery>,
}

impl Recorder {
    pub(crate) fn new(name: &'static str) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { name, sender, receiver, taken: Vec::new() }
    }

    pub(crate) fn handler(&self) -> impl FnMut(&Event) + Send + 'static {
        let sender = self.sender.clone();
        move |event| {
            // Sending fails only after the test has failed.
            let _ = sender.send(delivery(event));
        }
    }

    /// Waits until as many events have arrived as were published. Panics with the first missing event if they do not.
    pub(crate) fn wait_for(&mut self, published: &[Message]) {
        let deadline = Instant::now() + DEADLINE;
        while self.taken.len() < published.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(delivery) = self.receiver.recv_timeout(left) else {
                return assert_delivered(self.name, published, &self.taken);
            };
            self.taken.push(delivery);
        }
    }

    /// Panics unless exactly these events have arrived so far.
    pub(crate) fn has(&mut self, published: &[Message]) {
        self.taken.extend(self.receiver.try_iter());
        assert_delivered(self.name, published, &self.taken);
    }

    pub(crate) fn finish(mut self) -> Vec<Delivery> {
        self.taken.extend(self.receiver.try_iter());
        self.taken
    }
}

pub(crate) fn delivery(event: &Event) -> Delivery {
    Delivery {
        channel: event.channel().unwrap_or_default().to_owned(),
        event: event.name().to_owned(),
        data: event.data().to_owned(),
    }
}
