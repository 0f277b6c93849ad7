//! Finds the bytes that end or interrupt a JSON string.

/// The number of bytes that are searched at a time. One bit of a `u64` stands for each.
const BLOCK: usize = 64;

/// The positions of the special bytes of a text, in order: quotation marks, backslashes and control characters.
///
/// A block of 64 bytes is searched at a time, and its special bytes become the bits of one number. The compiler makes
/// vector instructions of that search. So the cost of a text depends on its length and on the number of its special
/// bytes, and hardly on the distances between them.
pub(crate) struct SpecialBytes<'a> {
    rest: &'a [u8],
    /// The position of the current block.
    block: usize,
    /// The positions in the current block that were not returned yet.
    mask: u64,
}

impl<'a> SpecialBytes<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut specials = Self { rest: text.as_bytes(), block: 0, mask: 0 };
        specials.search_block();
        specials
    }

    /// Searches the block at the beginning of the rest.
    fn search_block(&mut self) {
        if let Some((block, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            self.mask = mask_of(block);
        } else {
            let mut block = [b' '; BLOCK];
            block[..self.rest.len()].copy_from_slice(self.rest);
            self.rest = &[];
            self.mask = mask_of(&block);
        }
    }
}

impl Iterator for SpecialBytes<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.block += BLOCK;
            self.search_block();
        }
        let offset = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.block + offset)
    }
}

/// One bit for each byte, which is set for a special byte. The lowest bit is for the first byte.
fn mask_of(block: &[u8; BLOCK]) -> u64 {
    let is_special = block.map(|byte| u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < b' '));
    let words = is_special.chunks_exact(8).rev().flat_map(|word| word.try_into().map(u64::from_le_bytes));
    words.fold(0, |mask, word| mask << 8 | gathered(word))
}

/// The lowest bits of the eight bytes of a word, as the lowest eight bits. All other bits of the word must be zero.
fn gathered(word: u64) -> u64 {
    /// Moves the bit of byte 0 to bit 56, the bit of byte 1 to bit 57, and so on. No two bits meet at one place.
    const MOVES: u64 = 0x0102_0408_1020_4080;
    word.wrapping_mul(MOVES) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        SpecialBytes::of(text).collect()
    }

    #[test]
    fn every_special_byte_is_found_at_every_position() {
        for special in (0..0x20).chain([b'"', b'\\']).map(char::from) {
            for length in 0..150 {
                for plain in ["x", "!", "#", "[", "]", "\u{7f}", "~", " "] {
                    let text = format!("{}{special}{special}ż{special}", plain.repeat(length));
                    assert_eq!(found(&text), [length, length + 1, length + 4], "{text:?}");
                }
            }
        }
    }

    #[test]
    fn no_other_byte_is_found() {
        let all: String = ('\u{20}'..'\u{500}').filter(|c| !matches!(c, '"' | '\\')).collect();
        for (start, _) in all.char_indices() {
            assert_eq!(found(&all[start..]), Vec::<usize>::new());
        }
    }

    #[test]
    fn every_pattern_of_special_bytes_is_found() {
        for pattern in 0..1 << 16 {
            let is_special = |position: &usize| pattern >> (position % 16) & 1 == 1;
            let text: String = (0..16).map(|position| if is_special(&position) { '"' } else { 'x' }).collect();
            let expected: Vec<_> = (0..16).filter(is_special).collect();
            assert_eq!(found(&text), expected);
        }
    }
}
