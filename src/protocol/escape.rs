//! The escapes of JSON strings (RFC 8259, section 7).
//!
//! serde_json decodes them too, but only into a string of its own. Event data is nearly always a string full of escaped
//! quotation marks, and it is decoded straight to the place where it stays.

use std::str::Split;

/// Appends to `out` what stands between the quotation marks of a JSON string. `None` when that is no text: a lone half of a
/// surrogate pair, which no Rust string can hold. Then a part of it has been appended.
///
/// The content must come from a JSON parser, so that its escapes are complete and nothing stands in it that may not.
pub(super) fn decode(content: &str, out: &mut String) -> Option<()> {
    let mut pieces = content.split('\\');
    out.push_str(pieces.next()?);
    // Each piece follows a backslash, so its first character says what is escaped.
    while let Some(piece) = pieces.next() {
        match piece.as_bytes().first() {
            Some(b'u') => {
                let (escaped, rest) = code_unit(piece)?;
                let (character, rest) = match char::from_u32(escaped.into()) {
                    Some(character) => (character, rest),
                    // A surrogate: the other half follows at once, or the text is none.
                    None if rest.is_empty() => pair(escaped, pieces.next()?)?,
                    None => return None,
                };
                out.push(character);
                out.push_str(rest);
            }
            Some(letter) => {
                out.push(simple(*letter)?);
                out.push_str(&piece[1..]);
            }
            // An escaped backslash: what follows it stands in the next piece, as it is.
            None => literal(&mut pieces, out)?,
        }
    }
    Some(())
}

fn literal(pieces: &mut Split<'_, char>, out: &mut String) -> Option<()> {
    out.push('\\');
    out.push_str(pieces.next()?);
    Some(())
}

fn simple(letter: u8) -> Option<char> {
    Some(match letter {
        b'"' => '"',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// The value of `uXXXX`, and what follows it.
fn code_unit(piece: &str) -> Option<(u16, &str)> {
    let digits = piece.get(1..5).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u16::from_str_radix(digits, 16).ok()?, &piece[5..]))
}

/// The character whose first half is known, and what follows its second half.
fn pair(high: u16, piece: &str) -> Option<(char, &str)> {
    let (low, rest) = code_unit(piece).filter(|_| piece.starts_with('u'))?;
    let character = char::decode_utf16([high, low]).next()?.ok()?;
    Some((character, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(content: &str) -> Option<String> {
        let mut out = String::new();
        decode(content, &mut out).map(|()| out)
    }

    #[test]
    fn d1_every_escape_is_decoded_once() {
        assert_eq!(decoded(r#"\"\\\/\b\f\n\r\tż"#).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\tż"));
        assert_eq!(decoded(r"\u00fc\uD834\uDD1E!").as_deref(), Some("ü\u{1d11e}!"));
        assert_eq!(decoded(r"\\u00fc\\\\n").as_deref(), Some(r"\u00fc\\n"));
    }

    #[test]
    fn d1_half_of_a_surrogate_pair_is_no_text() {
        for content in
            [r"\ud834", r"\udd1e", r"\ud834x\udd1e", r"\ud834\n", r"\ud834\\udd1e", r"\udd1e\ud834", r"\ud834\ud834"]
        {
            assert_eq!(decoded(content), None, "{content}");
        }
    }

    /// Every text of up to five of these pieces that JSON allows, against serde_json.
    #[test]
    fn d1_decoding_agrees_with_serde_json() {
        const PIECES: [&str; 12] =
            [r"\\", r#"\""#, r"\n", r"\/", r"\u0041", r"\ud83d", r"\ude00", r"\uffff", "u0041", "n", "ż", "\\"];
        let mut compared = 0;
        for number in 0..PIECES.len().pow(5) {
            let content: String = (0..5).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]).collect();
            let quoted = format!("\"{content}\"");
            // What is no JSON never gets here, because the envelope's parser refuses it. Lone surrogates it lets pass.
            if serde_json::from_str::<&serde_json::value::RawValue>(&quoted).is_ok() {
                assert_eq!(decoded(&content), serde_json::from_str::<String>(&quoted).ok(), "{content}");
                compared += 1;
            }
        }
        assert!(compared > 100_000, "{compared}");
    }
}
