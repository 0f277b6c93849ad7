//! Decrypted data that the program's own decoder makes text of.
//!
//! The decoder is user code, so it runs where events are consumed: on the thread that runs handlers, or on the one that
//! asks a receiver.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Core;
use crate::{Event, protocol::sealed::data_of};

impl Core {
    /// The event with its data as text, or the report that the decoder failed. `None` if the data is text already.
    pub(crate) fn decoded(&self, event: &Event) -> Option<Event> {
        let bytes = event.encoded()?;
        let options = event.channel().and_then(|channel| self.registry.own_options(channel));
        let own = options.as_ref().and_then(|options| options.own_decoder());
        // Options that were withdrawn meanwhile are those of an event that is not wanted any more.
        let decoder = own.or(self.config.decoder())?;
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(bytes).map(data_of)));
        Some(event.decoded(decoded.unwrap_or_else(|_| Err("the decoder panicked".to_owned()))))
    }
}
