//! Hostile names and values, generated from a seed.
//!
//! `tests/survival` also uses this file, for names on real sockets.

/// Ordinary parts, and parts with a meaning for parsers on the way.
const PARTS: [&str; 64] = [
    "app-key",
    "eu",
    "localhost",
    "127.0.0.1",
    "private-room",
    "presence-",
    "Authorization",
    "X-Token",
    "token",
    "1",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    " ",
    "\u{b}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}",
    "\r\nX-Injected: yes",
    "\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
    "\nSet-Cookie: a=b",
    " HTTP/1.1\r\n",
    "%00",
    "%0d%0a",
    "%0D%0A",
    "%2e%2e",
    "%2F",
    "%",
    "%zz",
    "%C5%BC",
    "%25",
    "+",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "@",
    "..",
    ".",
    "../",
    "&",
    "=",
    ";",
    ":",
    ":80",
    "user:password@",
    "?protocol=7&x=",
    "[::1]",
    "::1",
    "[::1",
    "::ffff:127.0.0.1",
    "fe80::1%eth0",
    "0x7f.1",
    "2130706433",
    "ż",
    "аpp",
    "𝄞",
    "\"}",
];

/// A length above all limits of the protocol.
const LONG: usize = 5000;

/// A generator of hostile texts. The same seed gives the same texts.
pub(crate) struct Evil(u64);

impl Evil {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Up to four parts, with up to two inserted characters. One text in 1024 is very long.
    pub fn text(&mut self) -> String {
        let parts = self.below(5);
        let mut text: String = (0..parts).map(|_| PARTS[self.below(PARTS.len())]).collect();
        for _ in 0..self.below(3) {
            let character = self.character();
            let place = self.place_in(&text);
            text.insert(place, character);
        }
        if self.below(1024) == 0 { text.repeat(LONG / text.len().max(1)) } else { text }
    }

    /// A number below `end`, drawn by SplitMix64.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or_default() % end
    }

    /// Half of the characters are ASCII, like the syntax of most parsers.
    fn character(&mut self) -> char {
        let end = if self.below(2) == 0 { 0x80 } else { 0x11_0000 };
        let drawn = u32::try_from(self.below(end)).unwrap_or_default();
        char::from_u32(drawn).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn place_in(&mut self, text: &str) -> usize {
        let place = self.below(text.len() + 1);
        (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or_default()
    }
}
