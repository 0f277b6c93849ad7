//! Decrypted data that the program's own decoder makes text of.
//!
//! The decoder is user code, so it runs where events are consumed: on the thread that runs handlers, or on the one that
//! asks a receiver.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Event, protocol::sealed::data_of};

/// The event with its data as text, or the report that the decoder failed. `None` if the data is text already.
pub(crate) fn decode(event: &Event) -> Option<Event> {
    let (bytes, decoder) = event.encoded()?;
    let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(bytes).map(data_of)));
    Some(event.decoded(decoded.unwrap_or_else(|_| Err("the decoder panicked".to_owned()))))
}
