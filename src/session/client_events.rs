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

/// The client events that wait to be sent, in the order of the calls. `ClientEventPace::reserve` limits their number.
pub(crate) struct ClientEventQueue {
    waiting: VecDeque<ClientEvent>,
    pace: ClientEventPace,
    /// The changes of the pace since the last [`take_notes`](Self::take_notes).
    notes: Vec<PaceNote>,
    /// Whether the socket has not yet taken all of the newest message.
    is_writing: bool,
}

impl ClientEventQueue {
    pub fn new(settings: &Settings) -> Self {
        let pace = ClientEventPace::new(settings.client_event_limit, settings.client_event_patience);
        Self { waiting: VecDeque::new(), pace, notes: Vec::new(), is_writing: false }
    }

    /// Adds an event, to be sent in its turn.
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

    /// The next event that may be sent now, if its channel is still subscribed: the message, and its record as
    /// unanswered.
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

    /// The time at which the first waiting event may be sent.
    pub fn deadline(&self) -> Option<Instant> {
        let first = self.waiting.front()?;
        Some(self.pace.next_write().unwrap_or(first.triggered))
    }

    /// The socket has taken all messages. The limit counts the times of writes, so this is the time of the newest
    /// event.
    pub fn written(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_writing) {
            self.note(PaceNote::Postponed { at: now });
        }
    }

    /// Drops the events of channels that were unsubscribed. They are not sent on a later subscription either (T1).
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

    /// Drops all events, because each was meant for this connection.
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
        Sent::ClientEvent { channel: self.channel.name().clone(), event: self.name.clone(), size: self.size }
    }
}

fn not_subscribed(event: &ClientEvent) -> Error {
    Error::NotSubscribed { channel: event.channel.name().to_string() }
}
