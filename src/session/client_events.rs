//! Events that this client sends to the other subscribers of a channel.

use std::{collections::VecDeque, time::Instant};

use super::{
    channels::Subscriptions,
    interface::{ClientEvent, Settings},
    limits::unanswered::Sent,
};
use crate::{
    Error,
    delivery::client_event_pacing::{ClientEventPace, PaceNote},
    event::Batch,
};

/// The client events that wait to be sent, in the order of the calls. The threads that trigger
/// events bound their number.
pub(crate) struct Outbox {
    waiting: VecDeque<ClientEvent>,
    pace: ClientEventPace,
    /// The changes of the pace that were not taken yet.
    notes: Vec<PaceNote>,
    /// Whether the socket is still taking the newest message.
    is_writing: bool,
}

impl Outbox {
    pub fn new(settings: &Settings) -> Self {
        let pace = ClientEventPace::new(settings.client_event_limit, settings.client_event_patience);
        Self { waiting: VecDeque::new(), pace, notes: Vec::new(), is_writing: false }
    }

    /// Takes an event that is to be sent when its turn comes.
    pub fn push(&mut self, event: ClientEvent) {
        self.pace.accept();
        self.waiting.push_back(event);
    }

    /// The changes of the pace since the last call.
    pub fn take_notes(&mut self) -> Vec<PaceNote> {
        std::mem::take(&mut self.notes)
    }

    fn note(&mut self, note: PaceNote) {
        self.pace.apply(note);
        self.notes.push(note);
    }

    /// The message of the next event that may be written now and whose channel is still subscribed, and its entry for
    /// the unanswered.
    pub fn next(&mut self, subscriptions: &Subscriptions, batch: &mut Batch, now: Instant) -> Option<(Sent, String)> {
        while self.deadline()? <= now {
            let event = self.waiting.pop_front()?;
            if subscriptions.is_subscribed(&event.channel) {
                let sent = event.sent();
                self.note(PaceNote::Written { triggered: event.triggered, at: now });
                self.is_writing = true;
                return Some((sent, event.text));
            }
            // The server has ended the subscription.
            self.note(PaceNote::Dropped);
            batch.push_error(not_subscribed(&event));
        }
        None
    }

    /// When the first message that waits may be written.
    pub fn deadline(&self) -> Option<Instant> {
        let first = self.waiting.front()?;
        Some(self.pace.next_write().unwrap_or(first.triggered))
    }

    /// The socket has taken all messages. The limit counts writes, so that this is the time that counts.
    pub fn written(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_writing) {
            self.note(PaceNote::Postponed { at: now });
        }
    }

    /// Nothing is sent on a channel after its unsubscribe, and not on a later subscription of it either (T1).
    pub fn drop_unsubscribed(&mut self, subscriptions: &Subscriptions, batch: &mut Batch) {
        let before = self.waiting.len();
        self.waiting.retain(|event| {
            let is_subscribed = subscriptions.is_subscribed(&event.channel);
            if !is_subscribed {
                batch.push_error(not_subscribed(event));
            }
            is_subscribed
        });
        (self.waiting.len()..before).for_each(|_| self.note(PaceNote::Dropped));
    }

    /// Nothing is sent on another connection than the one it was meant for.
    pub fn end_connection(&mut self, batch: &mut Batch) {
        self.is_writing = false;
        while let Some(event) = self.waiting.pop_front() {
            self.note(PaceNote::Dropped);
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
        Sent::ClientEvent { channel: self.channel.intent.name().clone(), event: self.name.clone(), size: self.size }
    }
}

fn not_subscribed(event: &ClientEvent) -> Error {
    Error::NotSubscribed { channel: event.channel.intent.name().to_string() }
}
