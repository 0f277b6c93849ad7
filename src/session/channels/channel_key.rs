//! The key of one encrypted channel, and the events that wait for a newer one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    delivery::memory_budget::{MemoryBudget, Reservation},
    protocol::secretbox::{OpenError, SharedSecret},
    session::interface::AttemptId,
};

/// The minimum time between two fetches of one key, because a fetch that follows at once would bring the same key (E2).
/// The key that came with the subscription counts as no fetch.
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Up to this many events wait for a key. If there are more, the client stops waiting, because memory is worth more
/// than a late event.
const MAX_QUEUED: usize = 1024;
const MAX_QUEUED_BYTES: usize = 1 << 20;

pub(crate) struct ChannelKey {
    key: SharedSecret,
    /// The time at which the last fetch began or ended.
    last_fetch: Option<Instant>,
    /// The request for a new key, if one is under way.
    fetching: Option<AttemptId>,
    queue: VecDeque<EncryptedEvent>,
    /// The part of the memory budget that the queue takes.
    reservation: Reservation,
}

/// An event as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncryptedEvent {
    pub name: String,
    pub user_id: Option<String>,
    pub envelope: String,
}

/// An event with the result of decrypting it.
pub(crate) type OpenedEvent = (EncryptedEvent, Result<Vec<u8>, OpenError>);

impl EncryptedEvent {
    /// About how many bytes of memory it holds.
    fn bytes(&self) -> usize {
        let user_id = self.user_id.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.name.len() + user_id + self.envelope.len()
    }
}

/// The result of [`ChannelKey::decrypt`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecryptOutcome {
    Plain(Vec<u8>),
    Failed(OpenError),
    /// The event is queued until the fetch of a newer key ends.
    Queued,
    /// The event is queued, and the caller must request a newer key. `fits` is false if the queue is over its limit:
    /// then the caller must also [`flush`](ChannelKey::flush) it.
    FetchKey {
        fits: bool,
    },
    /// The event is queued, and the queue is over its limit: the caller must [`flush`](ChannelKey::flush) it.
    QueueFull,
}

impl ChannelKey {
    /// The key came with the subscription. `last_fetch` comes from the channel's earlier connections: the server
    /// decides how often the client connects, and must not decide how often the client requests keys.
    pub fn new(key: SharedSecret, last_fetch: Option<Instant>) -> Self {
        Self { key, last_fetch, fetching: None, queue: VecDeque::new(), reservation: Reservation::default() }
    }

    /// Decrypts an event, or queues it until there is a newer key. An event behind a queued one is queued as well.
    pub fn decrypt(&mut self, event: EncryptedEvent, budget: &mut MemoryBudget, now: Instant) -> DecryptOutcome {
        if self.fetching.is_some() {
            let is_in_budget = self.enqueue(event, budget);
            let fits = is_in_budget && self.queue.len() <= MAX_QUEUED && self.reservation.bytes() <= MAX_QUEUED_BYTES;
            return if fits { DecryptOutcome::Queued } else { DecryptOutcome::QueueFull };
        }
        match self.key.open(&event.envelope) {
            Ok(plain) => DecryptOutcome::Plain(plain),
            Err(OpenError::WrongKey) if self.may_fetch(now) => {
                // The key is fetched, however large the event is.
                DecryptOutcome::FetchKey { fits: self.enqueue(event, budget) }
            }
            Err(error) => DecryptOutcome::Failed(error),
        }
    }

    fn may_fetch(&self, now: Instant) -> bool {
        self.last_fetch.is_none_or(|last| last + FETCH_AGAIN_AFTER <= now)
    }

    /// The time of the last fetch.
    pub fn last_fetch(&self) -> Option<Instant> {
        self.last_fetch
    }

    /// Returns false if the memory budget of all channels is used up.
    fn enqueue(&mut self, event: EncryptedEvent, budget: &mut MemoryBudget) -> bool {
        let bytes = self.reservation.bytes() + event.bytes();
        self.queue.push_back(event);
        budget.resize(&mut self.reservation, bytes)
    }

    /// The key is dropped. Returns the reservation of its queue.
    pub fn into_reservation(self) -> Reservation {
        self.reservation
    }

    /// The bytes of the budget that the queue takes.
    #[cfg(any(fuzzing, test))]
    pub fn bytes(&self) -> usize {
        self.reservation.bytes()
    }

    /// A fetch of the key begins.
    pub fn fetch(&mut self, attempt: AttemptId, now: Instant) {
        self.fetching = Some(attempt);
        self.last_fetch = Some(now);
    }

    /// The request for a newer key, if one is under way.
    pub fn fetching(&self) -> Option<AttemptId> {
        self.fetching
    }

    pub fn is_fetching(&self, attempt: AttemptId) -> bool {
        self.fetching == Some(attempt)
    }

    /// The fetch has ended, perhaps with a new key. Returns the queued events, each with its result.
    pub fn fetched(&mut self, key: Option<SharedSecret>, budget: &mut MemoryBudget, now: Instant) -> Vec<OpenedEvent> {
        if let Some(key) = key {
            self.key = key;
        }
        self.last_fetch = Some(now);
        self.fetching = None;
        self.flush(budget)
    }

    /// A repeated confirmation has brought this key, so no fetch is needed. Returns the queued events, each with its
    /// result.
    pub fn replace(&mut self, key: SharedSecret, budget: &mut MemoryBudget) -> Vec<OpenedEvent> {
        self.key = key;
        self.fetching = None;
        self.flush(budget)
    }

    /// Empties the queue: tries every event with the current key. A fetch that is under way goes on.
    pub fn flush(&mut self, budget: &mut MemoryBudget) -> Vec<OpenedEvent> {
        budget.resize(&mut self.reservation, 0);
        let queue = std::mem::take(&mut self.queue);
        let decrypt = |event: EncryptedEvent| {
            let opened = self.key.open(&event.envelope);
            (event, opened)
        };
        queue.into_iter().map(decrypt).collect()
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};

    use super::*;
    use crate::delivery::memory_budget::SESSION_BYTES;

    fn key(byte: u8) -> SharedSecret {
        SharedSecret::from_base64(&STANDARD.encode([byte; 32])).expect("32 bytes")
    }

    fn encrypted(byte: u8, plain: &str) -> EncryptedEvent {
        let cipher = XSalsa20Poly1305::new(&[byte; 32].into());
        let ciphertext = STANDARD.encode(cipher.encrypt(&[0; 24].into(), plain.as_bytes()).expect("it fits"));
        let nonce = STANDARD.encode([0; 24]);
        let envelope = format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
        EncryptedEvent { name: "e".to_owned(), user_id: None, envelope }
    }

    fn plain(text: &str) -> DecryptOutcome {
        DecryptOutcome::Plain(text.as_bytes().to_vec())
    }

    fn channel_key() -> (ChannelKey, MemoryBudget) {
        (ChannelKey::new(key(1), None), MemoryBudget::of(SESSION_BYTES))
    }

    #[test]
    fn e2_after_a_wrong_key_one_fetch_is_made_and_the_order_is_kept() {
        let now = Instant::now();
        let (mut channel_key, mut budget) = channel_key();
        assert_eq!(channel_key.decrypt(encrypted(1, "a"), &mut budget, now), plain("a"));
        assert_eq!(
            channel_key.decrypt(encrypted(2, "b"), &mut budget, now),
            DecryptOutcome::FetchKey { fits: true },
            "the key of the subscription counts as no fetch"
        );
        channel_key.fetch(AttemptId(7), now);
        assert_eq!(
            channel_key.decrypt(encrypted(1, "c"), &mut budget, now),
            DecryptOutcome::Queued,
            "also an event that the old key would decrypt"
        );
        assert_eq!(channel_key.decrypt(encrypted(2, "d"), &mut budget, now), DecryptOutcome::Queued);
        let opened: Vec<_> =
            channel_key.fetched(Some(key(2)), &mut budget, now).into_iter().map(|(_, opened)| opened).collect();
        assert_eq!(opened, [Ok(b"b".to_vec()), Err(OpenError::WrongKey), Ok(b"d".to_vec())]);
        assert_eq!(channel_key.decrypt(encrypted(2, "e"), &mut budget, now), plain("e"));
    }

    #[test]
    fn e2_there_are_10_s_between_two_fetches_whatever_the_result_of_the_first() {
        for result in [None, Some(key(1)), Some(key(3))] {
            let start = Instant::now();
            let (mut channel_key, mut budget) = channel_key();
            assert_eq!(
                channel_key.decrypt(encrypted(2, "a"), &mut budget, start),
                DecryptOutcome::FetchKey { fits: true }
            );
            channel_key.fetch(AttemptId(1), start);
            channel_key.fetched(result, &mut budget, start);
            let almost = start + FETCH_AGAIN_AFTER - Duration::from_millis(1);
            assert_eq!(
                channel_key.decrypt(encrypted(2, "a"), &mut budget, almost),
                DecryptOutcome::Failed(OpenError::WrongKey)
            );
            assert_eq!(
                channel_key.decrypt(encrypted(2, "a"), &mut budget, start + FETCH_AGAIN_AFTER),
                DecryptOutcome::FetchKey { fits: true }
            );
        }
    }

    #[test]
    fn e2_another_connection_does_not_bring_the_next_fetch_forward() {
        let start = Instant::now();
        let (mut first, mut budget) = channel_key();
        first.fetch(AttemptId(1), start);
        let mut second = ChannelKey::new(key(1), first.last_fetch());
        assert_eq!(second.decrypt(encrypted(2, "a"), &mut budget, start), DecryptOutcome::Failed(OpenError::WrongKey));
        assert_eq!(
            second.decrypt(encrypted(2, "a"), &mut budget, start + FETCH_AGAIN_AFTER),
            DecryptOutcome::FetchKey { fits: true }
        );
    }

    #[test]
    fn e3_a_malformed_envelope_fetches_no_key() {
        let event = EncryptedEvent { envelope: "{}".to_owned(), ..encrypted(1, "") };
        let (mut channel_key, mut budget) = channel_key();
        let outcome = channel_key.decrypt(event, &mut budget, Instant::now());
        assert!(matches!(outcome, DecryptOutcome::Failed(OpenError::Malformed(_))));
    }

    #[test]
    fn e2_the_queue_of_events_that_wait_for_a_key_is_bounded() {
        let now = Instant::now();
        let (mut channel_key, mut budget) = channel_key();
        assert_eq!(channel_key.decrypt(encrypted(2, "x"), &mut budget, now), DecryptOutcome::FetchKey { fits: true });
        channel_key.fetch(AttemptId(1), now);
        let mut waiting = 1;
        while channel_key.decrypt(encrypted(2, "x"), &mut budget, now) == DecryptOutcome::Queued {
            waiting += 1;
        }
        assert_eq!(waiting, MAX_QUEUED);
        assert_eq!(channel_key.flush(&mut budget).len(), MAX_QUEUED + 1);
        assert_eq!(
            channel_key.decrypt(encrypted(2, &"x".repeat(MAX_QUEUED_BYTES)), &mut budget, now),
            DecryptOutcome::QueueFull
        );
        channel_key.fetched(None, &mut budget, now);
        let large = encrypted(2, &"x".repeat(MAX_QUEUED_BYTES));
        assert_eq!(
            channel_key.decrypt(large, &mut budget, now + FETCH_AGAIN_AFTER),
            DecryptOutcome::FetchKey { fits: true },
            "a large event causes a fetch, too"
        );
    }

    #[test]
    fn d3_the_queues_of_all_channels_share_one_budget() {
        let now = Instant::now();
        let mut budget = MemoryBudget::of(encrypted(2, "x").bytes());
        let mut channel_keys = [(); 2].map(|()| ChannelKey::new(key(1), None));
        assert_eq!(
            channel_keys[0].decrypt(encrypted(2, "x"), &mut budget, now),
            DecryptOutcome::FetchKey { fits: true }
        );
        assert_eq!(
            channel_keys[1].decrypt(encrypted(2, "x"), &mut budget, now),
            DecryptOutcome::FetchKey { fits: false }
        );
        channel_keys.iter_mut().for_each(|channel_key| channel_key.fetch(AttemptId(1), now));
        assert_eq!(channel_keys[1].flush(&mut budget).len(), 1);
        assert_eq!(channel_keys[0].decrypt(encrypted(2, "x"), &mut budget, now), DecryptOutcome::QueueFull);
        channel_keys[0].flush(&mut budget);
        assert_eq!(
            channel_keys[1].decrypt(encrypted(2, "x"), &mut budget, now),
            DecryptOutcome::Queued,
            "a flushed queue makes room"
        );
        for channel_key in channel_keys {
            budget.release(channel_key.into_reservation());
        }
        assert_eq!(budget.reserved(), 0, "a dropped key returns its reservation");
    }
}
