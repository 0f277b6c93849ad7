//! End-to-end encryption: the keys of channels, and the encrypted data of events.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use crypto_secretbox::{Key, KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::testing::protocol::channel_kind::{Access, ChannelKind};

/// The key from which the keys of all encrypted channels are derived. `Debug` hides it.
#[derive(Clone, Copy)]
pub(crate) struct MasterKey(pub [u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Encrypts the events of encrypted channels.
pub(crate) struct Encryption {
    master_key: Mutex<Option<MasterKey>>,
    nonces: Nonces,
}

impl Encryption {
    pub fn new(master_key: Option<MasterKey>) -> Self {
        Self { master_key: Mutex::new(master_key), nonces: Nonces::new() }
    }

    pub fn set_master_key(&self, master_key: MasterKey) {
        *self.master_key.lock() = Some(master_key);
    }

    /// The key of a channel in base64. `None` for other channels, and without a master key.
    pub fn shared_secret(&self, channel: &str) -> Option<String> {
        self.key_of(channel).map(|key| BASE64_STANDARD.encode(key))
    }

    /// The JSON text of the encrypted data. `None` for other channels, and without a master key.
    pub fn encrypt(&self, channel: &str, plain: &str) -> Option<String> {
        let key = self.key_of(channel)?;
        let nonce = self.nonces.next();
        let encrypted =
            XSalsa20Poly1305::new(Key::from_slice(&key)).encrypt(Nonce::from_slice(&nonce), plain.as_bytes());
        let ciphertext = BASE64_STANDARD.encode(encrypted.expect("the memory for the ciphertext"));
        Some(format!(r#"{{"nonce":"{}","ciphertext":"{ciphertext}"}}"#, BASE64_STANDARD.encode(nonce)))
    }

    /// Derives the key like the official server libraries: SHA-256 of the name and the master key.
    fn key_of(&self, channel: &str) -> Option<[u8; 32]> {
        if ChannelKind::of(channel).access != Access::Encrypted {
            return None;
        }
        let master_key = (*self.master_key.lock())?;
        Some(Sha256::new().chain_update(channel).chain_update(master_key.0).finalize().into())
    }
}

/// Numbers used once. They must differ between messages, and may be public. A random beginning and a counter achieve
/// this without the dependency of a cryptographic random number generator.
struct Nonces {
    beginning: [u8; 16],
    count: AtomicU64,
}

impl Nonces {
    fn new() -> Self {
        let mut beginning = [0; 16];
        for half in beginning.chunks_exact_mut(8) {
            half.copy_from_slice(&RandomState::new().build_hasher().finish().to_be_bytes());
        }
        Self { beginning, count: AtomicU64::new(0) }
    }

    fn next(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.beginning);
        nonce[16..].copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the recorded traffic of soketi.
    fn encryption() -> Encryption {
        Encryption::new(Some(MasterKey(*b"0123456789abcdef0123456789abcdef")))
    }

    #[test]
    fn the_key_of_a_channel_is_the_one_that_the_official_library_derives() {
        let secret = encryption().shared_secret("private-encrypted-x");
        assert_eq!(secret.as_deref(), Some("yg0RrojlChIBGKYDax2K5oqaMIaBtMi7HK+TiLLndM0="));
    }

    #[test]
    fn data_that_the_official_library_encrypted_is_decrypted() {
        let key = BASE64_STANDARD.decode("yg0RrojlChIBGKYDax2K5oqaMIaBtMi7HK+TiLLndM0=").unwrap();
        let nonce = BASE64_STANDARD.decode("iC4ShfrwGk+jIn4/1hI/h76bXMXEzt1D").unwrap();
        let encrypted = BASE64_STANDARD.decode("7dWLnNI1VJvM2XVyPVtGSlxsmq1pnA0G81NdDS30nIg=").unwrap();
        let plain =
            XSalsa20Poly1305::new(Key::from_slice(&key)).decrypt(Nonce::from_slice(&nonce), encrypted.as_slice());
        assert_eq!(String::from_utf8(plain.unwrap()).unwrap(), r#"{"secret":"msg"}"#);
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let nonces = Nonces::new();
        assert_ne!(nonces.next(), nonces.next());
        assert_ne!(Nonces::new().beginning, nonces.beginning);
    }

    #[test]
    fn only_encrypted_channels_have_a_key() {
        assert_eq!(encryption().shared_secret("private-x"), None);
        assert_eq!(encryption().encrypt("room", "{}"), None);
        assert_eq!(Encryption::new(None).encrypt("private-encrypted-x", "{}"), None);
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", MasterKey([7; 32])), "MasterKey(..)");
    }
}
