//! What a handler is given, collected for the test.

use std::{sync::mpsc, time::Instant};

use pusher_channels::Event;

use crate::{
    message::{Delivery, Message, assert_delivered},
    process::DEADLINE,
};

/// Collects what a handler is given.
pub(crate) struct Tap {
    name: &'static str,
    sender: mpsc::Sender<Delivery>,
    receiver: mpsc::Receiver<Delivery>,
    taken: Vec<Delivery>,
}

impl Tap {
    pub(crate) fn new(name: &'static str) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { name, sender, receiver, taken: Vec::new() }
    }

    pub(crate) fn handler(&self) -> impl FnMut(&Event) + Send + 'static {
        let sender = self.sender.clone();
        move |event| {
            // The test has failed already when nobody takes it any more.
            let _ = sender.send(delivery(event));
        }
    }

    /// Waits until as many have come as were published, and panics with what is missing when they do not come.
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

    /// Panics unless this is all that has come so far.
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
