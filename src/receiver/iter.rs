//! Iterators over notifications, which wait for each.

use super::Receiver;
use crate::Notification;

/// The notifications of a [`Receiver`], one after another, until the client is gone: [`Receiver::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a Receiver);

/// The notifications of a [`Receiver`] that it owns, one after another, until the client is gone.
#[derive(Debug)]
pub struct IntoIter(Receiver);

impl Receiver {
    /// Iterates over the notifications, waiting for each, until the client is gone. `for notification in &receiver` does the
    /// same.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self)
    }
}

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
