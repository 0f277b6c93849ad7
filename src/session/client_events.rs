//! Events that this client sends to the other subscribers of a channel.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    Error, Name,
    event::{Batch, Interest, Place},
};

use super::{Session, Subscriptions, ledger::Sent};

/// A client event that has passed all checks which need no session.
#[derive(Debug)]
pub(crate) struct ClientEvent {
    pub(crate) channel: Arc<Interest>,
    /// The wish for the channel of that moment.
    pub(crate) epoch: u64,
    /// The name of the event, and how many bytes of data it has: a refusal tells them.
    pub(crate) name: Name,
    pub(crate) size: usize,
    /// The message as it goes out.
    pub(crate) text: String,
    /// Given back once the message is handed to the socket, or dropped.
    pub(crate) place: Place,
}

/// What waits to be sent. The places bound it.
#[derive(Default)]
pub(super) struct Outbox(VecDeque<ClientEvent>);

impl Outbox {
    /// The next one whose channel is still subscribed.
    pub(super) fn next(&mut self, subscriptions: &Subscriptions, batch: &mut Batch) -> Option<ClientEvent> {
        while let Some(event) = self.0.pop_front() {
            if subscriptions.is_subscribed(&event.channel, event.epoch) {
                return Some(event);
            }
            batch.push_error(not_subscribed(&event));
        }
        None
    }

    /// Nothing is sent on another connection than the one it was meant for.
    pub(super) fn end_connection(&mut self, batch: &mut Batch) {
        for event in self.0.drain(..) {
            batch.push_error(not_subscribed(&event));
        }
    }

    #[cfg(any(fuzzing, test))]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ClientEvent {
    pub(super) fn sent(&self) -> Sent {
        Sent::ClientEvent { channel: self.channel.name().clone(), event: self.name.clone(), size: self.size }
    }
}

impl Session {
    /// The caller has seen the channel subscribed. If that has changed by the time it would be sent, it is reported (T1).
    pub(super) fn trigger(&mut self, event: ClientEvent) {
        self.client_events.0.push_back(event);
        if !self.is_connected() {
            self.client_events.end_connection(&mut self.batch);
        }
    }
}

fn not_subscribed(event: &ClientEvent) -> Error {
    Error::NotSubscribed { channel: event.channel.name().to_string() }
}
