//! Events and notifications, and the block of memory in which events are delivered.

mod batch;
mod intent;
mod kind;
mod member;
mod name;
pub(crate) mod notification;
mod sender;

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

pub(crate) use batch::{Batch, ChannelSlot, MembersChange};
pub(crate) use intent::{Epoch, Intent, Stamp};
pub(crate) use kind::{BelongsTo, Kinds, kinds};
pub use kind::{Notification, NotificationKind};
pub use member::Member;
pub(crate) use member::Members;
pub use name::Name;
pub use notification::*;
pub use sender::AnySender;

use crate::{Error, surrogates};

/// One event, as it was published.
///
/// A clone copies no text: it shares the block of memory of all events that arrived together (up to 64 KiB of them, or
/// one larger message). To keep a single event for long, copy its text.
#[derive(Clone)]
pub struct Event {
    batch: Arc<Batch>,
    index: usize,
}

impl Event {
    pub(crate) fn new(batch: Arc<Batch>, index: usize) -> Self {
        Self { batch, index }
    }

    /// Whether the event is still wanted (S3).
    pub(crate) fn is_wanted(&self) -> bool {
        self.batch.is_wanted(self.index)
    }

    /// The notification, if this is not an application event.
    pub(crate) fn notice(&self) -> Option<&Notification> {
        self.batch.notice(self.index)
    }

    pub(crate) fn intent(&self) -> Option<&Arc<Intent>> {
        self.batch.intent(self.index)
    }

    /// Decrypted data that is not text yet.
    pub(crate) fn encoded(&self) -> Option<&[u8]> {
        self.batch.encoded(self.index)
    }

    /// The same event, with the result of the program's decoder as its data.
    pub(crate) fn decoded(&self, decoded: Result<String, String>) -> Self {
        Self::new(Arc::new(self.batch.decoded(self.index, decoded)), 0)
    }

    /// The same event, without the others that arrived together with it.
    pub(crate) fn alone(&self) -> Self {
        Self::new(Arc::new(self.batch.single(self.index)), 0)
    }

    /// The same event alone, without its data.
    pub(crate) fn without_data(&self) -> Self {
        Self::new(Arc::new(self.batch.without_data(self.index)), 0)
    }

    /// Turns this into the event of another entry of the same batch.
    pub(crate) fn set_index(&mut self, index: usize) {
        self.index = index;
    }

    /// The channel of the event; `None` if the server sent the event without a channel.
    pub fn channel(&self) -> Option<&str> {
        self.batch.intent(self.index).map(|intent| intent.name().as_str())
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        self.batch.name(self.index)
    }

    /// The data as the publisher sent it: the text of a string, or the JSON text of any other value. Empty if the
    /// message had no data.
    pub fn data(&self) -> &str {
        self.batch.data(self.index)
    }

    /// The data decoded from JSON; absent data is `null`, and half of a surrogate pair becomes U+FFFD. If the publisher
    /// sent a bare string, its text is usually not JSON: read it by [`data`](Self::data).
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the data is not JSON, or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // Absent data decodes as null.
        let text = if self.data().is_empty() { "null" } else { self.data() };
        surrogates::from_json(text).map_err(|source| Error::decode(self.channel(), self.name(), &source))
    }

    /// The id of the user who sent the event. Only client events on presence channels have one; the server guarantees
    /// it.
    pub fn user_id(&self) -> Option<&str> {
        self.batch.user_id(self.index)
    }
}

/// The texts with a NUL at the end of each, for C.
#[cfg(feature = "capi")]
impl Event {
    pub(crate) fn terminated_channel(&self) -> Option<&str> {
        self.intent().map(|intent| intent.terminated_name())
    }

    pub(crate) fn terminated_name(&self) -> &str {
        self.batch.terminated_name(self.index)
    }

    pub(crate) fn terminated_data(&self) -> &str {
        self.batch.terminated_data(self.index)
    }

    pub(crate) fn terminated_user_id(&self) -> Option<&str> {
        self.batch.terminated_user_id(self.index)
    }
}

/// `orders: order-placed (120 bytes)`, without the data, which may be confidential.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channel) = self.channel() {
            write!(f, "{channel}: ")?;
        }
        write!(f, "{} ({} bytes)", self.name(), self.data().len())
    }
}

impl fmt::Debug for Event {
    /// Shows the channel and the name, and only the length of the data, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("channel", &self.channel())
            .field("name", &self.name())
            .field("data_len", &self.data().len())
            .finish_non_exhaustive()
    }
}
