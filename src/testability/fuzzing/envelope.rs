//! The data of end-to-end encrypted channels (E1, E3).

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use serde_json::Value;

use super::{bytes::Bytes, lossy::lossy};
use crate::protocol::secretbox::{SharedSecret, data_of};

const KEY: [u8; 32] = [7; 32];

/// The first byte chooses a case: valid data, changed data, or arbitrary text.
pub fn envelope(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    match bytes.below(3) {
        0 => check_arbitrary(&String::from_utf8_lossy(bytes.rest())),
        1 => check_changed(bytes),
        _ => check_valid(bytes.rest()),
    }
}

/// Encrypts like a publisher with the key.
pub(super) fn encrypt(key: [u8; 32], nonce: [u8; 24], plain: &[u8]) -> String {
    let ciphertext = XSalsa20Poly1305::new(&key.into()).encrypt(&nonce.into(), plain).expect("it fits");
    format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, STANDARD.encode(nonce), STANDARD.encode(ciphertext))
}

fn secret() -> SharedSecret {
    SharedSecret::from_base64(&STANDARD.encode(KEY)).expect("32 bytes")
}

fn check_valid(plain: &[u8]) {
    assert_eq!(secret().open(&encrypt(KEY, [1; 24], plain)).as_deref(), Ok(plain));
    if let Ok(plain) = String::from_utf8(plain.to_vec()) {
        // E5: a JSON string is decoded once, any other text is the data itself.
        let expected = match serde_json::from_str(&lossy(&plain)) {
            Ok(Value::String(text)) if plain.starts_with('"') => text,
            _ => plain.clone(),
        };
        assert_eq!(data_of(plain), expected);
    }
}

/// Changes single characters of valid data. It is decrypted only if nonce and ciphertext stay the same.
fn check_changed(mut bytes: Bytes<'_>) {
    let nonce = [bytes.byte(); 24];
    let plain = bytes.slice();
    let good = encrypt(KEY, nonce, plain);
    let mut changed = good.clone().into_bytes();
    while !bytes.is_empty() {
        let place = bytes.below(changed.len().min(256));
        changed[place] ^= bytes.byte() & 0x7f;
    }
    let changed = String::from_utf8(changed).expect("ASCII stays ASCII");
    if let Ok(opened) = secret().open(&changed) {
        assert_eq!(opened, plain, "E1: forged data is refused");
        let (good, changed): (Value, Value) = (json(&good), json(&changed));
        // E6: the padding may be missing.
        let unpadded =
            |envelope: &Value, key: &str| envelope[key].as_str().map(|text| text.trim_end_matches('=').to_owned());
        assert_eq!(unpadded(&good, "nonce"), unpadded(&changed, "nonce"));
        assert_eq!(unpadded(&good, "ciphertext"), unpadded(&changed, "ciphertext"));
    }
}

/// Arbitrary text is not valid under the key.
fn check_arbitrary(envelope: &str) {
    assert!(secret().open(envelope).is_err(), "{envelope}");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("decrypted data was JSON")
}
