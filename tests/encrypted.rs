//! Rules E: encrypted channels, over real sockets.

mod support;

use std::sync::mpsc;

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use pusher_channels::{
    DecryptionError, Notification, Pusher,
    testing::{AuthFault, TestServer},
};
use support::{PATIENCE, next, next_event, quick, subscribed};

const ROOM: &str = "private-encrypted-room";

fn room() -> (TestServer, Pusher) {
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port");
    let pusher = Pusher::new(quick(&server).auth_endpoint(server.auth_endpoint())).connect().expect("accepted");
    subscribed(&pusher, ROOM);
    (server, pusher)
}

#[test]
fn e5_decrypted_data_is_what_the_publisher_sent() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    server.trigger(ROOM, "text", "hello, ż");
    assert_eq!(next_event(&receiver), ("text".to_owned(), "hello, ż".to_owned()));
    server.trigger(ROOM, "object", &serde_json::json!({"a": [1, null]}));
    assert_eq!(next_event(&receiver), ("object".to_owned(), r#"{"a":[1,null]}"#.to_owned()));
}

#[test]
fn d1_half_of_a_surrogate_pair_in_decrypted_text_is_u_fffd() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    let secret = server.shared_secret(ROOM).expect("an encrypted channel");
    for (plain, data) in
        [(r#""good morning \ud83d""#, "good morning \u{fffd}"), (r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83d"}"#)]
    {
        server.send_raw(&encrypted_event(&secret, plain, true));
        assert_eq!(next_event(&receiver).1, data);
    }
}

#[test]
fn e6_an_envelope_without_padding_is_delivered() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    let secret = server.shared_secret(ROOM).expect("an encrypted channel");
    for plain in ["1", "12", "123"] {
        for padded in [true, false] {
            server.send_raw(&encrypted_event(&secret, plain, padded));
            assert_eq!(next_event(&receiver).1, plain);
        }
    }
    assert_eq!(server.auth_requests().len(), 1);
}

/// An event, encrypted by the channel's key as a publisher does it.
fn encrypted_event(shared_secret: &str, plain: &str, padded: bool) -> String {
    let key = STANDARD.decode(shared_secret).expect("base64");
    let cipher = XSalsa20Poly1305::new(key.as_slice().into());
    let ciphertext = STANDARD.encode(cipher.encrypt(&[7; 24].into(), plain.as_bytes()).expect("it fits"));
    let ciphertext = if padded { &*ciphertext } else { ciphertext.trim_end_matches('=') };
    let envelope = serde_json::json!({ "nonce": STANDARD.encode([7; 24]), "ciphertext": ciphertext }).to_string();
    serde_json::json!({ "event": "e", "channel": ROOM, "data": envelope }).to_string()
}

#[test]
fn e1_an_event_that_is_not_encrypted_is_not_delivered() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    let (report, reports) = mpsc::channel();
    pusher.channel(ROOM).expect("a valid name").on_decryption_failure(move |failure| {
        report.send((failure.channel.to_string(), failure.event.to_string())).unwrap_or_default();
    });
    server.send_raw(&format!(r#"{{"event":"forged","channel":"{ROOM}","data":"in clear"}}"#));
    server.trigger(ROOM, "real", "x");
    assert_eq!(next_event(&receiver), ("real".to_owned(), "x".to_owned()), "the forged event is skipped");
    assert_eq!(reports.recv_timeout(PATIENCE), Ok((ROOM.to_owned(), "forged".to_owned())));
}

#[test]
fn e2_no_event_is_lost_if_the_key_is_rotated_after_the_subscription() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    server.rotate_master_key([2; 32]);
    let published = ["1", "2", "3", "4", "5"];
    for data in published {
        server.trigger(ROOM, "e", data);
    }
    for data in published {
        assert_eq!(next_event(&receiver).1, data);
    }
    assert_eq!(server.auth_requests().len(), 2, "one request for the subscription, and one for the new key");
}

#[test]
fn e2_10000_events_that_do_not_decrypt_cause_at_most_2_requests() {
    let (server, pusher) = room();
    let receiver = pusher.receiver();
    server.set_auth_fault(Some(AuthFault::Status { status: 403, body: String::new(), headers: Vec::new() }));
    server.rotate_master_key([2; 32]);
    for _ in 0..10_000 {
        server.trigger(ROOM, "e", "x");
    }
    for _ in 0..10_000 {
        let reason = next(&receiver, |notification| match notification {
            Notification::DecryptionFailure(failure) => Some(failure.reason),
            _ => None,
        });
        assert_eq!(reason, DecryptionError::WrongKey);
    }
    assert_eq!(server.auth_requests().len(), 2);
    server.set_auth_fault(None);
    server.drop_all();
    assert!(server.wait_for(PATIENCE, |snapshot| snapshot.auth_requests().count() == 3));
    assert!(server.wait_for_subscribers(ROOM, 1, PATIENCE));
    server.trigger(ROOM, "e", "again");
    assert_eq!(next_event(&receiver).1, "again", "a new connection has the new key");
}

#[test]
fn e5_a_decoder_of_the_program_gets_the_decrypted_bytes() {
    let server = TestServer::builder().encryption_master_key([1; 32]).start().expect("a free port");
    let config =
        quick(&server).auth_endpoint(server.auth_endpoint()).encrypted_data_decoder(|bytes: &[u8]| match bytes {
            b"\"bad\"" => Err("not acceptable".to_owned()),
            b"\"panic\"" => panic!("on purpose"),
            bytes => Ok(format!("{} bytes", bytes.len())),
        });
    let pusher = Pusher::new(config).connect().expect("accepted");
    subscribed(&pusher, ROOM);
    let receiver = pusher.receiver();
    let (report, reports) = mpsc::channel();
    let failed = report.clone();
    pusher.on_event(move |event| report.send(event.data().to_owned()).unwrap_or_default());
    pusher.on_decryption_failure(move |failure| failed.send(failure.reason.to_string()).unwrap_or_default());
    for data in ["bad", "panic", "good"] {
        server.trigger(ROOM, "e", data);
    }
    let handled: Vec<_> = (0..3).map(|_| reports.recv_timeout(PATIENCE).expect("handled")).collect();
    assert!(handled[0].contains("not acceptable") && handled[1].contains("panicked"), "{handled:?}");
    assert_eq!(handled[2], "6 bytes");
    assert_eq!(next_event(&receiver).1, "6 bytes");
}

#[test]
fn t1_client_events_are_refused_before_anything_is_sent() {
    let (server, pusher) = room();
    let before = server.received().len();
    let refused = pusher.trigger(ROOM, "client-x", "data");
    assert!(matches!(refused, Err(pusher_channels::Error::ClientEventChannel { .. })));
    assert_eq!(server.received().len(), before);
}
