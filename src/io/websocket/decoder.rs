//! From bytes to messages, RFC 6455, section 5. No state of the connection, no I/O.

use std::{io::Cursor, str};

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// The longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// RFC 6455, section 5.5.
const MAX_CONTROL: usize = 125;

/// So many fragments of one message may be empty. They cost no memory, and so would have no other limit.
const MAX_EMPTY_FRAGMENTS: u32 = 1024;

/// A buffer that has grown beyond this is not kept.
const KEEP: usize = 64 * 1024;

/// Which end of the connection the bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Its frames are not masked.
    Server,
    /// Its frames are masked.
    #[cfg(feature = "test-server")]
    Client,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The code and the reason, where the frame has them.
    Close(Option<(u16, &'a str)>),
}

/// How the peer broke the rules. The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A message is larger than the limit.
    TooLarge,
    /// A text, or the reason of a close frame, is not UTF-8.
    NotUtf8,
    /// Any other, in words.
    Protocol(&'static str),
}

impl Violation {
    /// RFC 6455, section 7.4.1.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::NotUtf8 => 1007,
            Self::Protocol(_) => 1002,
        }
    }
}

/// Makes messages of the bytes of one connection, which may be cut anywhere.
///
/// A message whose bytes lie together is handed out where it lies. Only what is cut, or masked, is copied.
pub(crate) struct Decoder {
    sender: Sender,
    limit: usize,
    /// The beginning of a header that is not complete.
    header: Vec<u8>,
    frame: Option<Frame>,
    message: Message,
    control: Vec<u8>,
}

/// The frame whose payload is being read.
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: Option<[u8; 4]>,
    /// How much of the payload has been read.
    read: usize,
    left: usize,
}

/// The message whose frames are being read.
#[derive(Default)]
struct Message {
    kind: Option<Kind>,
    payload: Vec<u8>,
    /// So much of a text is known to be UTF-8.
    valid: usize,
    empty_fragments: u32,
    /// It has been handed out, and makes room for the next.
    taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

/// What a step brought.
enum Step<'a> {
    /// Nothing is left to read.
    Starved,
    /// A part of something.
    Part,
    /// A message that is one frame and lies in the input.
    Whole(Kind, &'a [u8]),
    /// A message lies in the buffer.
    Message(Kind),
    /// A control frame lies in its buffer.
    Control(Control),
}

impl Decoder {
    /// Messages may have `limit` bytes.
    pub(crate) fn new(sender: Sender, limit: usize) -> Self {
        let (header, control) = (Vec::with_capacity(MAX_HEADER), Vec::with_capacity(MAX_CONTROL));
        Self { sender, limit, header, frame: None, message: Message::default(), control }
    }

    /// The next message of the input, which begins where the last call left it. `None` when all of it has been read.
    pub(crate) fn next<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8]) -> Result<Option<Incoming<'a>>, Violation> {
        self.message.make_room();
        loop {
            match self.step(input)? {
                Step::Starved => return Ok(None),
                Step::Part => {}
                Step::Whole(Kind::Text, payload) => return text(payload).map(Some),
                Step::Whole(Kind::Binary, payload) => return Ok(Some(Incoming::Binary(payload))),
                Step::Message(kind) => return self.message.take(kind).map(Some),
                Step::Control(control) => return incoming(control, &self.control).map(Some),
            }
        }
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, Violation> {
        let frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.read_header(input)? {
                Some((header, length)) => self.begin(&header, length)?,
                None => return Ok(Step::Starved),
            },
        };
        if let Some(whole) = self.whole(&frame, input) {
            return Ok(whole);
        }
        self.read_payload(frame, input)
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<(FrameHeader, u64)>, Violation> {
        if self.header.is_empty() {
            let mut cursor = Cursor::new(*input);
            let parsed = parse(&mut cursor)?;
            if parsed.is_some() {
                let read = usize::try_from(cursor.position()).unwrap_or(input.len());
                *input = input.get(read..).unwrap_or_default();
                return Ok(parsed);
            }
        }
        while let Some((byte, rest)) = input.split_first() {
            self.header.push(*byte);
            *input = rest;
            if let Some(parsed) = parse(&mut Cursor::new(self.header.as_slice()))? {
                self.header.clear();
                return Ok(Some(parsed));
            }
        }
        Ok(None)
    }

    /// Checks a header before anything of its payload is kept.
    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<Frame, Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("a reserved bit is set, and no extension was asked for"));
        }
        match (self.sender, header.mask) {
            (Sender::Server, Some(_)) => return Err(Violation::Protocol("a frame of the server is masked")),
            #[cfg(feature = "test-server")]
            (Sender::Client, None) => return Err(Violation::Protocol("a frame of the client is not masked")),
            _ => {}
        }
        let left = match header.opcode {
            OpCode::Control(_) => {
                self.control.clear();
                control_length(header, length)?
            }
            OpCode::Data(data) => self.message.begin_frame(data, length, self.limit)?,
        };
        Ok(Frame { opcode: header.opcode, is_final: header.is_final, mask: header.mask, read: 0, left })
    }

    /// The quick way for what most servers send: a message in one frame, all of it here.
    fn whole<'a>(&mut self, frame: &Frame, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let is_data = matches!(frame.opcode, OpCode::Data(Data::Text | Data::Binary));
        if !is_data || !frame.is_final || frame.mask.is_some() || frame.read > 0 {
            return None;
        }
        let (payload, rest) = input.split_at_checked(frame.left)?;
        *input = rest;
        self.message.kind.take().map(|kind| Step::Whole(kind, payload))
    }

    fn read_payload<'a>(&mut self, mut frame: Frame, input: &mut &'a [u8]) -> Result<Step<'a>, Violation> {
        let (part, rest) = input.split_at(frame.left.min(input.len()));
        *input = rest;
        let buffer = match frame.opcode {
            OpCode::Control(_) => &mut self.control,
            OpCode::Data(_) => &mut self.message.payload,
        };
        let start = buffer.len();
        buffer.extend_from_slice(part);
        if let Some(mask) = frame.mask {
            let mask = mask.iter().cycle().skip(frame.read % mask.len());
            buffer.iter_mut().skip(start).zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
        frame.read += part.len();
        frame.left -= part.len();
        self.message.check_text(false)?;
        if frame.left > 0 {
            self.frame = Some(frame);
            return Ok(Step::Starved);
        }
        match frame.opcode {
            OpCode::Control(control) => Ok(Step::Control(control)),
            OpCode::Data(_) if frame.is_final => self.message.complete(),
            OpCode::Data(_) => Ok(Step::Part),
        }
    }
}

impl Message {
    /// A frame of data begins. Returns the length of its payload.
    fn begin_frame(&mut self, data: Data, length: u64, limit: usize) -> Result<usize, Violation> {
        let kind = match data {
            Data::Text => Some(Kind::Text),
            Data::Binary => Some(Kind::Binary),
            Data::Continue | Data::Reserved(_) => None,
        };
        match (kind, self.kind) {
            (Some(_), Some(_)) => return Err(Violation::Protocol("a message begins inside of another")),
            (None, None) => return Err(Violation::Protocol("a fragment continues no message")),
            (Some(_), None) => self.kind = kind,
            (None, Some(_)) => {}
        }
        if length == 0 {
            self.empty_fragments += 1;
            if self.empty_fragments > MAX_EMPTY_FRAGMENTS {
                return Err(Violation::Protocol("too many fragments are empty"));
            }
        }
        let room = limit.saturating_sub(self.payload.len());
        usize::try_from(length).ok().filter(|length| *length <= room).ok_or(Violation::TooLarge)
    }

    /// RFC 6455, section 8.1. What is wrong is told as soon as it has come, also in the middle of a message.
    fn check_text(&mut self, is_complete: bool) -> Result<(), Violation> {
        if self.kind != Some(Kind::Text) {
            return Ok(());
        }
        let unchecked = self.payload.get(self.valid..).unwrap_or_default();
        match str::from_utf8(unchecked) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_some() || is_complete => return Err(Violation::NotUtf8),
            Err(error) => self.valid += error.valid_up_to(),
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<Step<'static>, Violation> {
        self.check_text(true)?;
        self.taken = true;
        let kind = self.kind.take().ok_or(Violation::Protocol("a fragment continues no message"))?;
        Ok(Step::Message(kind))
    }

    fn take(&self, kind: Kind) -> Result<Incoming<'_>, Violation> {
        match kind {
            Kind::Text => text(&self.payload),
            Kind::Binary => Ok(Incoming::Binary(&self.payload)),
        }
    }

    fn make_room(&mut self) {
        if self.taken {
            let mut payload = std::mem::take(&mut self.payload);
            payload.clear();
            payload.shrink_to(KEEP);
            *self = Self { payload, ..Self::default() };
        }
        if self.kind.is_none() {
            self.empty_fragments = 0;
        }
    }
}

/// tungstenite refuses the reserved opcodes here.
fn parse(cursor: &mut Cursor<&[u8]>) -> Result<Option<(FrameHeader, u64)>, Violation> {
    FrameHeader::parse(cursor).map_err(|_| Violation::Protocol("a frame has a reserved opcode"))
}

fn control_length(header: &FrameHeader, length: u64) -> Result<usize, Violation> {
    if !header.is_final {
        return Err(Violation::Protocol("a control frame is fragmented"));
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_CONTROL);
    length.ok_or(Violation::Protocol("a control frame has more than 125 bytes"))
}

fn text(payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    str::from_utf8(payload).map(Incoming::Text).map_err(|_| Violation::NotUtf8)
}

fn incoming(control: Control, payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    match control {
        Control::Ping => Ok(Incoming::Ping(payload)),
        Control::Close => close(payload),
        Control::Pong | Control::Reserved(_) => Ok(Incoming::Pong),
    }
}

/// RFC 6455, section 5.5.1.
fn close(payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [_] => Err(Violation::Protocol("a close frame has half a code")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let reason = str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
            Ok(Incoming::Close(Some((code, reason))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server sends.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("short");
        let mut frame = vec![first];
        match length {
            0..=125 => frame.extend(length.to_be_bytes().get(1)),
            _ => frame.extend([&[126][..], &length.to_be_bytes()].concat()),
        }
        [frame.as_slice(), payload].concat()
    }

    /// All messages of these pieces, written out.
    fn read(sender: Sender, pieces: &[&[u8]]) -> Result<Vec<String>, Violation> {
        let mut decoder = Decoder::new(sender, 1000);
        let mut found = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(message) = decoder.next(&mut input)? {
                found.push(format!("{message:?}"));
            }
        }
        Ok(found)
    }

    fn whole(bytes: &[u8]) -> Result<Vec<String>, Violation> {
        read(Sender::Server, &[bytes])
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
        assert_eq!(expected[2], r#"Text("in ż parts")"#);
        assert_eq!(expected[7], r#"Close(Some((4000, "bye")))"#);
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(read(Sender::Server, &[head, tail]).as_ref(), Ok(&expected), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(Sender::Server, &single), Ok(expected));
    }

    #[test]
    fn what_breaks_the_rules_is_a_violation() {
        let rows: [(&[u8], &str); 12] = [
            (&[0xc1, 0], "a reserved bit"),
            (&[0xa1, 0], "a reserved bit"),
            (&[0x91, 0], "a reserved bit"),
            (&[0x83, 0], "a reserved opcode"),
            (&[0x8b, 0], "a reserved opcode"),
            (&[0x81, 0x80, 1, 2, 3, 4], "masked"),
            (&[0x80, 0], "continues no message"),
            (&[0x01, 0, 0x81, 0], "inside of another"),
            (&[0x09, 0], "is fragmented"),
            (&[0x89, 126, 0, 126], "more than 125"),
            (&[0x88, 1, 0], "half a code"),
            (&[0x89, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "more than 125"),
        ];
        for (bytes, what) in rows {
            match whole(bytes) {
                Err(Violation::Protocol(words)) => assert!(words.contains(what), "{bytes:x?}: {words}"),
                other => panic!("{bytes:x?}: {other:?}"),
            }
        }
    }

    #[test]
    fn d3_a_length_is_refused_before_its_payload_comes() {
        let lengths: [&[u8]; 3] = [
            &[0x81, 126, 0x03, 0xe9],
            &[0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0],
            &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in lengths {
            assert_eq!(whole(bytes), Err(Violation::TooLarge), "{bytes:x?}");
        }
        let fragments = [frame(0x01, &[b'a'; 600]), frame(0x80, &[b'a'; 401])].concat();
        assert_eq!(whole(&fragments), Err(Violation::TooLarge), "fragments count together");
        assert!(whole(&[frame(0x01, &[b'a'; 600]), frame(0x80, &[b'a'; 400])].concat()).is_ok());
    }

    #[test]
    fn d3_a_flood_of_empty_fragments_is_a_violation_and_many_empty_messages_are_none() {
        let flood = [frame(0x01, b""), frame(0x00, b"").repeat(2000)].concat();
        assert!(matches!(whole(&flood), Err(Violation::Protocol(_))));
        assert_eq!(whole(&frame(0x81, b"").repeat(2000)).map(|found| found.len()), Ok(2000));
    }

    #[test]
    fn text_that_is_not_utf8_is_told_as_soon_as_it_has_come() {
        assert_eq!(whole(&frame(0x81, b"a\xff")), Err(Violation::NotUtf8));
        assert_eq!(whole(&frame(0x81, b"cut \xc5")), Err(Violation::NotUtf8));
        assert_eq!(whole(&frame(0x01, b"\xed\xa0")), Err(Violation::NotUtf8), "half of a surrogate, unfinished");
        assert_eq!(whole(&frame(0x88, b"\x0f\xa0\xff")), Err(Violation::NotUtf8));
        assert_eq!(whole(&frame(0x01, b"\xc5")), Ok(Vec::new()), "it may go on");
    }

    #[cfg(feature = "test-server")]
    #[test]
    fn frames_of_a_client_are_unmasked_and_have_to_be_masked() {
        let masked: &[u8] = &[0x81, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3];
        for cut in 0..masked.len() {
            let (head, tail) = masked.split_at(cut);
            assert_eq!(read(Sender::Client, &[head, tail]), Ok(vec![r#"Text("abc")"#.to_owned()]), "cut at {cut}");
        }
        assert!(matches!(read(Sender::Client, &[&[0x81, 0]]), Err(Violation::Protocol(_))));
    }
}
