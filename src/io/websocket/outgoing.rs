//! What is to be written: messages and the answers to control frames, as masked frames.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
};

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};
use zeroize::Zeroize;

/// While so much waits, of the Pings only the last is answered, as RFC 6455, section 5.5.3, allows.
const MANY_ANSWERS: usize = 64 * 1024;

/// The frames that were not written yet. Wiped when they are, because signatures are among them.
pub(super) struct Outgoing {
    buffer: Vec<u8>,
    /// How much of the buffer has been written.
    written: usize,
    /// The answer to the last Ping, while there is no room for it.
    pong: Option<Vec<u8>>,
    closing: bool,
    masks: Masks,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), written: 0, pong: None, closing: false, masks: Masks::new() }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.message(Data::Text, text.as_bytes());
    }

    /// After a close frame nothing follows.
    pub(super) fn message(&mut self, kind: Data, payload: &[u8]) {
        if !self.closing {
            self.frame(OpCode::Data(kind), payload);
        }
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.closing {
            return;
        }
        if self.buffer.len() > MANY_ANSWERS {
            self.pong = Some(payload.to_vec());
        } else {
            self.frame(OpCode::Control(Control::Pong), payload);
        }
    }

    pub(super) fn close(&mut self, code: Option<u16>) {
        if !self.closing {
            let payload = code.map(u16::to_be_bytes);
            self.frame(OpCode::Control(Control::Close), payload.as_ref().map_or(&[], |code| code.as_slice()));
            self.closing = true;
        }
    }

    /// Writes what there is. An error of the kind `WouldBlock` says that the rest is to be written later.
    pub(super) fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.written += count,
            }
            if self.written == self.buffer.len() {
                self.wipe();
                if let Some(pong) = self.pong.take() {
                    self.pong(&pong);
                }
            }
        }
        stream.flush()
    }

    fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let mask = self.masks.next();
        let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
        // Writing to a vector does not fail.
        let _ = header.format(payload.len() as u64, &mut self.buffer);
        self.buffer.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    fn wipe(&mut self) {
        self.buffer.zeroize();
        self.buffer.shrink_to(MANY_ANSWERS);
        self.written = 0;
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// RFC 6455, section 5.3: masks that nobody can foretell.
struct Masks {
    /// Keyed by the operating system's random numbers.
    random: RandomState,
    count: u64,
}

impl Masks {
    fn new() -> Self {
        Self { random: RandomState::new(), count: 0 }
    }

    fn next(&mut self) -> [u8; 4] {
        self.count += 1;
        let [a, b, c, d, ..] = self.random.hash_one(self.count).to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(all(test, feature = "test-server"))]
mod tests {
    use super::{
        super::decoder::{Decoder, Incoming, Sender},
        *,
    };

    /// Takes so many bytes, then no more.
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

    fn received(peer: &Peer) -> Vec<String> {
        let mut decoder = Decoder::new(Sender::Client, 1 << 20);
        let mut input = peer.taken.as_slice();
        let mut found = Vec::new();
        while let Some(message) = decoder.next(&mut input).expect("frames") {
            found.push(match message {
                Incoming::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            });
        }
        found
    }

    #[test]
    fn frames_are_masked_and_survive_being_written_in_pieces() {
        let mut outgoing = Outgoing::new();
        let mut peer = Peer { taken: Vec::new(), room: 0 };
        let long = "ż".repeat(70_000);
        outgoing.text("first");
        outgoing.text(&long);
        while outgoing.flush(&mut peer).is_err() {
            peer.room += 10_007;
        }
        assert_eq!(received(&peer), ["first".to_owned(), long]);
        assert!(!String::from_utf8_lossy(&peer.taken).contains("first"), "masked");
        assert!(outgoing.buffer.is_empty(), "wiped");
    }

    #[test]
    fn d3_a_peer_that_takes_no_pongs_gets_the_last_one_of_a_flood() {
        let mut outgoing = Outgoing::new();
        let mut peer = Peer { taken: Vec::new(), room: 0 };
        for n in 0..100_000u32 {
            outgoing.pong(&n.to_be_bytes());
        }
        assert!(outgoing.buffer.len() < 2 * MANY_ANSWERS);
        peer.room = usize::MAX;
        outgoing.flush(&mut peer).expect("there is room");
        let last = peer.taken.len() - 4;
        assert!(received(&peer).len() > 1000);
        let mask = &peer.taken[last - 4..last];
        let payload: Vec<u8> = peer.taken[last..].iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(payload, 99_999u32.to_be_bytes());
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut outgoing = Outgoing::new();
        let mut peer = Peer { taken: Vec::new(), room: usize::MAX };
        outgoing.close(Some(1002));
        outgoing.close(None);
        outgoing.text("late");
        outgoing.pong(b"late");
        outgoing.flush(&mut peer).expect("there is room");
        assert_eq!(received(&peer), [r#"Close(Some((1002, "")))"#]);
    }
}
