//! Decrypted data that the user's own decoder makes text of.
//!
//! The decoder is user code, so it runs where events are consumed: on the thread that runs handlers, or on the one that
//! asks a receiver.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    Event,
    protocol::sealed::{Decoder, data_of},
};

#[derive(Clone)]
pub(crate) struct Decoding(Decoder);

impl Decoding {
    pub(super) fn new(decoder: &Decoder) -> Self {
        Self(Arc::clone(decoder))
    }

    /// The event with its data as text, or the report that there is none. `None` when it is text already.
    pub(crate) fn decode(&self, event: &Event) -> Option<Event> {
        let decoder = &self.0;
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder(event.encoded()?).map(data_of).into()));
        let decoded = decoded.unwrap_or_else(|_| Some(Err("the decoder panicked".to_owned())))?;
        Some(event.decoded(decoded))
    }
}
