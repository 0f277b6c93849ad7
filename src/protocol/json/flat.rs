//! Flat messages, read in one pass.
//!
//! Servers send nearly every message as a JSON object of strings, without white space between its parts:
//! `{"event":"..","channel":"..","data":".."}`, in any order. This parser reads such a message several times faster than
//! serde_json, and leaves all others to it.

use std::borrow::Cow;

use super::scan;
use crate::{
    protocol::frame::{Data, Frame},
    surrogates::ESCAPE,
};

/// Returns `None` for every message of another shape, even if it is valid.
pub(crate) fn parse(text: &str) -> Option<Frame<'_>> {
    let (mut event, mut channel, mut user_id) = (None, None, None);
    let mut data = Data::default();
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (key, after) = string(rest)?;
        let (value, after) = string(after.strip_prefix(':')?)?;
        match key.plain()? {
            "event" => event = Some(value.plain()?),
            "channel" => channel = Some(value.plain()?),
            "user_id" => user_id = Some(value.plain()?).filter(|id| !id.is_empty()),
            "data" => data = value,
            _ => return None,
        }
        match after.as_bytes() {
            [b',', ..] => rest = &after[1..],
            [b'}'] => break,
            _ => return None,
        }
    }
    let [event, channel, user_id] = [event, channel, user_id].map(|text| text.map(Cow::Borrowed));
    Some(Frame { event: event?, channel, data, user_id })
}

/// The string at the beginning of this text, and the text that follows it. `None` if there is no valid string.
fn string(text: &str) -> Option<(Data<'_>, &str)> {
    let mut end = 1;
    let mut has_escapes = false;
    text.strip_prefix('"')?;
    loop {
        end += scan::plain_len(&text[end..]);
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
    Some((Data::new(json, has_escapes), rest))
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
