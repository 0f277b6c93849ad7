//! Frames of a client, byte by byte: the server reads them, and refuses broken ones.

use std::io::Write;

use pusher_channels::testing::TestServer;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message};

use crate::support::{SOON, connect, read_close, start, subscriber};

/// The largest message that the server accepts.
const MAX_MESSAGE: usize = 1 << 20;

/// A frame of a client. `first` is its first byte: the final bit, the reserved bits and the opcode.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => frame.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
        length => frame.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Sends bytes on a new connection, and expects a close frame with this code and a reason.
fn assert_refused(server: &TestServer, case: &str, bytes: &[u8], code: u16) {
    let (mut client, _) = connect(server);
    client.get_mut().write_all(bytes).unwrap();
    let (closed, reason) = read_close(&mut client);
    assert_eq!(closed, code, "{case}: {reason}");
    assert!(!reason.is_empty(), "{case}");
    assert!(server.wait_for_connections(0, SOON), "{case}");
}

#[test]
fn fragments_make_one_message_and_a_ping_between_them_is_answered() {
    let server = start();
    let (mut client, _) = connect(&server);
    let frames = [masked(0x01, b"in \xc5"), masked(0x89, b"beat"), masked(0x00, b"\xbc"), masked(0x80, b" parts")];
    client.get_mut().write_all(&frames.concat()).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("beat".into()));
    assert!(server.wait_for_received(|message| message.text == "in ż parts", SOON));
}

#[test]
fn frames_that_come_byte_by_byte_are_read() {
    let server = start();
    let (mut client, _) = connect(&server);
    client.get_ref().set_nodelay(true).unwrap();
    for byte in [masked(0x89, b"beat"), masked(0x81, "ż".repeat(100).as_bytes())].concat() {
        client.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.read().unwrap(), Message::Pong("beat".into()));
    assert!(server.wait_for_received(|message| message.text == "ż".repeat(100), SOON));
}

#[test]
fn a_message_of_1_mib_is_accepted() {
    let server = start();
    let (mut client, _) = connect(&server);
    let payload = vec![b'x'; MAX_MESSAGE];
    let (first, second) = payload.split_at(MAX_MESSAGE / 3);
    for frames in [masked(0x81, &payload), [masked(0x01, first), masked(0x80, second)].concat()] {
        client.get_mut().write_all(&frames).unwrap();
    }
    assert!(server.wait_for(SOON, |state| state.received().filter(|it| it.text.len() == MAX_MESSAGE).count() == 2));
}

#[test]
fn a_broken_rule_is_answered_with_1002() {
    let server = start();
    for (case, bytes) in [
        ("a frame that is not masked", vec![0x81, 0x01, b'x']),
        ("a ping that is not masked", vec![0x89, 0x00]),
        ("the first reserved bit", masked(0xc1, b"x")),
        ("the second reserved bit", masked(0xa1, b"x")),
        ("the third reserved bit", masked(0x91, b"x")),
        ("a reserved bit of a ping", masked(0xc9, b"x")),
        ("a reserved opcode of a data frame", masked(0x83, b"x")),
        ("a reserved opcode of a control frame", masked(0x8b, b"x")),
        ("a fragment that does not continue a message", masked(0x80, b"x")),
        ("a message inside another", [masked(0x01, b"x"), masked(0x81, b"y")].concat()),
        ("a fragmented ping", masked(0x09, b"x")),
        ("a ping of 126 bytes", masked(0x89, &[b'x'; 126])),
        ("a close frame of 126 bytes", masked(0x88, &[0x0f; 126])),
        ("half a close code", masked(0x88, &[0x03])),
    ] {
        assert_refused(&server, case, &bytes, 1002);
    }
}

#[test]
fn text_that_is_not_utf8_is_answered_with_1007() {
    let server = start();
    for (case, bytes) in [
        ("a byte that UTF-8 never contains", masked(0x81, b"a\xff")),
        ("half a surrogate pair", masked(0x81, b"\xed\xa0\x80")),
        ("an end inside a character", masked(0x81, b"\xc5")),
        ("a fragment", masked(0x01, b"a\xff")),
        ("an end of fragments inside a character", [masked(0x01, b"a"), masked(0x80, b"\xc5")].concat()),
        ("the reason of a close frame", masked(0x88, b"\x0f\xa0\xff")),
    ] {
        assert_refused(&server, case, &bytes, 1007);
    }
}

#[test]
fn a_message_over_1_mib_is_answered_with_1009() {
    let server = start();
    let large = vec![b'x'; MAX_MESSAGE];
    for (case, bytes) in [
        ("a text", masked(0x81, &[&large[..], b"y"].concat())),
        ("a binary message", masked(0x82, &[&large[..], b"y"].concat())),
        ("fragments together", [masked(0x01, &large), masked(0x80, b"y")].concat()),
        ("only a header", vec![0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("the longest length", [&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat()),
    ] {
        assert_refused(&server, case, &bytes, 1009);
    }
}

#[test]
fn frames_after_a_broken_one_are_read_and_ignored() {
    let server = start();
    let (mut client, _) = connect(&server);
    // More than the operating system buffers, so that the write would fail if the server stopped reading.
    let bytes = [masked(0xc1, b"broken"), masked(0x81, b"late"), vec![0; 8 << 20]].concat();
    client.get_mut().write_all(&bytes).unwrap();
    assert_eq!(read_close(&mut client).0, 1002);
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    assert!(server.received().is_empty());
}

#[test]
fn a_close_frame_is_answered_with_its_code_and_no_event_follows() {
    let server = start();
    for code in [1000, 1001, 1008, 3000, 4999] {
        let (mut client, _) = subscriber(&server, "room");
        client.close(Some(CloseFrame { code: code.into(), reason: "bye".into() })).unwrap();
        assert!(server.wait_for_connections(0, SOON));
        assert_eq!(server.trigger("room", "late", "x"), 0);
        assert_eq!(read_close(&mut client), (code, String::new()));
        assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    }
}

#[test]
fn a_close_code_that_is_not_allowed_is_answered_with_1002() {
    let server = start();
    for code in [999_u16, 1004, 1005, 1006, 1015, 2000, 5000] {
        let (mut client, _) = connect(&server);
        client.get_mut().write_all(&masked(0x88, &code.to_be_bytes())).unwrap();
        assert_eq!(read_close(&mut client), (1002, String::new()), "{code}");
    }
}

#[test]
fn a_client_that_does_not_read_its_pongs_is_dropped() {
    let server = TestServer::builder().queue_limit(1_000).start().unwrap();
    let (mut client, _) = subscriber(&server, "room");
    // More than the operating system buffers.
    assert_eq!(server.trigger("room", "e", &"x".repeat(20_000_000)), 1);
    client.get_mut().write_all(&masked(0x89, b"beat")).unwrap();
    assert!(server.wait_for_connections(0, SOON));
}
