//! Splits a stream into its messages, so that a fault can happen at a byte of one of them.

use super::fault::Phase;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToClient,
    ToServer,
}

/// One direction of a connection. Keeps the bytes of an incomplete message.
pub(super) struct Messages {
    direction: Direction,
    /// Whether the HTTP head has passed, and frames follow.
    upgraded: bool,
    buffer: Vec<u8>,
}

impl Messages {
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, upgraded: false, buffer: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message, and its phase; `None` for a message that is not a phase.
    pub(super) fn next(&mut self) -> Option<(Option<Phase>, Vec<u8>)> {
        if self.upgraded {
            let Frame { length, opcode, payload } = Frame::first_of(&self.buffer)?;
            let phase = self.phase_of_frame(opcode, &payload);
            return Some((phase, self.buffer.drain(..length).collect()));
        }
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        self.upgraded = true;
        let phase = match self.direction {
            Direction::ToClient => Phase::Response,
            Direction::ToServer => Phase::Request,
        };
        Some((Some(phase), self.buffer.drain(..end).collect()))
    }

    fn phase_of_frame(&self, opcode: u8, payload: &[u8]) -> Option<Phase> {
        const TEXT: u8 = 1;
        const CLOSE: u8 = 8;
        let text = std::str::from_utf8(payload).unwrap_or_default();
        match (self.direction, opcode) {
            (Direction::ToServer, CLOSE) => Some(Phase::Closing),
            (Direction::ToServer, TEXT) => text.contains("pusher:subscribe").then_some(Phase::Subscribing),
            (Direction::ToClient, TEXT) if text.contains("pusher:connection_established") => Some(Phase::Established),
            (Direction::ToClient, TEXT) if text.contains(":subscription_succeeded") => Some(Phase::Confirming),
            (Direction::ToClient, TEXT) if !text.starts_with(r#"{"event":"pusher"#) => Some(Phase::Event),
            _ => None,
        }
    }
}

/// A frame of RFC 6455, section 5.2, unmasked.
struct Frame {
    /// The length of the whole frame.
    length: usize,
    opcode: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn first_of(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (size, mut at) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
            size => (usize::from(size), 2),
        };
        let mut mask = [0; 4];
        if second & 0x80 != 0 {
            mask.copy_from_slice(bytes.get(at..at + 4)?);
            at += 4;
        }
        let payload = bytes.get(at..at.checked_add(size)?)?;
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Some(Self { length: at + size, opcode: first & 0x0F, payload })
    }
}

#[test]
fn a_stream_is_split_into_messages_with_their_phases() {
    let mut messages = Messages::new(Direction::ToServer);
    messages.push(b"GET / HTTP/1.1\r\n\r");
    assert!(messages.next().is_none(), "the head is incomplete");
    let subscribe = br#"{"event":"pusher:subscribe"}"#;
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x81, 0x80 | u8::try_from(subscribe.len()).expect("a short message")];
    frame.extend(mask);
    frame.extend(subscribe.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    messages.push(&[b"\n", &*frame, &[0x88]].concat());
    assert_eq!(messages.next(), Some((Some(Phase::Request), b"GET / HTTP/1.1\r\n\r\n".to_vec())));
    assert_eq!(messages.next(), Some((Some(Phase::Subscribing), frame)));
    assert!(messages.next().is_none());
    messages.push(&[0x80, 0, 0, 0, 0]);
    assert_eq!(messages.next().and_then(|(phase, _)| phase), Some(Phase::Closing));
}
