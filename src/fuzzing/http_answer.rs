//! The answers of auth endpoints, as HTTP (A1, A5).

use std::io::{self, Read};

use super::bytes::Bytes;
use crate::io::http::response::{Limits, Unreadable, read};

/// Small, so that inputs get there.
const LIMITS: Limits = Limits { success: 300, refusal: 30 };

/// The first bytes say how the stream is cut, the others are all that it brings.
pub fn http_answer(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let cuts = Bytes::new(bytes.slice());
    let sent = bytes.rest();
    let whole = outcome(sent, Bytes::new(&[]));
    if let Outcome::Answer { status, body, .. } = &whole {
        let limit = if (200..300).contains(status) { LIMITS.success } else { LIMITS.refusal };
        assert!(body.len() <= limit);
        assert!(!(100..200).contains(status) || *status == 101, "interim answers are passed over");
    }
    assert_eq!(outcome(sent, cuts), whole, "wherever the bytes are cut");
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answer { status: u16, body: Vec<u8>, retry_after: Option<u64> },
    Ended,
    Malformed(String),
}

fn outcome(sent: &[u8], cuts: Bytes<'_>) -> Outcome {
    match read(&mut Pieces { sent, cuts }, &LIMITS) {
        Ok(answer) => {
            Outcome::Answer { status: answer.status, body: answer.body.to_vec(), retry_after: answer.retry_after }
        }
        Err(Unreadable::Unheard(error) | Unreadable::Io(error)) => {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            Outcome::Ended
        }
        Err(Unreadable::Malformed(reason)) => {
            assert!(reason.is_ascii() && reason.len() < 120, "X1: in words of this crate: {reason}");
            Outcome::Malformed(reason)
        }
    }
}

/// A stream that brings pieces of the given sizes; without sizes, all that there is room for.
struct Pieces<'a> {
    sent: &'a [u8],
    cuts: Bytes<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = if self.cuts.is_empty() { buffer.len() } else { 1 + usize::from(self.cuts.byte()) };
        let room = size.min(buffer.len());
        self.sent.read(&mut buffer[..room])
    }
}
