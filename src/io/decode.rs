//! Decrypted data that the program's own decoder makes text of.
//!
//! The decoder is user code, so it runs where events are consumed: on the thread that runs handlers, or on the one that
//! asks a receiver.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Core;
use crate::{Event, protocol::sealed::data_of};

impl Core {
    /// The event with its data as text, or the report that the decoder failed. `None` if the data is text already. The
    /// decoder is the one that the channel has now; if there is none now, the data must be UTF-8.
    pub(crate) fn decoded(&self, event: &Event) -> Option<Event> {
        let bytes = event.encoded()?;
        let options = event.channel().and_then(|channel| self.registry.own_options(channel));
        let own = options.as_ref().and_then(|options| options.as_options()?.own_decoder());
        let decoded = match own.or(self.config.decoder()) {
            Some(decoder) => catch_unwind(AssertUnwindSafe(|| decoder.decode(bytes).map(data_of)))
                .unwrap_or_else(|_| Err("the decoder panicked".to_owned())),
            None => String::from_utf8(bytes.to_vec()).map(data_of).map_err(|_| "it is not UTF-8".to_owned()),
        };
        Some(event.decoded(decoded))
    }
}
