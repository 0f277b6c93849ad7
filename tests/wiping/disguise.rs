//! A secret that a process can recognise without having it in its memory.

use std::{fmt, num::ParseIntError, str::FromStr};

pub(crate) struct Disguised(Vec<u8>);

/// A different mask for each position, so that no two consecutive bytes keep their values.
fn mask(index: usize) -> u8 {
    0x80 | (index as u8).wrapping_mul(37)
}

impl Disguised {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().enumerate().map(|(index, byte)| byte ^ mask(index)).collect())
    }

    /// The real bytes, one by one.
    pub(crate) fn bytes(&self) -> impl ExactSizeIterator<Item = u8> {
        self.0.iter().enumerate().map(|(index, byte)| byte ^ mask(index))
    }

    /// The real text. The caller must wipe it.
    pub(crate) fn reveal(&self) -> String {
        self.reveal_between("", "")
    }

    /// Built without reallocation, which would leave copies behind.
    pub(crate) fn reveal_between(&self, before: &str, after: &str) -> String {
        let mut text = String::with_capacity(before.len() + self.0.len() + after.len());
        text.push_str(before);
        self.bytes().for_each(|byte| text.push(char::from(byte)));
        text.push_str(after);
        text
    }
}

impl fmt::Display for Disguised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Disguised {
    type Err = ParseIntError;

    fn from_str(digits: &str) -> Result<Self, ParseIntError> {
        let pairs = (0..digits.len()).step_by(2);
        pairs.map(|start| u8::from_str_radix(&digits[start..start + 2], 16)).collect::<Result<_, _>>().map(Self)
    }
}
