//! Percent-encoding for URLs.

use std::fmt::{self, Write};

/// Encodes everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    // Writing to a string does not fail.
    let _ = encode_to(text, &mut encoded);
    encoded
}

/// Like [`encode`], into a given buffer.
pub(crate) fn encode_to(text: &str, out: &mut impl Write) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Encodes the characters that RFC 3986 does not allow in a path or a query, and keeps escapes and delimiters. A
/// percent sign outside of an escape is encoded.
pub(crate) fn encode_rest(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for (start, byte) in text.bytes().enumerate() {
        let is_escape = || text.get(start + 1..start + 3).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        if byte.is_ascii_graphic() && !b"\"<>[\\]^`{|}".contains(&byte) && (byte != b'%' || is_escape()) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Replaces the escapes. `None` if an escape is invalid, or the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut decoded) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { digit(bytes.next()?)? << 4 | digit(bytes.next()?)? } else { byte });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2_only_unreserved_characters_stay_as_they_are() {
        assert_eq!(encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(encode("a&b=c+d%e"), "a%26b%3Dc%2Bd%25e");
        assert_eq!(encode("ż"), "%C5%BC");
    }

    #[test]
    fn c1_in_a_complete_url_only_forbidden_characters_are_encoded() {
        assert_eq!(encode_rest("/a/b%20c?d=e&f=%c5%BC"), "/a/b%20c?d=e&f=%c5%BC");
        assert_eq!(encode_rest("/ż[0]?{\"}"), "/%C5%BC%5B0%5D?%7B%22%7D");
        assert_eq!(encode_rest("/100%/%zz/%4"), "/100%25/%25zz/%254");
    }

    #[test]
    fn encoded_text_is_decoded_and_invalid_escapes_are_refused() {
        assert_eq!(decode(&encode("a&b=c ż%")).as_deref(), Some("a&b=c ż%"));
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
