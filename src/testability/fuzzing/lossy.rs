//! JSON text as a browser reads it. This implementation is independent of the code under test (D1).

use std::{iter::Peekable, str::Chars};

/// The same JSON text, with each run of `\uXXXX` escapes decoded as UTF-16, with U+FFFD for lone surrogates, and
/// escaped again.
pub(super) fn lossy(json: &str) -> String {
    let mut characters = json.chars().peekable();
    let (mut text, mut run) = (String::new(), Vec::new());
    while let Some(character) = characters.next() {
        if character != '\\' {
            flush(&mut run, &mut text);
            text.push(character);
        } else if characters.peek() == Some(&'u') {
            match unit(&mut characters) {
                Ok(unit) => run.push(unit),
                Err(broken) => {
                    flush(&mut run, &mut text);
                    text.push_str(&broken);
                }
            }
        } else {
            flush(&mut run, &mut text);
            text.push(character);
            text.extend(characters.next());
        }
    }
    flush(&mut run, &mut text);
    text
}

/// The code unit of an escape, or its characters if it does not have four digits.
fn unit(characters: &mut Peekable<Chars<'_>>) -> Result<u16, String> {
    let mut escape = "\\".to_owned();
    escape.extend(characters.next());
    while let Some(digit) = characters.next_if(|c| escape.len() < 6 && c.is_ascii_hexdigit()) {
        escape.push(digit);
    }
    u16::from_str_radix(&escape[2..], 16).ok().filter(|_| escape.len() == 6).ok_or(escape)
}

fn flush(run: &mut Vec<u16>, text: &mut String) {
    for character in char::decode_utf16(run.drain(..)).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)) {
        let mut units = [0; 2];
        character.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
    }
}

#[test]
fn runs_of_escapes_are_decoded_as_utf_16() {
    let cases = [
        (r#""\ud83d\uDE00\u0041""#, r#""\ud83d\ude00\u0041""#),
        (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
        (r#""\\ud83d""#, r#""\\ud83d""#),
        (r"\ud8", r"\ud8"),
    ];
    for (json, expected) in cases {
        assert_eq!(lossy(json), expected);
    }
}
