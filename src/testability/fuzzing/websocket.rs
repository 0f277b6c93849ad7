//! The frames of a server: arbitrary bytes, and valid frames. tungstenite reads them. This target checks how the client
//! uses tungstenite.

use std::io::{self, Read};

use tungstenite::Message as Incoming;

use super::bytes::Bytes;
use crate::io::transport::websocket::Codec;

/// The message limit, small enough for inputs to reach it. A text of the input has at most 765 bytes: 255, each
/// replaced by three.
const LIMIT: usize = 800;

/// The first byte decides whether the others are the stream, or choose valid messages for it.
pub fn websocket(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    if bytes.flag() {
        let (sent, expected) = valid_frames(&mut bytes);
        assert_eq!(decoded(&sent, &mut bytes), (expected, None));
    } else {
        check_any(bytes);
    }
}

/// An owned copy of a message.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// The messages do not depend on the cuts, and stay within the limits.
fn check_any(mut bytes: Bytes<'_>) {
    let mut cuts = Bytes::new(bytes.slice());
    let sent = bytes.rest();
    let whole = decoded(sent, &mut Bytes::new(&[]));
    assert_eq!(decoded(sent, &mut cuts), whole, "the cuts make no difference");
    for message in &whole.0 {
        match message {
            Message::Text(text) => assert!(text.len() <= LIMIT),
            Message::Binary(payload) => assert!(payload.len() <= LIMIT),
            Message::Ping(payload) | Message::Pong(payload) => assert!(payload.len() <= 125),
            Message::Close(Some((_, reason))) => assert!(reason.len() <= 123),
            Message::Close(None) => {}
        }
    }
}

/// The messages in these bytes if they arrive in pieces of the given sizes. Without sizes they arrive in one piece.
fn decoded(mut sent: &[u8], cuts: &mut Bytes<'_>) -> (Vec<Message>, Option<String>) {
    let mut codec = Codec::new(Vec::new(), LIMIT);
    let (mut messages, mut is_open) = (Vec::new(), true);
    while !sent.is_empty() && is_open {
        let size = if cuts.is_empty() { sent.len() } else { 1 + usize::from(cuts.byte()) };
        let (piece, rest) = sent.split_at(size.min(sent.len()));
        sent = rest;
        let mut piece = Piece(piece);
        let result = codec.read(&mut piece, |message| {
            is_open = !message.is_close();
            messages.push(kept(message));
            is_open
        });
        match result {
            Ok(()) => assert!(piece.0.is_empty() || !is_open, "everything is read before the next piece"),
            Err(broken) => {
                assert!(broken.close_code().is_some(), "a protocol violation has a close code: {broken:?}");
                return (messages, Some(format!("{broken:?}")));
            }
        }
    }
    (messages, None)
}

struct Piece<'a>(&'a [u8]);

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

fn kept(message: Incoming) -> Message {
    match message {
        Incoming::Text(text) => Message::Text(text.as_str().to_owned()),
        Incoming::Binary(payload) => Message::Binary(payload.to_vec()),
        Incoming::Ping(payload) => Message::Ping(payload.to_vec()),
        Incoming::Pong(payload) => Message::Pong(payload.to_vec()),
        Incoming::Close(None) => Message::Close(None),
        Incoming::Close(Some(frame)) => Message::Close(Some((frame.code.into(), frame.reason.as_str().to_owned()))),
        Incoming::Frame(_) => panic!("frames are never read raw"),
    }
}

/// Up to eight messages in frames, some in fragments with control frames between them, and the expected messages.
fn valid_frames(bytes: &mut Bytes<'_>) -> (Vec<u8>, Vec<Message>) {
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..=bytes.below(8) {
        let (kind, shape) = (bytes.below(5), bytes.byte());
        let text = bytes.text().into_owned();
        match kind {
            0 | 1 => {
                expected.extend(fragments(&mut sent, 1, text.as_bytes(), shape));
                expected.push(Message::Text(text.repeat(repeats(&text, shape))));
            }
            2 => {
                expected.extend(fragments(&mut sent, 2, text.as_bytes(), shape));
                expected.push(Message::Binary(text.repeat(repeats(&text, shape)).into_bytes()));
            }
            3 => {
                let payload = &text.as_bytes()[..text.len().min(125)];
                frame(&mut sent, 0x89, payload);
                expected.push(Message::Ping(payload.to_vec()));
            }
            _ => {
                frame(&mut sent, 0x8a, b"");
                expected.push(Message::Pong(Vec::new()));
            }
        }
    }
    frame(&mut sent, 0x88, &1000_u16.to_be_bytes());
    expected.push(Message::Close(Some((1000, String::new()))));
    (sent, expected)
}

/// The number of fragments with this text, within the limit.
fn repeats(text: &str, shape: u8) -> usize {
    (1 + usize::from(shape % 4)).min(LIMIT / text.len().max(1)).max(1)
}

/// Writes a message whose fragments repeat the payload, and returns the pings between its fragments.
fn fragments(sent: &mut Vec<u8>, opcode: u8, payload: &[u8], shape: u8) -> Vec<Message> {
    let text = String::from_utf8_lossy(payload);
    let count = repeats(&text, shape);
    let mut pings = Vec::new();
    for number in 1..=count {
        let first = if number == 1 { opcode } else { 0 };
        let last = if number == count { 0x80 } else { 0 };
        frame(sent, first | last, payload);
        if shape >= 128 && number < count {
            frame(sent, 0x89, b"between");
            pings.push(Message::Ping(b"between".to_vec()));
        }
    }
    pings
}

fn frame(sent: &mut Vec<u8>, first: u8, payload: &[u8]) {
    sent.push(first);
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => sent.push(length),
        _ => {
            sent.push(126);
            sent.extend(u16::try_from(payload.len()).expect("payloads are short").to_be_bytes());
        }
    }
    sent.extend_from_slice(payload);
}
