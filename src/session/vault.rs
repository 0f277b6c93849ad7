//! The key of one encrypted channel, and the events that wait for a newer one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    event::{Budget, Share},
    protocol::sealed::{OpenError, SharedSecret},
};

/// A key that is younger was just fetched: another fetch would bring the same one (E2).
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// So much may wait for a key. Beyond it the wait is given up, because memory is worth more than a late event.
const MAX_HELD: usize = 1024;
const MAX_HELD_BYTES: usize = 1 << 20;

pub(super) struct Vault {
    key: SharedSecret,
    /// When the key was fetched, or the last attempt to fetch it ended.
    fetched: Instant,
    /// The number of the question for a new key.
    fetching: Option<u64>,
    held: VecDeque<Sealed>,
    /// What waits takes this of what one client may keep.
    share: Share,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) name: String,
    pub(super) user_id: Option<String>,
    pub(super) envelope: String,
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
pub(super) enum Opening {
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
    pub(super) fn new(key: SharedSecret, budget: &Budget, now: Instant) -> Self {
        Self { key, fetched: now, fetching: None, held: VecDeque::new(), share: budget.share() }
    }

    /// Decrypts an event, or keeps it until there is a newer key. Whatever comes after one that waits, waits too.
    pub(super) fn open(&mut self, event: Sealed, now: Instant) -> Opening {
        if self.fetching.is_some() {
            let fits = self.hold(event) && self.held.len() <= MAX_HELD && self.share.bytes() <= MAX_HELD_BYTES;
            return if fits { Opening::Held } else { Opening::Full };
        }
        match self.key.open(&event.envelope) {
            Ok(plain) => Opening::Plain(plain),
            Err(OpenError::WrongKey) if self.fetched + FETCH_AGAIN_AFTER <= now => {
                // However large it is: the fetch is needed.
                Opening::Fetch { fits: self.hold(event) }
            }
            Err(error) => Opening::Failed(error),
        }
    }

    /// False when all channels together keep too much for this one, too.
    fn hold(&mut self, event: Sealed) -> bool {
        let bytes = self.share.bytes() + event.bytes();
        self.held.push_back(event);
        self.share.resize(bytes)
    }

    /// The key is being fetched by this question.
    pub(super) fn fetch(&mut self, number: u64) {
        self.fetching = Some(number);
    }

    /// The number of the question for a newer key, while there is one.
    pub(super) fn fetching(&self) -> Option<u64> {
        self.fetching
    }

    pub(super) fn is_fetching(&self, number: u64) -> bool {
        self.fetching == Some(number)
    }

    /// The fetch has ended, perhaps with a new key. Returns what waited for it, each with its outcome.
    pub(super) fn fetched(
        &mut self,
        key: Option<SharedSecret>,
        now: Instant,
    ) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        if let Some(key) = key {
            self.key = key;
        }
        self.fetched = now;
        self.fetching = None;
        self.release()
    }

    /// Nothing waits any longer: what does is tried with the key there is. A fetch under way goes on.
    pub(super) fn give_up(&mut self) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        self.release()
    }

    fn release(&mut self) -> Vec<(Sealed, Result<Vec<u8>, OpenError>)> {
        self.share.resize(0);
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

    #[test]
    fn e2_a_key_that_does_not_fit_is_fetched_once_and_order_is_kept() {
        let start = Instant::now();
        let mut vault = Vault::new(key(1), &Budget::default(), start);
        assert_eq!(vault.open(sealed(1, "a"), start), plain("a"));
        let later = start + FETCH_AGAIN_AFTER;
        assert_eq!(vault.open(sealed(2, "b"), later), Opening::Fetch { fits: true });
        vault.fetch(7);
        assert_eq!(vault.open(sealed(1, "c"), later), Opening::Held, "also what the old key would open");
        assert_eq!(vault.open(sealed(2, "d"), later), Opening::Held);
        let opened: Vec<_> = vault.fetched(Some(key(2)), later).into_iter().map(|(_, opened)| opened).collect();
        assert_eq!(opened, [Ok(b"b".to_vec()), Err(OpenError::WrongKey), Ok(b"d".to_vec())]);
        assert_eq!(vault.open(sealed(2, "e"), later), plain("e"));
    }

    #[test]
    fn e2_a_young_key_is_not_fetched_again() {
        let start = Instant::now();
        let mut vault = Vault::new(key(1), &Budget::default(), start);
        let almost = start + FETCH_AGAIN_AFTER - Duration::from_millis(1);
        assert_eq!(vault.open(sealed(2, "a"), almost), Opening::Failed(OpenError::WrongKey));
        let later = start + FETCH_AGAIN_AFTER;
        assert_eq!(vault.open(sealed(2, "a"), later), Opening::Fetch { fits: true });
        vault.fetch(1);
        vault.fetched(None, later);
        assert_eq!(
            vault.open(sealed(2, "a"), later),
            Opening::Failed(OpenError::WrongKey),
            "a failed fetch counts too"
        );
    }

    #[test]
    fn e3_a_malformed_envelope_fetches_no_key() {
        let start = Instant::now();
        let mut vault = Vault::new(key(1), &Budget::default(), start);
        let event = Sealed { envelope: "{}".to_owned(), ..sealed(1, "") };
        assert!(matches!(vault.open(event, start + FETCH_AGAIN_AFTER), Opening::Failed(OpenError::Malformed(_))));
    }

    #[test]
    fn e2_what_waits_for_a_key_is_bounded() {
        let start = Instant::now();
        let mut vault = Vault::new(key(1), &Budget::default(), start);
        let later = start + FETCH_AGAIN_AFTER;
        assert_eq!(vault.open(sealed(2, "x"), later), Opening::Fetch { fits: true });
        vault.fetch(1);
        let mut waiting = 1;
        while vault.open(sealed(2, "x"), later) == Opening::Held {
            waiting += 1;
        }
        assert_eq!(waiting, MAX_HELD);
        assert_eq!(vault.give_up().len(), MAX_HELD + 1);
        assert_eq!(vault.open(sealed(2, &"x".repeat(MAX_HELD_BYTES)), later), Opening::Full);
        vault.fetched(None, later);
        let large = sealed(2, &"x".repeat(MAX_HELD_BYTES));
        assert_eq!(
            vault.open(large, later + FETCH_AGAIN_AFTER),
            Opening::Fetch { fits: true },
            "a large event fetches a key, too"
        );
    }

    #[test]
    fn d3_what_waits_in_all_channels_shares_one_budget() {
        let start = Instant::now();
        let budget = Budget::of(sealed(2, "x").bytes());
        let mut vaults = [(); 2].map(|()| Vault::new(key(1), &budget, start));
        let later = start + FETCH_AGAIN_AFTER;
        assert_eq!(vaults[0].open(sealed(2, "x"), later), Opening::Fetch { fits: true });
        assert_eq!(vaults[1].open(sealed(2, "x"), later), Opening::Fetch { fits: false });
        vaults.iter_mut().for_each(|vault| vault.fetch(1));
        assert_eq!(vaults[1].give_up().len(), 1);
        assert_eq!(vaults[0].open(sealed(2, "x"), later), Opening::Full);
        vaults[0].give_up();
        assert_eq!(vaults[1].open(sealed(2, "x"), later), Opening::Held, "what is released makes room");
    }
}
