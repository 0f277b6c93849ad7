//! Encrypted event data: NaCl's secretbox (XSalsa20 and Poly1305), as end-to-end encrypted channels use it.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::surrogates;

/// The key of one channel, always 32 bytes. It is wiped on drop. It is not an array, because moving an array leaves
/// copies on the stack.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SharedSecret(Zeroizing<Vec<u8>>);

/// For encrypted data, whose base64 may lack its padding, as in the official JavaScript client (E6). The alphabet is
/// the standard one.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The length of a key.
const BYTES: usize = 32;

/// The reason why data could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The data is invalid under any key (E3).
    Malformed(&'static str),
    /// The data is valid, but the key does not fit.
    WrongKey,
}

impl SharedSecret {
    /// Reads the key of an auth endpoint: exactly 32 bytes in standard base64 with padding (A5).
    pub fn from_base64(text: &str) -> Result<Self, &'static str> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| "is not standard base64")?);
        if bytes.len() == BYTES { Ok(Self(bytes)) } else { Err("is not 32 bytes long") }
    }

    /// The key that the official server libraries derive for a channel from a master key.
    pub fn derive(channel: &str, master_key: &Self) -> Self {
        let mut hash = Sha256::new();
        hash.update(channel.as_bytes());
        hash.update(master_key.0.as_slice());
        Self(Zeroizing::new(hash.finalize().to_vec()))
    }

    /// The key in the form that auth endpoints send.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0.as_slice())
    }

    /// Decrypts the JSON object `{"nonce": .., "ciphertext": ..}`.
    pub fn open(&self, envelope: &str) -> Result<Vec<u8>, OpenError> {
        #[derive(Deserialize)]
        struct EncryptedData {
            nonce: String,
            ciphertext: String,
        }
        let envelope: EncryptedData = surrogates::from_json(envelope)
            .map_err(|_| OpenError::Malformed("it is not an object with nonce and ciphertext"))?;
        let nonce: [u8; 24] = LENIENT
            .decode(&envelope.nonce)
            .ok()
            .and_then(|nonce| nonce.try_into().ok())
            .ok_or(OpenError::Malformed("its nonce is not 24 bytes of base64"))?;
        let ciphertext =
            LENIENT.decode(&envelope.ciphertext).map_err(|_| OpenError::Malformed("its ciphertext is not base64"))?;
        if ciphertext.len() < 16 {
            return Err(OpenError::Malformed("its ciphertext is shorter than an authentication tag"));
        }
        let cipher = XSalsa20Poly1305::new(self.0.as_slice().into());
        cipher.decrypt(&nonce.into(), ciphertext.as_slice()).map_err(|_| OpenError::WrongKey)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The publisher's data in the plain text: a JSON string is decoded once, any other text is the data itself (E5).
pub(crate) fn data_of(plain: String) -> String {
    if plain.starts_with('"') { surrogates::from_json(&plain).unwrap_or(plain) } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NaCl's test vector of `crypto_secretbox`.
    const KEY: [u8; 32] = [
        0x1b, 0x27, 0x55, 0x64, 0x73, 0xe9, 0x85, 0xd4, 0x62, 0xcd, 0x51, 0x19, 0x7a, 0x9a, 0x46, 0xc7, 0x60, 0x09,
        0x54, 0x9e, 0xac, 0x64, 0x74, 0xf2, 0x06, 0xc4, 0xee, 0x08, 0x44, 0xf6, 0x83, 0x89,
    ];

    fn secret() -> SharedSecret {
        SharedSecret(Zeroizing::new(KEY.to_vec()))
    }

    fn encrypted(secret: &SharedSecret, plain: &[u8]) -> String {
        let nonce = [7; 24];
        let cipher = XSalsa20Poly1305::new(secret.0.as_slice().into());
        let ciphertext = cipher.encrypt(&nonce.into(), plain).expect("it fits");
        format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, STANDARD.encode(nonce), STANDARD.encode(ciphertext))
    }

    #[test]
    fn e1_only_data_that_was_encrypted_with_the_key_is_decrypted() {
        let envelope = encrypted(&secret(), b"{\"a\":1}");
        assert_eq!(secret().open(&envelope).as_deref(), Ok(b"{\"a\":1}".as_slice()));
        let other = SharedSecret(Zeroizing::new(vec![1; 32]));
        assert_eq!(other.open(&envelope), Err(OpenError::WrongKey));
    }

    #[test]
    fn e1_every_flipped_bit_of_the_ciphertext_and_the_nonce_is_detected() {
        let cipher = XSalsa20Poly1305::new(KEY.as_slice().into());
        let ciphertext = cipher.encrypt(&[7; 24].into(), b"hello".as_slice()).expect("it fits");
        for bit in 0..8 * (24 + ciphertext.len()) {
            let (mut nonce, mut forged) = ([7u8; 24], ciphertext.clone());
            match bit / 8 {
                byte @ 0..24 => nonce[byte] ^= 1 << (bit % 8),
                byte => forged[byte - 24] ^= 1 << (bit % 8),
            }
            let envelope =
                format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, STANDARD.encode(nonce), STANDARD.encode(forged));
            assert_eq!(secret().open(&envelope), Err(OpenError::WrongKey), "bit {bit}");
        }
    }

    #[test]
    fn e3_malformed_data_differs_from_a_wrong_key() {
        let good = STANDARD.encode([0; 24]);
        let short = STANDARD.encode([0; 23]);
        let tag = STANDARD.encode([0; 16]);
        for envelope in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            "\"text\"".to_owned(),
            format!(r#"{{"ciphertext":"{tag}"}}"#),
            format!(r#"{{"nonce":"{good}"}}"#),
            format!(r#"{{"nonce":"{short}","ciphertext":"{tag}"}}"#),
            format!(r#"{{"nonce":"{good}","ciphertext":"AAAA"}}"#),
            format!(r#"{{"nonce":"{good}","ciphertext":"*"}}"#),
            format!(r#"{{"nonce":"{}","ciphertext":"{tag}"}}"#, good.trim_end_matches('=').replace('A', "-")),
            format!(r#"{{"nonce":7,"ciphertext":"{tag}"}}"#),
        ] {
            assert!(matches!(secret().open(&envelope), Err(OpenError::Malformed(_))), "{envelope}");
        }
    }

    #[test]
    fn e6_the_padding_of_the_base64_may_be_missing() {
        // Ciphertexts of every length modulo 3, which have no, one or two padding characters. A nonce of 24 bytes has
        // none.
        for plain in ["", "1", "12", "123"] {
            let envelope = encrypted(&secret(), plain.as_bytes());
            let mut shorter = envelope.clone();
            loop {
                assert_eq!(secret().open(&shorter).as_deref(), Ok(plain.as_bytes()), "{shorter}");
                let Some(place) = shorter.find("=\"") else { break };
                shorter.remove(place);
            }
            let padded = envelope.replace("\"}", "====\"}");
            assert!(matches!(secret().open(&padded), Err(OpenError::Malformed(_))), "{padded}");
        }
    }

    #[test]
    fn e6_the_url_safe_alphabet_is_refused() {
        let plain = (0..=255).map(char::from).collect::<String>();
        let envelope = encrypted(&secret(), plain.as_bytes());
        assert!(envelope.contains(['+', '/']));
        let url_safe = envelope.replace('+', "-").replace('/', "_");
        assert!(matches!(secret().open(&url_safe), Err(OpenError::Malformed(_))));
    }

    #[test]
    fn a5_a_shared_secret_is_32_bytes_of_standard_base64() {
        assert_eq!(SharedSecret::from_base64(&STANDARD.encode(KEY)), Ok(secret()));
        let longer = STANDARD.encode([0; 33]);
        let unpadded = STANDARD.encode(KEY).trim_end_matches('=').to_owned();
        for bad in ["", "AAAA", "====", &longer, &unpadded, &format!(" {}", STANDARD.encode(KEY))] {
            assert!(SharedSecret::from_base64(bad).is_err(), "{bad}");
        }
    }

    /// The expected value is the result of `channelSharedSecret` in the official `pusher` library for Node.
    #[test]
    fn the_key_of_a_channel_is_derived_like_in_the_official_libraries() {
        let master = SharedSecret(Zeroizing::new(b"01234567890123456789012345678901".to_vec()));
        let derived = SharedSecret::derive("private-encrypted-room", &master);
        assert_eq!(STANDARD.encode(derived.0.as_slice()), "L38rkfo40L+fzS0K+KbYNXjQzEkJllc8+TgyPF0gM/4=");
    }

    #[test]
    fn e5_a_json_string_is_decoded_once() {
        let cases = [
            (r#""hello""#, "hello"),
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#""\"twice\"""#, r#""twice""#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("12", "12"),
            ("plain text", "plain text"),
            ("\"not JSON", "\"not JSON"),
            (r#""good morning \ud83d""#, "good morning \u{fffd}"),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83d"}"#),
        ];
        for (plain, data) in cases {
            assert_eq!(data_of(plain.to_owned()), data);
        }
    }

    #[test]
    fn x1_debug_hides_the_key() {
        assert_eq!(format!("{:?}", secret()), "[hidden]");
    }
}
