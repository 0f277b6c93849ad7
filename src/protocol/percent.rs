//! Percent-encoding of what goes into a URL.

use std::fmt::Write;

/// Encodes everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
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
}
