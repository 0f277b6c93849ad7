//! The escapes of JSON strings (RFC 8259, section 7).
//!
//! serde_json decodes escapes too, but only into a new string. Event data is nearly always a string full of escaped
//! quotation marks. This module decodes it directly into its final buffer.

use std::ops::Range;

use memchr::memchr;
use serde_json::value::RawValue;

pub(crate) use crate::surrogates::ESCAPE;
use crate::surrogates::{self, code_unit};

/// Appends the text of a JSON string to `out`. `content` is the part between the quotation marks. A lone surrogate
/// becomes U+FFFD, because a Rust string cannot contain it (D1).
///
/// The content must come from a JSON parser: then all its escapes are complete and all its characters are allowed.
pub(crate) fn decode(content: &str, out: &mut String) {
    let mut rest = content;
    loop {
        let (plain, escape) = rest.split_at(memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len()));
        out.push_str(plain);
        let (character, length) = match escape.as_bytes().get(1) {
            Some(b'u') => unicode(escape).unwrap_or((char::REPLACEMENT_CHARACTER, ESCAPE)),
            // A quotation mark, a slash or a backslash stands for itself.
            Some(letter) => (control(*letter).unwrap_or((*letter).into()), 2),
            None => return,
        };
        out.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
}

/// The control character of the escape with this letter.
pub(crate) fn control(letter: u8) -> Option<char> {
    Some(match letter {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// The character of the escape `\uXXXX`, or of the pair of such escapes, at the beginning of this text, and the length
/// of the escapes. `None` if the escape is not complete.
pub(crate) fn unicode(text: &str) -> Option<(char, usize)> {
    let pair = [Some(code_unit(text, 0)?), code_unit(text, ESCAPE)].into_iter().flatten();
    Some(match char::decode_utf16(pair).next() {
        Some(Ok(character)) => (character, ESCAPE * character.len_utf16()),
        _ => (char::REPLACEMENT_CHARACTER, ESCAPE),
    })
}

/// A buffer for the text of one string. It is used again for the next message, so that decoding allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct DecodeBuffer {
    /// The text, and unused bytes behind it.
    bytes: Vec<u8>,
    len: usize,
}

impl DecodeBuffer {
    /// Larger buffers are not kept for the next message.
    const MAX_KEPT: usize = 64 << 10;

    /// Runs of up to this length are copied as a whole block, because a copy of fixed length is one instruction.
    const BLOCK: usize = 16;

    /// Empties the buffer, and makes room for a text of up to this length.
    pub fn clear(&mut self, max_len: usize) {
        self.len = 0;
        if self.bytes.len() < max_len + Self::BLOCK {
            self.bytes.resize(max_len + Self::BLOCK, 0);
        }
    }

    /// Gives the memory of a large text back.
    pub fn shrink(&mut self) {
        if self.bytes.len() > Self::MAX_KEPT {
            *self = Self::default();
        }
    }

    /// Appends a part of a text.
    pub fn push_run(&mut self, text: &str, run: Range<usize>) {
        let (source, target) = (&text.as_bytes()[run.start..], &mut self.bytes[self.len..]);
        self.len += run.len();
        match (source.first_chunk::<{ Self::BLOCK }>(), target.first_chunk_mut()) {
            (Some(source), Some(target)) if run.len() <= Self::BLOCK => *target = *source,
            _ => target[..run.len()].copy_from_slice(&source[..run.len()]),
        }
    }

    /// Appends a character.
    pub fn push(&mut self, character: char) {
        self.len += character.encode_utf8(&mut self.bytes[self.len..]).len();
    }

    /// The text. The runs are cut at ASCII characters, so that it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes[..self.len]).ok()
    }
}

/// The text of an id, which servers send as a string or as a number. `None` for any other value.
pub(crate) fn id_text(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => surrogates::from_json(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(content: &str) -> String {
        let mut out = String::new();
        decode(content, &mut out);
        out
    }

    #[test]
    fn d1_every_escape_is_decoded_once() {
        assert_eq!(decoded(r#"\"\\\/\b\f\n\r\tż"#), "\"\\/\u{8}\u{c}\n\r\tż");
        assert_eq!(decoded(r"\u00fc\uD834\uDD1E!"), "ü\u{1d11e}!");
        assert_eq!(decoded(r"\\u00fc\\\\n"), r"\u00fc\\n");
    }

    #[test]
    fn d1_a_lone_surrogate_is_u_fffd() {
        let cases = [
            (r"\ud834", "\u{fffd}"),
            (r"a\udd1eb", "a\u{fffd}b"),
            (r"\ud834x\udd1e", "\u{fffd}x\u{fffd}"),
            (r"\ud834\n", "\u{fffd}\n"),
            (r"\ud834\\udd1e", r"\u{fffd}\udd1e"),
            (r"\udd1e\ud834", "\u{fffd}\u{fffd}"),
            (r"\ud834\ud834", "\u{fffd}\u{fffd}"),
            (r"\ud834\ud834\udd1e", "\u{fffd}\u{1d11e}"),
            (r"\uD834\u0041", "\u{fffd}A"),
        ];
        for (content, expected) in cases {
            assert_eq!(decoded(content), expected.replace(r"\u{fffd}", "\u{fffd}"), "{content}");
        }
    }

    /// Compares with serde_json for every valid JSON text of up to five of these pieces.
    #[test]
    fn d1_decoding_agrees_with_serde_json_on_repaired_text() {
        const PIECES: [&str; 12] =
            [r"\\", r#"\""#, r"\n", r"\/", r"\u0041", r"\ud83d", r"\ude00", r"\uffff", "u0041", "n", "ż", "\\"];
        let mut compared = 0;
        for number in 0..PIECES.len().pow(5) {
            let content: String = (0..5).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]).collect();
            let quoted = format!("\"{content}\"");
            // The parser of frames refuses invalid JSON, and accepts lone surrogates.
            if serde_json::from_str::<&RawValue>(&quoted).is_ok() {
                assert_eq!(Some(decoded(&content)), surrogates::from_json(&quoted).ok(), "{content}");
                compared += 1;
            }
        }
        assert!(compared > 100_000, "{compared}");
    }
}
