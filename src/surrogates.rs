//! Lone surrogates in JSON text (D1).
//!
//! JSON text may contain the escape of one half of a surrogate pair (`"\ud83d"`), for example if a publisher cuts a
//! text in the middle of a character. A browser keeps such a lone surrogate, and shows U+FFFD for it. A Rust string
//! cannot contain it, so serde_json refuses the whole text. This module replaces its escape with the escape of U+FFFD.
//! Both escapes have the same length, so positions in errors stay correct.

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The length of an escape such as `\ud83d`.
pub(crate) const ESCAPE: usize = 6;

/// Decodes JSON text, with U+FFFD for each lone surrogate. Only text that serde_json refuses is searched for lone
/// surrogates.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json).or_else(|error| match repaired(json) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// The same JSON text with `\ufffd` for each lone surrogate. `None` if there is no lone surrogate. The copy is wiped on
/// drop, because the text may contain secrets (X1).
pub(crate) fn repaired(json: &str) -> Option<Zeroizing<String>> {
    let mut lone = next_lone_surrogate(json, 0)?;
    let mut repaired = Zeroizing::new(String::with_capacity(json.len()));
    let mut copied = 0;
    loop {
        repaired.push_str(&json[copied..lone]);
        repaired.push_str(r"\ufffd");
        copied = lone + ESCAPE;
        match next_lone_surrogate(json, copied) {
            Some(next) => lone = next,
            None => break,
        }
    }
    repaired.push_str(&json[copied..]);
    Some(repaired)
}

/// The position of the next lone surrogate.
fn next_lone_surrogate(json: &str, mut from: usize) -> Option<usize> {
    loop {
        let at = from + json.get(from..)?.find('\\')?;
        from = match (code_unit(json, at), code_unit(json, at + ESCAPE)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at + 2 * ESCAPE,
            (Some(0xD800..=0xDFFF), _) => return Some(at),
            (Some(_), _) => at + ESCAPE,
            (None, _) => at + 2,
        };
    }
}

/// The value of the escape `\uXXXX` at this position, if there is one.
pub(crate) fn code_unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn repair(json: &str) -> String {
        repaired(json).map_or_else(|| json.to_owned(), |repaired| repaired.to_string())
    }

    #[test]
    fn d1_each_lone_surrogate_becomes_u_fffd() {
        let cases = [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00""#, r#""\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\uD83D\u0041""#, r#""\ufffd\u0041""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#"{"\ud83d":["ż\udfff☃"]}"#, r#"{"\ufffd":["ż\ufffd☃"]}"#),
        ];
        for (json, expected) in cases {
            assert_eq!(repair(json), expected);
            assert_eq!(json.len(), expected.len(), "{json}");
        }
    }

    #[test]
    fn d1_text_without_a_lone_surrogate_is_not_copied() {
        for json in ["", "{}", r#""\ud83d\uDE00""#, r#""\\ud83d""#, r#""\\\\ud83d \u0041\n""#, r#""\ud7ff\ue000""#] {
            assert_eq!(repaired(json), None, "{json}");
        }
    }

    #[test]
    fn d1_invalid_json_stays_invalid() {
        for text in ["\\", "\\u", "\\ud83", "\\ud83d", "\\ż\\ud83d", "\\u+d83", "\\ud8ż", "\\ud83d\\", "\\ud83d\\udeż"]
        {
            assert!(serde_json::from_str::<Value>(&repair(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn d1_values_keys_and_numbers_are_decoded_around_a_lone_surrogate() {
        let decoded: Value = from_json(r#"{"a":"\ud83d","\ude00":[1,"\ud83d\ude00"]}"#).expect("JSON");
        assert_eq!(decoded, json!({ "a": "\u{fffd}", "\u{fffd}": [1, "😀"] }));
        let typed: BTreeMap<String, u8> = from_json(r#"{"\ud83d":1}"#).expect("a map");
        assert_eq!(typed.get("\u{fffd}"), Some(&1));
    }

    #[test]
    fn d1_an_error_names_the_position_in_the_original_text() {
        let broken = r#"{"a":"\ud83d","b":x}"#;
        let error = from_json::<Value>(broken).expect_err("it is not JSON");
        assert_eq!(error.column(), broken.find('x').expect("it is there") + 1);
    }

    /// Compares with the standard library's UTF-16 decoder for every valid JSON text of up to five of these pieces.
    #[test]
    fn d1_repairing_agrees_with_a_lossy_decoder_of_utf_16() {
        const PIECES: [(&str, &[u16]); 8] = [
            ("", &[]),
            (r"\ud83d", &[0xD83D]),
            (r"\uDE00", &[0xDE00]),
            (r"\u0041", &[0x41]),
            (r"\\", &[0x5C]),
            ("ud83d", &[0x75, 0x64, 0x38, 0x33, 0x64]),
            (r"\n", &[0xA]),
            ("ż", &[0x17C]),
        ];
        for number in 0..PIECES.len().pow(5) {
            let pieces = (0..5).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
            let json = format!("\"{}\"", pieces.clone().map(|(text, _)| text).collect::<String>());
            let units: Vec<u16> = pieces.flat_map(|(_, units)| units).copied().collect();
            assert_eq!(from_json::<String>(&json).ok(), Some(String::from_utf16_lossy(&units)), "{json}");
        }
    }
}
