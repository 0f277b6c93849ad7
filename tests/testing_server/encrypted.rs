//! Events on encrypted channels.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{Key, KeyInit, Nonce, XSalsa20Poly1305};
use pusher_channels::testing::TestServer;
use serde::Serialize;
use serde_json::{Value, json};

use crate::http;
use crate::support::{data_of, read_json, signed_subscriber, start};

const CHANNEL: &str = "private-encrypted-x";
/// The key with which the recorded traffic of soketi was made.
const MASTER_KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

fn encrypting() -> TestServer {
    TestServer::builder().encryption_master_key(MASTER_KEY).start().unwrap()
}

/// The plain text; `None` if it was encrypted with another key.
fn open(secret: &str, data: &Value) -> Option<String> {
    let bytes = |text: &Value| BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    let key = BASE64_STANDARD.decode(secret).unwrap();
    let secretbox = XSalsa20Poly1305::new(Key::from_slice(&key));
    let plain = secretbox.decrypt(Nonce::from_slice(&bytes(&data["nonce"])), bytes(&data["ciphertext"]).as_slice());
    plain.ok().map(|plain| String::from_utf8(plain).unwrap())
}

#[test]
fn the_shared_secret_is_the_one_of_the_official_library() {
    let server = encrypting();
    assert_eq!(server.shared_secret(CHANNEL).unwrap(), "yg0RrojlChIBGKYDax2K5oqaMIaBtMi7HK+TiLLndM0=");
    assert_eq!(server.shared_secret("private-x"), None);
    assert_eq!(start().shared_secret(CHANNEL), None);
}

#[test]
fn triggered_data_is_encrypted_as_json() {
    fn plain(data: &(impl Serialize + ?Sized)) -> String {
        let server = encrypting();
        let (mut client, _) = signed_subscriber(&server, CHANNEL);
        assert_eq!(server.trigger(CHANNEL, "ev", data), 1);
        let event = read_json(&mut client);
        assert_eq!((&event["event"], &event["channel"]), (&json!("ev"), &json!(CHANNEL)));
        open(&server.shared_secret(CHANNEL).unwrap(), &data_of(&event)).unwrap()
    }
    assert_eq!(plain(&json!({"secret": "żó"})), r#"{"secret":"żó"}"#);
    assert_eq!(plain("text"), r#""text""#);
    assert_eq!(plain(&42), "42");
}

#[test]
fn no_two_messages_have_the_same_nonce() {
    let server = encrypting();
    let (mut client, _) = signed_subscriber(&server, CHANNEL);
    let nonces = [(); 2].map(|()| {
        server.trigger(CHANNEL, "ev", "x");
        data_of(&read_json(&mut client))["nonce"].clone()
    });
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn a_new_master_key_encrypts_later_events() {
    let server = encrypting();
    let (mut client, _) = signed_subscriber(&server, CHANNEL);
    let before = server.shared_secret(CHANNEL).unwrap();
    server.rotate_master_key([7; 32]);
    let after = server.shared_secret(CHANNEL).unwrap();
    assert_ne!(before, after);
    server.trigger(CHANNEL, "ev", "x");
    let data = data_of(&read_json(&mut client));
    assert_eq!(open(&before, &data), None);
    assert_eq!(open(&after, &data).unwrap(), r#""x""#);
}

#[test]
fn other_channels_stay_unencrypted() {
    let server = encrypting();
    let (mut client, _) = signed_subscriber(&server, "private-x");
    server.trigger("private-x", "ev", "x");
    assert_eq!(read_json(&mut client)["data"], "x");
}

#[test]
fn the_http_api_passes_encrypted_data_through() {
    let server = encrypting();
    let (mut client, _) = signed_subscriber(&server, CHANNEL);
    // Recorded from soketi.
    let data =
        r#"{"nonce":"iC4ShfrwGk+jIn4/1hI/h76bXMXEzt1D","ciphertext":"7dWLnNI1VJvM2XVyPVtGSlxsmq1pnA0G81NdDS30nIg="}"#;
    let body = json!({"name": "ev", "channels": [CHANNEL], "data": data}).to_string();
    assert_eq!(http::publish(&server, &body).0, 200);
    let event = read_json(&mut client);
    assert_eq!(event["data"], data);
    assert_eq!(open(&server.shared_secret(CHANNEL).unwrap(), &data_of(&event)).unwrap(), r#"{"secret":"msg"}"#);
}
