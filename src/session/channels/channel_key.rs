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

/// Between two fetches of one channel's key this time passes, because the next one would bring the same key (E2). The key that
/// came with the subscription is no fetch.
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// So much may wait for a key. Beyond it the wait is given up, because memory is worth more than a late event.
const MAX_HELD: usize = 1024;
const MAX_HELD_BYTES: usize = 1 << 20;

pub(crate) struct Vault {
    key: SharedSecret,
    /// When the last fetch began, or ended, whatever came of it.
    last_fetch: Option<Instant>,
    /// The request for a new key.
    fetching: Option<AttemptId>,
    held: VecDeque<Sealed>,
    /// What waits takes this of what one client may keep.
    reservation: Reservation,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub name: String,
    pub user_id: Option<String>,
    pub envelope: String,
}

impl Sealed {
    /// About how many bytes of memory it holds.
    fn bytes(&self) -> usize {
        let user_id = self.user_id.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.name.len() + user_id + self.envelope.len()
    }
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Plain(Vec<u8>),
    Failed(OpenError),
    /// It waits for a key that is being fetched already.
    Held,
    /// It waits, and the key must be fetched. Where it does not fit, it is too much that waits, as with `Full`.
    Fetch {
        fits: bool,
    },
    /// It waits, and it is too much that waits: [`give_up`](Vault::give_up).
    Full,
}

impl Vault {
    /// The key came with the subscription. `last_fetch` is that of the channel's earlier connections: the server decides how
    /// often the client connects, and must not decide how often an auth endpoint is asked for keys.
    pub fn new(key: SharedSecret, budget: &MemoryBudget, last_fetch: Option<Instant>) -> Self {
        Self { key, last_fetch, fetching: None, held: VecDeque::new(), reservation: budget.reservation() }
    }

    /// Decrypts an event, or keeps it until there is a newer key. Whatever comes after one that waits, waits too.
    pub fn open(&mut self, event: Sealed, now: Instant) -> Opening {
        if self.fetching.is_some() {
            let fits = self.hold(event) && self.held.len() <= MAX_HELD && self.reservation.bytes() <= MAX_HELD_BYTES;
            return if fits { Opening::Held } else { Opening::Full };
        }
        match self.key.open(&event.envelope) {
            Ok(plain) => Opening::Plain(plain),
            Err(OpenError::WrongKey) if self.may_fetch(now) => {
                // However large it is: the fetch is needed.
                Opening::Fetch { fits: self.hold(event) }
            }
            Err(error) => Opening::Failed(error),
        }
    }

    fn may_fetch(&self, now: Instant) -> bool {
        self.last_fetch.is_none_or(|last| last + FETCH_AGAIN_AFTER <= now)
    }

    /// When the key was last fetched.
    pub fn last_fetch(&self) -> Option<Instant> {
        self.last_fetch
    }

    /// False when all channels together keep too much for this one, too.
    fn hold(&mut self, event: Sealed) -> bool {
        let bytes = self.reservation.bytes() + event.bytes();
        self.held.push_back(event);
        self.reservation.resize(bytes)
    }

    /// The key is being fetched by this attempt.
    pub fn fetch(&mut self, attempt: AttemptId, now: Instant) {
        self.fetching = Some(attempt);
        self.last_fetch = Some(now);
    }

    /// The attempt that fetches a newer key, if one does.
    pub fn fetching(&self) -> Option<AttemptId> {
        self.fetching
    }

    pub fn is_fetching(&self, attempt: AttemptId) -> bool {
        self.fetching == Some(attempt)
    }

    /// The fetch has ended, perhaps with a new key. Returns what waited for it, each with its outcome.
    pub fn fetched(&mut self, key: Option<SharedSecret>, now: Instant) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        if let Some(key) = key {
            self.key = key;
        }
        self.last_fetch = Some(now);
        self.fetching = None;
        self.release()
    }

    /// Nothing waits any longer: what does is tried with the key there is. A fetch under way goes on.
    pub fn give_up(&mut self) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        self.release()
    }

    fn release(&mut self) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        self.reservation.resize(0);
        let held = std::mem::take(&mut self.held);
        let open = |event: Sealed| {
            let opened = self.key.open(&event.envelope);
            (event, opened)
        };
        held.into_iter().map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};

    use super::*;

    fn key(byte: u8) -> SharedSecret {
        SharedSecret::from_base64(&STANDARD.encode([byte; 32])).expect("32 bytes")
    }

    fn sealed(byte: u8, plain: &str) -> Sealed {
        let cipher = XSalsa20Poly1305::new(&[byte; 32].into());
        let ciphertext = STANDARD.encode(cipher.encrypt(&[0; 24].into(), plain.as_bytes()).expect("it fits"));
        let nonce = STANDARD.encode([0; 24]);
        let envelope = format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
        Sealed { name: "e".to_owned(), user_id: None, envelope }
    }

    fn plain(text: &str) -> Opening {
        Opening::Plain(text.as_bytes().to_vec())
    }

    fn vault() -> Vault {
        Vault::new(key(1), &MemoryBudget::of_session(), None)
    }

    #[test]
    fn e2_a_key_that_does_not_fit_is_fetched_once_and_order_is_kept() {
        let now = Instant::now();
        let mut vault = vault();
        assert_eq!(vault.open(sealed(1, "a"), now), plain("a"));
        assert_eq!(
            vault.open(sealed(2, "b"), now),
            Opening::Fetch { fits: true },
            "the key of the subscription is no fetch"
        );
        vault.fetch(AttemptId(7), now);
        assert_eq!(vault.open(sealed(1, "c"), now), Opening::Held, "also what the old key would open");
        assert_eq!(vault.open(sealed(2, "d"), now), Opening::Held);
        let opened: Vec<_> = vault.fetched(Some(key(2)), now).into_iter().map(|(_, opened)| opened).collect();
        assert_eq!(opened, [Ok(b"b".to_vec()), Err(OpenError::WrongKey), Ok(b"d".to_vec())]);
        assert_eq!(vault.open(sealed(2, "e"), now), plain("e"));
    }

    #[test]
    fn e2_between_two_fetches_10_s_pass_whatever_the_first_one_brought() {
        for brought in [None, Some(key(1)), Some(key(3))] {
            let start = Instant::now();
            let mut vault = vault();
            assert_eq!(vault.open(sealed(2, "a"), start), Opening::Fetch { fits: true });
            vault.fetch(AttemptId(1), start);
            vault.fetched(brought, start);
            let almost = start + FETCH_AGAIN_AFTER - Duration::from_millis(1);
            assert_eq!(vault.open(sealed(2, "a"), almost), Opening::Failed(OpenError::WrongKey));
            assert_eq!(vault.open(sealed(2, "a"), start + FETCH_AGAIN_AFTER), Opening::Fetch { fits: true });
        }
    }

    #[test]
    fn e2_another_connection_does_not_hasten_the_next_fetch() {
        let start = Instant::now();
        let mut first = vault();
        first.fetch(AttemptId(1), start);
        let mut second = Vault::new(key(1), &MemoryBudget::of_session(), first.last_fetch());
        assert_eq!(second.open(sealed(2, "a"), start), Opening::Failed(OpenError::WrongKey));
        assert_eq!(second.open(sealed(2, "a"), start + FETCH_AGAIN_AFTER), Opening::Fetch { fits: true });
    }

    #[test]
    fn e3_a_malformed_envelope_fetches_no_key() {
        let event = Sealed { envelope: "{}".to_owned(), ..sealed(1, "") };
        assert!(matches!(vault().open(event, Instant::now()), Opening::Failed(OpenError::Malformed(_))));
    }

    #[test]
    fn e2_what_waits_for_a_key_is_bounded() {
        let now = Instant::now();
        let mut vault = vault();
        assert_eq!(vault.open(sealed(2, "x"), now), Opening::Fetch { fits: true });
        vault.fetch(AttemptId(1), now);
        let mut waiting = 1;
        while vault.open(sealed(2, "x"), now) == Opening::Held {
            waiting += 1;
        }
        assert_eq!(waiting, MAX_HELD);
        assert_eq!(vault.give_up().len(), MAX_HELD + 1);
        assert_eq!(vault.open(sealed(2, &"x".repeat(MAX_HELD_BYTES)), now), Opening::Full);
        vault.fetched(None, now);
        let large = sealed(2, &"x".repeat(MAX_HELD_BYTES));
        assert_eq!(
            vault.open(large, now + FETCH_AGAIN_AFTER),
            Opening::Fetch { fits: true },
            "a large event fetches a key, too"
        );
    }

    #[test]
    fn d3_what_waits_in_all_channels_shares_one_budget() {
        let now = Instant::now();
        let budget = MemoryBudget::of(sealed(2, "x").bytes());
        let mut vaults = [(); 2].map(|()| Vault::new(key(1), &budget, None));
        assert_eq!(vaults[0].open(sealed(2, "x"), now), Opening::Fetch { fits: true });
        assert_eq!(vaults[1].open(sealed(2, "x"), now), Opening::Fetch { fits: false });
        vaults.iter_mut().for_each(|vault| vault.fetch(AttemptId(1), now));
        assert_eq!(vaults[1].give_up().len(), 1);
        assert_eq!(vaults[0].open(sealed(2, "x"), now), Opening::Full);
        vaults[0].give_up();
        assert_eq!(vaults[1].open(sealed(2, "x"), now), Opening::Held, "what is released makes room");
    }
}
