//! A publisher, or a server on the way, that tampers with encrypted events (E1-E3). The client never delivers data that
//! was not encrypted with the channel's key, and always reports it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Instant,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use pusher_channels::{ChannelAuth, Config, Pusher};
use serde_json::{Value, json};

use crate::{
    figures,
    hostile_server::{Phase, ROOM, Scenario, Server, Shows, Step, raw_frames},
    support::PATIENCE,
};

const CHANNEL: &str = "private-encrypted-vault";
const KEY: [u8; 32] = [7; 32];

/// At least this many events are tampered with.
const MINIMUM: usize = 100_000;

/// There is one genuine event before every block of this many tampered ones.
const EVERY: usize = 1000;

#[test]
fn e1_no_forged_plain_text_is_delivered() {
    let envelopes = tampered();
    let (count, genuine) = (envelopes.len(), envelopes.len().div_ceil(EVERY));
    assert!(count >= MINIMUM);
    let script = vec![Step::Bytes(wire_of(&envelopes))];
    let mut scenario = Scenario::new("tampered events", Phase::Subscribed, script, Shows::Tolerates);
    scenario.channels = vec![CHANNEL.to_owned()];
    let server = Server::start(&scenario, true);

    let fetches = Arc::new(AtomicUsize::new(0));
    let pusher = Pusher::new(config(&server, &fetches));
    let channel = pusher.channel(CHANNEL).expect("a valid name");
    let (sender, delivered) = mpsc::channel();
    channel.bind_all(move |event| {
        if !event.name().starts_with("pusher:") {
            sender.send((event.name().to_owned(), event.data().to_owned())).unwrap_or_default();
        }
    });
    let failures = Arc::new(AtomicUsize::new(0));
    let failed = Arc::clone(&failures);
    channel.on_decryption_failure(move |_| {
        failed.fetch_add(1, Ordering::SeqCst);
    });
    let (end, ended) = mpsc::channel();
    pusher.bind("stays", move |_| end.send(()).unwrap_or_default());
    channel.subscribe();
    pusher.subscribe(ROOM).expect("a valid name");
    let start = Instant::now();
    pusher.connect().expect("a server that accepts");
    ended.recv_timeout(PATIENCE).expect("the event after all others");

    let delivered: Vec<_> = delivered.try_iter().collect();
    let expected: Vec<_> = (0..genuine).map(|number| ("genuine".to_owned(), number.to_string())).collect();
    let forged = delivered.iter().filter(|(name, _)| name != "genuine").count();
    assert_eq!(forged, 0, "{delivered:?}");
    assert_eq!(delivered, expected);
    assert_eq!(failures.load(Ordering::SeqCst), count, "each is reported");
    // The fetch of the subscription, and one every 10 s.
    let allowed = 2 + start.elapsed().as_secs() / 10;
    assert!(fetches.load(Ordering::SeqCst) as u64 <= allowed, "E2: at most {allowed}");
    figures::record("forged plain texts delivered", format!("{forged} of {count}"), "0 of 100000");
}

fn config(server: &Server, fetches: &Arc<AtomicUsize>) -> Config {
    let (address, fetches) = (server.address(), Arc::clone(fetches));
    Config::host("key", address.ip().to_string()).port(address.port()).tls(false).authorizer(move |_| {
        fetches.fetch_add(1, Ordering::SeqCst);
        Ok(ChannelAuth::new("k:s").shared_secret(STANDARD.encode(KEY)))
    })
}

/// The frames, with the genuine events between them.
fn wire_of(envelopes: &[String]) -> Vec<u8> {
    let message = |name: &str, envelope: &str| {
        raw_frames::text(&json!({"event": name, "channel": CHANNEL, "data": envelope}).to_string())
    };
    let mut bytes = Vec::new();
    for (number, envelopes) in envelopes.chunks(EVERY).enumerate() {
        envelopes.iter().for_each(|envelope| bytes.extend(message("forged", envelope)));
        let encrypted = Encrypted::new(&KEY, number, number.to_string().as_bytes());
        bytes.extend(message("genuine", &encrypted.envelope()));
    }
    bytes
}

/// An encrypted text in its parts.
#[derive(Clone)]
struct Encrypted {
    nonce: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Encrypted {
    fn new(key: &[u8; 32], number: usize, plain: &[u8]) -> Self {
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let ciphertext = XSalsa20Poly1305::new(key.into()).encrypt(&nonce.into(), plain).expect("it fits");
        Self { nonce: nonce.to_vec(), ciphertext }
    }

    fn envelope(&self) -> String {
        envelope(&STANDARD.encode(&self.nonce), &STANDARD.encode(&self.ciphertext))
    }

    fn bits(&self) -> usize {
        8 * (self.nonce.len() + self.ciphertext.len())
    }

    fn flip(&mut self, bit: usize) {
        let bytes = self.nonce.iter_mut().chain(&mut self.ciphertext);
        bytes.skip(bit / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
    }

    fn flipped(&self, bit: usize) -> Self {
        let mut flipped = self.clone();
        flipped.flip(bit);
        flipped
    }
}

fn envelope(nonce: &str, ciphertext: &str) -> String {
    json!({"nonce": nonce, "ciphertext": ciphertext}).to_string()
}

/// Messages of several lengths, each changed in every way, until there are enough.
fn tampered() -> Vec<String> {
    let mut envelopes = shapes();
    for number in 0.. {
        if envelopes.len() >= MINIMUM {
            break;
        }
        let plain = format!("{{\"pay\":\"{}\"}}", "x".repeat(number % 64));
        let good = Encrypted::new(&KEY, number, plain.as_bytes());
        let other = Encrypted::new(&KEY, number + 1, b"\"something else\"");
        envelopes.extend((0..good.bits()).map(|bit| good.flipped(bit).envelope()));
        envelopes.extend((1..good.bits()).map(|bit| good.flipped(bit).flipped(bit / 2).envelope()));
        envelopes.extend(truncated(&good));
        envelopes.extend(misencoded(&good));
        envelopes.push(Encrypted { nonce: other.nonce.clone(), ..good.clone() }.envelope());
        envelopes.push(Encrypted { ciphertext: other.ciphertext, ..good }.envelope());
        envelopes.extend((0..256).map(|bit| {
            let mut key = KEY;
            key[bit / 8] ^= 1 << (bit % 8);
            Encrypted::new(&key, number, plain.as_bytes()).envelope()
        }));
    }
    envelopes
}

/// Cut at every byte: of the nonce, of the ciphertext, and of the envelope as a text.
fn truncated(good: &Encrypted) -> Vec<String> {
    let nonces = (0..good.nonce.len()).map(|end| Encrypted { nonce: good.nonce[..end].to_vec(), ..good.clone() });
    let ciphertexts =
        (0..good.ciphertext.len()).map(|end| Encrypted { ciphertext: good.ciphertext[..end].to_vec(), ..good.clone() });
    let starts = (1..good.ciphertext.len())
        .map(|start| Encrypted { ciphertext: good.ciphertext[start..].to_vec(), ..good.clone() });
    let text = good.envelope();
    let texts = (0..text.len()).map(|end| text[..end].to_owned());
    nonces.chain(ciphertexts).chain(starts).map(|encrypted| encrypted.envelope()).chain(texts).collect()
}

/// Invalid base64, and base64 in another alphabet than the standard one.
fn misencoded(good: &Encrypted) -> Vec<String> {
    let (nonce, ciphertext) = (STANDARD.encode(&good.nonce), STANDARD.encode(&good.ciphertext));
    let mut envelopes: Vec<_> = (0..nonce.len())
        .flat_map(|at| {
            ["*", " ", "=", "-"].map(|bad| envelope(&format!("{}{bad}{}", &nonce[..at], &nonce[at + 1..]), &ciphertext))
        })
        .collect();
    envelopes.extend(
        (0..=ciphertext.len()).map(|at| envelope(&nonce, &format!("{}\n{}", &ciphertext[..at], &ciphertext[at..]))),
    );
    envelopes.extend(["=", "==", "AAAA", "\0"].map(|more| envelope(&nonce, &format!("{ciphertext}{more}"))));
    envelopes
}

/// Data that is not an envelope.
fn shapes() -> Vec<String> {
    let good = Encrypted::new(&KEY, 0, b"\"x\"");
    let (nonce, ciphertext) = (STANDARD.encode(&good.nonce), STANDARD.encode(&good.ciphertext));
    let wrong = [Value::Null, json!(7), json!(true), json!([]), json!({}), json!(good.nonce), json!([nonce])];
    let mut shapes: Vec<_> =
        ["", "clear text", "\"clear text\"", "null", "7", "{}", "{\"clear\":1}"].map(str::to_owned).to_vec();
    shapes.extend(wrong.iter().map(|wrong| json!({"nonce": wrong, "ciphertext": ciphertext}).to_string()));
    shapes.extend(wrong.iter().map(|wrong| json!({"nonce": nonce, "ciphertext": wrong}).to_string()));
    shapes.push(json!({"nonce": nonce}).to_string());
    shapes.push(json!({"ciphertext": ciphertext}).to_string());
    shapes.push(json!({"Nonce": nonce, "Ciphertext": ciphertext}).to_string());
    shapes.push(Value::from(good.envelope()).to_string());
    shapes
}
