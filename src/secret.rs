//! Memory for credentials that is wiped before it is freed (X1).

use std::{fmt, io, ops::Deref};

use tungstenite::Bytes;
use zeroize::Zeroizing;

/// Text that is never printed, and is wiped on drop (X1).
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A buffer that is wiped on drop, and whenever it moves because it grows. A growing vector would leave a copy of its
/// content in freed memory.
#[derive(Default)]
pub(crate) struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub fn push(&mut self, part: &[u8]) {
        let needed = self.0.len() + part.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            // This drops the old buffer, which wipes it.
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(part);
    }

    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Write for Wiped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A shared copy of the text, which is wiped when its last owner drops it.
pub(crate) fn wiped_bytes(text: &str) -> Bytes {
    Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_survives_the_growth_of_the_buffer() {
        let mut wiped = Wiped::with_capacity(3);
        let mut expected = Vec::new();
        for length in 0..100_u8 {
            let part = vec![length; length.into()];
            wiped.push(&part);
            expected.extend(part);
        }
        assert_eq!(&*wiped, expected);
        assert_eq!(*wiped.into_bytes(), expected);
    }
}
