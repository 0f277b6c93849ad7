//! Events that this client sends to the other subscribers of a channel.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{Session, Settings, Subscriptions, limits::unanswered::Sent};
use crate::{
    Error, Name,
    delivery::client_event_pacing::{ClientEventPacing, ClientEventPermit},
    event::{Batch, Intent},
};

/// A client event that has passed all checks which need no session.
#[derive(Debug)]
pub(crate) struct ClientEvent {
    pub channel: Arc<Intent>,
    /// The wish for the channel of that moment.
    pub epoch: u64,
    /// The name of the event, and the size of its data in bytes: a refusal reports them.
    pub name: Name,
    pub size: usize,
    /// The message as it goes out.
    pub text: String,
    /// Given back once the message is handed to the socket, or dropped.
    pub permit: ClientEventPermit,
}

/// The client events that wait to be sent, in the order of the calls. The permits bound their number.
pub(crate) struct Outbox {
    waiting: VecDeque<ClientEvent>,
    pacing: Arc<ClientEventPacing>,
    /// Whether the socket is still taking the newest message.
    is_writing: bool,
}

impl Outbox {
    pub fn new(settings: &Settings) -> Self {
        let pacing = ClientEventPacing::new(settings.client_event_limit, settings.client_event_patience);
        Self { waiting: VecDeque::new(), pacing, is_writing: false }
    }

    /// The message of the next event that may be written now and whose channel is still subscribed, and its entry for
    /// the unanswered.
    pub fn next(&mut self, subscriptions: &Subscriptions, batch: &mut Batch, now: Instant) -> Option<(Sent, String)> {
        while self.deadline()? <= now {
            let event = self.waiting.pop_front()?;
            if subscriptions.is_subscribed(&event.channel, event.epoch) {
                let sent = event.sent();
                event.permit.send(now);
                self.is_writing = true;
                return Some((sent, event.text));
            }
            // The server has ended the subscription.
            batch.push_error(not_subscribed(&event));
        }
        None
    }

    /// When the first message that waits may be written.
    pub fn deadline(&self) -> Option<Instant> {
        let first = self.waiting.front()?;
        Some(self.pacing.next_write().unwrap_or(first.permit.triggered()))
    }

    /// The socket has taken all messages. The limit counts writes, so that this is the time that counts.
    pub fn written(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_writing) {
            self.pacing.postpone_last_write(now);
        }
    }

    /// Nothing is sent on a channel after its unsubscribe, and not on a later subscription of it either (T1).
    pub fn drop_unsubscribed(&mut self, subscriptions: &Subscriptions, batch: &mut Batch) {
        self.waiting.retain(|event| {
            let is_subscribed = subscriptions.is_subscribed(&event.channel, event.epoch);
            if !is_subscribed {
                batch.push_error(not_subscribed(event));
            }
            is_subscribed
        });
    }

    /// Nothing is sent on another connection than the one it was meant for.
    pub fn end_connection(&mut self, batch: &mut Batch) {
        self.is_writing = false;
        for event in self.waiting.drain(..) {
            batch.push_error(not_subscribed(&event));
        }
    }

    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl ClientEvent {
    pub fn sent(&self) -> Sent {
        Sent::ClientEvent { channel: self.channel.name().clone(), event: self.name.clone(), size: self.size }
    }
}

impl Session {
    /// The caller has seen the channel subscribed. If that has changed by the time it would be sent, it is reported (T1).
    pub fn trigger(&mut self, event: ClientEvent) {
        self.client_events.waiting.push_back(event);
        if !self.is_connected() {
            self.client_events.end_connection(&mut self.batch);
        }
    }

    /// The pace of client events, for the threads that trigger them.
    pub fn pacing(&self) -> &Arc<ClientEventPacing> {
        &self.client_events.pacing
    }
}

fn not_subscribed(event: &ClientEvent) -> Error {
    Error::NotSubscribed { channel: event.channel.name().to_string() }
}
