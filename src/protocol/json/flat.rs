//! Flat messages, read in one pass.
//!
//! Servers send nearly every message as a JSON object of strings, without white space between its parts:
//! `{"event":"..","channel":"..","data":".."}`, in any order. This parser reads such a message several times faster than
//! serde_json, decodes its data in the same pass, and leaves all other messages to serde_json.

use super::{
    scan::SpecialBytes,
    string::{self, DecodeBuffer},
};

/// The parts of a flat message.
pub(crate) struct FlatMessage<'a> {
    pub event: &'a str,
    pub channel: Option<&'a str>,
    pub user_id: Option<&'a str>,
    /// The text, without escapes.
    pub data: &'a str,
}

/// Returns `None` for every other message, also for valid messages of another shape.
pub(crate) fn parse<'a>(text: &'a str, buffer: &'a mut DecodeBuffer) -> Option<FlatMessage<'a>> {
    let (mut event, mut channel, mut user_id, mut data) = (None, None, None, None);
    let mut strings = Strings { text, specials: SpecialBytes::of(text), end: 0 };
    strings.skip(b'{')?;
    loop {
        let key = strings.plain()?;
        strings.skip(b':')?;
        match key {
            "event" => event = Some(strings.plain()?),
            "channel" => channel = Some(strings.plain()?),
            "user_id" => user_id = Some(strings.plain()?).filter(|id| !id.is_empty()),
            "data" => data = Some(strings.decoded(buffer)?),
            _ => return None,
        }
        match text.as_bytes().get(strings.end..)? {
            [b',', ..] => strings.end += 1,
            [b'}'] => break,
            _ => return None,
        }
    }
    let data = match data {
        Some(Decoded::InPlace(text)) => text,
        Some(Decoded::InBuffer) => buffer.text()?,
        None => "",
    };
    Some(FlatMessage { event: event?, channel, user_id, data })
}

/// The strings of a message, one after another.
struct Strings<'a> {
    text: &'a str,
    specials: SpecialBytes<'a>,
    /// The position behind the part that was read.
    end: usize,
}

/// The text of a string.
enum Decoded<'a> {
    /// It has no escapes, so it stands in the message.
    InPlace(&'a str),
    InBuffer,
}

impl<'a> Strings<'a> {
    /// Skips a byte between strings.
    fn skip(&mut self, byte: u8) -> Option<()> {
        let is_next = self.byte(self.end)? == byte;
        self.end += 1;
        is_next.then_some(())
    }

    /// Reads a string without escapes.
    fn plain(&mut self) -> Option<&'a str> {
        let start = self.quotation_mark()?;
        self.end = self.specials.next()?;
        let text = self.text.get(start..self.end)?;
        self.skip(b'"').map(|()| text)
    }

    /// Reads a string, with its escapes decoded.
    fn decoded(&mut self, buffer: &mut DecodeBuffer) -> Option<Decoded<'a>> {
        let first = self.quotation_mark()?;
        let mut start = first;
        loop {
            let at = self.specials.next()?;
            // Each escape moves the start. Large data without escapes needs no room in the buffer.
            let is_plain = start == first;
            match self.byte(at)? {
                b'"' => {
                    self.end = at + 1;
                    if is_plain {
                        return self.text.get(first..at).map(Decoded::InPlace);
                    }
                    buffer.push_run(self.text, start..at);
                    return Some(Decoded::InBuffer);
                }
                b'\\' => {
                    if is_plain {
                        buffer.clear(self.text.len());
                    }
                    buffer.push_run(self.text, start..at);
                    start = self.escape(at, buffer)?;
                }
                _ => return None,
            }
        }
    }

    /// Decodes the escape at this position. Returns the beginning of the text that follows: a character that stands for
    /// itself is the first one of it.
    fn escape(&mut self, at: usize, buffer: &mut DecodeBuffer) -> Option<usize> {
        match self.byte(at + 1)? {
            b'"' | b'\\' => {
                // The character is special itself.
                self.specials.next();
                Some(at + 1)
            }
            b'/' => Some(at + 1),
            b'u' => {
                let (character, length) = string::unicode(self.text.get(at..)?)?;
                if length > string::ESCAPE {
                    // The second escape of a pair.
                    self.specials.next();
                }
                buffer.push(character);
                Some(at + length)
            }
            letter => {
                buffer.push(string::control(letter)?);
                Some(at + 2)
            }
        }
    }

    /// Skips the quotation mark at the beginning of a string, and returns the position after it.
    fn quotation_mark(&mut self) -> Option<usize> {
        (self.specials.next()? == self.end).then_some(())?;
        self.skip(b'"').map(|()| self.end)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }
}
