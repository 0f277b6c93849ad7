//! How the client uses tungstenite: limits, order, answers, and the bytes that it writes.

use std::io::{self, Read, Write};

use tungstenite::Message;

use super::{
    codec::{Codec, ReadError},
    *,
};
use crate::secret::Secret;

const LIMIT: usize = 1000;

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// A source with one piece of the stream.
fn piece(bytes: &[u8]) -> Received<'_> {
    Received { bytes, is_end: false }
}

/// The messages in these pieces, as text.
fn read(pieces: &[&[u8]]) -> Result<Vec<String>, (u16, String)> {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut found = Vec::new();
    for bytes in pieces {
        let result = codec.read(&mut piece(bytes), |message| {
            found.push(shown(&message));
            !message.is_close()
        });
        match result {
            Ok(()) => {}
            Err(broken) => return Err((broken.close_code().expect("a broken rule"), format!("{broken:?}"))),
        }
    }
    Ok(found)
}

fn shown(message: &Message) -> String {
    match message {
        Message::Text(text) => text.as_str().to_owned(),
        Message::Close(frame) => format!("{:?}", frame.as_ref().map(|frame| (u16::from(frame.code), &*frame.reason))),
        other => format!("{:?}", other.clone().into_data()),
    }
}

fn whole(bytes: &[u8]) -> Result<Vec<String>, (u16, String)> {
    read(&[bytes])
}

#[test]
fn messages_are_the_same_wherever_their_bytes_are_cut() {
    let long = "ż".repeat(200);
    let bytes = [
        frame(0x81, b"whole"),
        frame(0x01, b"in \xc5"),
        frame(0x89, b"ping"),
        frame(0x00, b"\xbc"),
        frame(0x80, b" parts"),
        frame(0x82, &[0, 255]),
        frame(0x81, b""),
        frame(0x81, long.as_bytes()),
        frame(0x8a, b""),
        frame(0x88, b"\x0f\xa0bye"),
    ]
    .concat();
    let expected = whole(&bytes).expect("nothing is wrong");
    assert_eq!(expected.len(), 8);
    assert_eq!(expected[2], "in ż parts");
    assert_eq!(expected[7], r#"Some((4000, "bye"))"#);
    for cut in 0..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(read(&[head, tail]).as_ref(), Ok(&expected), "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), Ok(expected));
}

#[test]
fn a_broken_rule_is_a_violation() {
    let rows: [&[u8]; 12] = [
        &[0xc1, 0],
        &[0xa1, 0],
        &[0x91, 0],
        &[0x83, 0],
        &[0x8b, 0],
        &[0x81, 0x80, 1, 2, 3, 4],
        &[0x80, 0],
        &[0x01, 0, 0x81, 0],
        &[0x09, 0],
        &[0x88, 1, 0],
        &frame(0x89, &[b'x'; 126]),
        &frame(0x8a, &[b'x'; 500]),
    ];
    for bytes in rows {
        let (code, rule) = whole(bytes).expect_err("a broken rule");
        assert!(code == 1002 && rule.starts_with("Protocol("), "{bytes:x?}: {code} {rule}");
    }
}

#[test]
fn d3_a_length_is_refused_before_its_payload_comes() {
    let lengths: [&[u8]; 4] = [
        &[0x81, 126, 0x03, 0xe9],
        &[0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x89, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for bytes in lengths {
        assert_eq!(whole(bytes), Err((1009, "TooLarge".to_owned())), "{bytes:x?}");
    }
    let fragments = [frame(0x01, &[b'a'; 600]), frame(0x80, &[b'a'; 401])].concat();
    assert_eq!(whole(&fragments), Err((1009, "TooLarge".to_owned())), "fragments count together");
    assert!(whole(&[frame(0x01, &[b'a'; 600]), frame(0x80, &[b'a'; 400])].concat()).is_ok());
}

#[test]
fn d3_a_flood_of_empty_fragments_is_a_violation() {
    let flood = [frame(0x01, b""), frame(0x00, b"").repeat(40_000)].concat();
    let pieces: Vec<&[u8]> = flood.chunks(2000).collect();
    assert_eq!(read(&pieces), Err((1002, r#"Protocol("too many fragments are empty")"#.to_owned())));
}

#[test]
fn d3_small_fragments_control_frames_and_empty_messages_are_no_flood() {
    let mut pieces = Vec::new();
    for _ in 0..100 {
        // A message of the largest size, byte by byte, with a Ping after every tenth byte.
        pieces.push(frame(0x01, b"a"));
        (1..LIMIT).for_each(|n| {
            pieces.push(frame(if n == LIMIT - 1 { 0x80 } else { 0x00 }, b"a"));
            if n % 10 == 0 {
                pieces.push(frame(0x89, &[b'p'; 125]));
            }
        });
    }
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let texts = read(&pieces).expect("allowed").into_iter().filter(|text| text.len() == LIMIT).count();
    assert_eq!(texts, 100);
    let pings = frame(0x89, &[b'p'; 125]).repeat(500);
    assert_eq!(read(&[pings.as_slice(); 100]).map(|found| found.len()), Ok(50_000));
    assert_eq!(whole(&frame(0x81, b"").repeat(2000)).map(|found| found.len()), Ok(2000));
}

#[test]
fn text_that_is_not_utf8_is_a_violation() {
    for bytes in
        [frame(0x81, b"a\xff"), frame(0x81, b"cut \xc5"), frame(0x01, b"\xed\xa0\x80"), frame(0x88, b"\x0f\xa0\xff")]
    {
        assert_eq!(whole(&bytes), Err((1007, "NotUtf8".to_owned())), "{bytes:x?}");
    }
    assert_eq!(whole(&frame(0x01, b"\xc5")), Ok(Vec::new()), "it may go on");
}

#[test]
fn r2_a_close_code_that_rfc_6455_does_not_know_is_read_as_1002() {
    for (code, read) in
        [(1000, 1000), (1013, 1013), (3999, 3999), (4200, 4200), (1014, 1002), (2000, 1002), (5000, 1002)]
    {
        let payload = [&u16::to_be_bytes(code)[..], b"why"].concat();
        let reason = if code == read { "why" } else { "Protocol violation" };
        assert_eq!(whole(&frame(0x88, &payload)), Ok(vec![format!("{:?}", Some((read, reason)))]), "{code}");
    }
}

#[test]
fn bytes_that_came_with_the_upgrade_come_first() {
    let mut codec = Codec::new(frame(0x81, b"early"), LIMIT);
    let mut found = Vec::new();
    let later = frame(0x81, b"later");
    codec
        .read(&mut piece(&later), |message| {
            found.push(shown(&message));
            true
        })
        .expect("good frames");
    assert_eq!(found, ["early", "later"]);
}

#[test]
fn the_end_of_the_stream_differs_from_a_pause() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    assert!(codec.read(&mut piece(b""), |_| true).is_ok());
    let mut end = Received { bytes: b"", is_end: true };
    assert!(matches!(codec.read(&mut end, |_| true), Err(ReadError::Ended)));
}

/// A peer that takes a number of bytes, then no more.
#[derive(Default)]
struct Peer {
    taken: Vec<u8>,
    room: usize,
}

impl Write for Peer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = data.len().min(self.room);
        self.room -= count;
        self.taken.extend_from_slice(&data[..count]);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Peer {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("writing does not read")
    }
}

/// The frames that the peer took, with opcode and payload.
fn received(peer: &Peer) -> Vec<(u8, Vec<u8>)> {
    let mut rest = peer.taken.as_slice();
    let mut frames = Vec::new();
    while let [first, length, after @ ..] = rest {
        assert_eq!(length & 0x80, 0x80, "RFC 6455, section 5.3: frames of a client are masked");
        let (length, after) = match length & 0x7f {
            126 => (usize::from(u16::from_be_bytes([after[0], after[1]])), &after[2..]),
            127 => (u64::from_be_bytes(after[..8].try_into().expect("eight")) as usize, &after[8..]),
            short => (usize::from(short), after),
        };
        let (mask, after) = after.split_at(4);
        let (payload, after) = after.split_at(length);
        frames.push((*first, payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()));
        rest = after;
    }
    frames
}

fn bytes_of(texts: &[&str]) -> Vec<(u8, Vec<u8>)> {
    texts.iter().map(|text| (0x81, text.as_bytes().to_vec())).collect()
}

#[test]
fn texts_are_masked_and_survive_being_written_in_pieces() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut peer = Peer::default();
    let long = "ż".repeat(70_000);
    for text in ["first", &long] {
        let mut result = codec.send(&mut peer, Secret::new(text));
        while let Err(error) = result {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            peer.room += 10_007;
            result = codec.flush(&mut peer);
        }
    }
    assert_eq!(received(&peer), bytes_of(&["first", &long]));
    assert!(!String::from_utf8_lossy(&peer.taken).contains("first"), "masked");
}

#[test]
fn r6_every_ping_is_answered_in_order_with_one_write() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut peer = Peer { room: usize::MAX, ..Peer::default() };
    let pings: Vec<u8> = (0..50u8).flat_map(|n| frame(0x89, &[n])).collect();
    codec.read(&mut piece(&pings), |_| true).expect("good frames");
    assert!(peer.taken.is_empty(), "reading writes nothing");
    codec.flush(&mut peer).expect("there is room");
    assert_eq!(received(&peer), (0..50u8).map(|n| (0x8a, vec![n])).collect::<Vec<_>>());
}

#[test]
fn d3_a_peer_that_takes_no_pongs_gets_the_last_one_of_a_flood() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut peer = Peer::default();
    for chunk in (0..100_000u32).collect::<Vec<_>>().chunks(1000) {
        let pings: Vec<u8> = chunk.iter().flat_map(|n| frame(0x89, &n.to_be_bytes())).collect();
        codec.read(&mut piece(&pings), |_| true).expect("good frames");
        assert!(codec.flush(&mut peer).is_err(), "the peer takes nothing");
    }
    peer.room = usize::MAX;
    codec.flush(&mut peer).expect("there is room");
    assert!(peer.taken.len() <= 64 * 1024 + 200, "{}", peer.taken.len());
    let frames = received(&peer);
    assert!(frames.len() > 1000);
    assert_eq!(frames.last(), Some(&(0x8a, 99_999u32.to_be_bytes().to_vec())));
}

#[test]
fn a_message_of_any_size_fits_beside_the_answers_that_wait() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut peer = Peer::default();
    let pings = frame(0x89, &[b'p'; 125]).repeat(2000);
    codec.read(&mut piece(&pings), |_| true).expect("good frames");
    let long = "x".repeat(3 << 20);
    let error = codec.send(&mut peer, Secret::new(long.as_str())).expect_err("the peer takes nothing");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    peer.room = usize::MAX;
    codec.flush(&mut peer).expect("there is room");
    assert!(received(&peer).contains(&(0x81, long.into_bytes())));
}

#[test]
fn d3_a_close_frame_fits_behind_a_flood_of_pings() {
    let pings = frame(0x89, b"").repeat(40_000);
    for room in [0, 1000, usize::MAX] {
        let mut codec = Codec::new(Vec::new(), LIMIT);
        let mut peer = Peer { room, ..Peer::default() };
        codec.read(&mut piece(&pings), |_| true).expect("good frames");
        let _ = codec.close(&mut peer, 1009);
        peer.room = usize::MAX;
        codec.flush(&mut peer).expect("there is room");
        assert_eq!(received(&peer).last(), Some(&(0x88, 1009u16.to_be_bytes().to_vec())), "{room}");
    }
}

#[test]
fn nothing_follows_a_close_frame() {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let mut peer = Peer { room: usize::MAX, ..Peer::default() };
    codec.close(&mut peer, 1002).expect("there is room");
    codec.close(&mut peer, 1000).expect("there is room");
    assert!(codec.send(&mut peer, Secret::new("late")).is_err());
    codec.read(&mut piece(&frame(0x89, b"late")), |_| true).expect("a good frame");
    codec.flush(&mut peer).expect("there is room");
    assert_eq!(received(&peer), [(0x88, 1002u16.to_be_bytes().to_vec())]);
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for (payload, answer) in [(&b""[..], &b""[..]), (b"\x0f\xa0bye", b"\x0f\xa0bye"), (b"\x03\xe8", b"\x03\xe8")] {
        let mut codec = Codec::new(Vec::new(), LIMIT);
        let mut peer = Peer { room: usize::MAX, ..Peer::default() };
        codec.read(&mut piece(&frame(0x88, payload)), |message| !message.is_close()).expect("a good frame");
        codec.flush(&mut peer).expect("there is room");
        assert_eq!(received(&peer), [(0x88, answer.to_vec())], "{payload:?}");
    }
}
