//! The program's own decoder of decrypted data.

use std::{fmt, sync::Arc};

/// Makes text out of decrypted bytes, or says why it cannot. It is user code, so it runs where events are consumed.
#[derive(Clone)]
pub(crate) struct Decoder(Arc<Closure>);

type Closure = dyn Fn(&[u8]) -> Result<String, String> + Send + Sync;

impl Decoder {
    pub(crate) fn new<E: fmt::Display>(decode: impl Fn(&[u8]) -> Result<String, E> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |bytes| decode(bytes).map_err(|error| error.to_string())))
    }

    /// Runs the closure.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<String, String> {
        (self.0)(bytes)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e5_a_decoder_s_error_becomes_text() {
        let decoder = Decoder::new(|bytes| String::from_utf8(bytes.to_vec()));
        assert_eq!(decoder.decode(b"text").as_deref(), Ok("text"));
        assert!(decoder.decode(&[255]).is_err_and(|reason| reason.contains("utf-8")));
    }
}
