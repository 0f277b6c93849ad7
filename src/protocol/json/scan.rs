//! Finds what ends or interrupts the plain text in a JSON string, eight bytes at a time.

/// The length of the text before the first quotation mark, backslash or control character. The length of the whole text
/// if there is none.
pub(crate) fn plain_len(text: &str) -> usize {
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
    fn a_text_without_them_is_plain_to_its_end() {
        let all: String = ('\u{20}'..'\u{500}').filter(|c| !matches!(c, '"' | '\\')).collect();
        for (start, _) in all.char_indices() {
            assert_eq!(plain_len(&all[start..]), all.len() - start);
        }
    }
}
