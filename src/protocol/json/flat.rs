//! Flat messages, read in one pass.
//!
//! Servers send nearly every message as a JSON object of strings, without white space between its parts:
//! `{"event":"..","channel":"..","data":".."}`, in any order. This parser reads such a message several times faster than
//! serde_json, and leaves all others to it.

use crate::surrogates::ESCAPE;

/// The parts of a flat message.
pub(crate) struct FlatMessage<'a> {
    pub event: &'a str,
    pub channel: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub data: Option<JsonString<'a>>,
}

/// A string as it stands in the message, with its quotation marks.
#[derive(Clone, Copy)]
pub(crate) struct JsonString<'a> {
    pub json: &'a str,
    pub has_escapes: bool,
}

impl<'a> JsonString<'a> {
    /// The text of a string without escapes. `None` if it has escapes.
    fn plain(self) -> Option<&'a str> {
        self.json.get(1..self.json.len() - 1).filter(|_| !self.has_escapes)
    }
}

/// Returns `None` for every other message, also for valid messages of another shape.
pub(crate) fn parse(text: &str) -> Option<FlatMessage<'_>> {
    let (mut event, mut channel, mut user_id, mut data) = (None, None, None, None);
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (key, after) = string(rest)?;
        let (value, after) = string(after.strip_prefix(':')?)?;
        match key.plain()? {
            "event" => event = Some(value.plain()?),
            "channel" => channel = Some(value.plain()?),
            "user_id" => user_id = Some(value.plain()?).filter(|id| !id.is_empty()),
            "data" => data = Some(value),
            _ => return None,
        }
        match after.as_bytes() {
            [b',', ..] => rest = &after[1..],
            [b'}'] => break,
            _ => return None,
        }
    }
    Some(FlatMessage { event: event?, channel, user_id, data })
}

/// The string at the beginning of this text, and the text that follows it. `None` if there is no valid string.
fn string(text: &str) -> Option<(JsonString<'_>, &str)> {
    let mut end = 1;
    let mut has_escapes = false;
    text.strip_prefix('"')?;
    loop {
        end += plain_len(&text[end..]);
        match *text.as_bytes().get(end)? {
            b'"' => break,
            b'\\' => {
                has_escapes = true;
                end += escape_len(&text.as_bytes()[end..])?;
            }
            _ => return None,
        }
    }
    let (json, rest) = text.split_at(end + 1);
    Some((JsonString { json, has_escapes }, rest))
}

/// The length of the valid escape at the beginning of these bytes.
fn escape_len(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let digits = bytes.get(2..ESCAPE)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(ESCAPE)
        }
        _ => None,
    }
}

/// The length of the text before the first quotation mark, backslash or control character. The length of the whole text
/// if there is none.
fn plain_len(text: &str) -> usize {
    let mut rest = text.as_bytes();
    while let Some((word, after)) = rest.split_first_chunk() {
        if let Some(offset) = first_special(u64::from_le_bytes(*word)) {
            return text.len() - rest.len() + offset;
        }
        rest = after;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    text.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// The offset of the first special byte in a little-endian word. The tests below set the highest bit of each byte that
/// passes. A borrow can set it in further bytes, but only above one that passes.
fn first_special(word: u64) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = is_zero(word ^ (ONES * 0x22));
    let is_backslash = is_zero(word ^ (ONES * 0x5c));
    let special = (is_control | is_quote | is_backslash) & HIGHEST;
    (special != 0).then_some(special.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_interrupts_a_string_is_found_at_every_place() {
        for special in (0..0x20).chain([b'"', b'\\']).map(char::from) {
            for length in 0..40 {
                for plain in ["x", "!", "#", "[", "]", "\u{7f}", "~", " "] {
                    let text = format!("{}{special}{special}ż\"", plain.repeat(length));
                    assert_eq!(plain_len(&text), length, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_text_without_such_bytes_is_plain_to_its_end() {
        let all: String = ('\u{20}'..'\u{500}').filter(|c| !matches!(c, '"' | '\\')).collect();
        for (start, _) in all.char_indices() {
            assert_eq!(plain_len(&all[start..]), all.len() - start);
        }
    }
}
