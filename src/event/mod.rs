//! What users receive: events, notifications, states, and the block of memory in which they travel.

mod batch;
mod intent;
mod kind;
mod member;
mod name;
mod notification;
mod sender;
mod state;

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

pub(crate) use crate::event::intent::Intent;
pub(crate) use batch::{Batch, CallId, ChannelSlot, Counters, LastClose, MembersChange, UserOutcome};
#[cfg(feature = "capi")]
pub(crate) use kind::Parts;
pub(crate) use kind::{BelongsTo, Kinds, kinds};
pub use kind::{Notification, NotificationKind};
pub use member::Member;
pub(crate) use member::Members;
pub use name::Name;
pub use notification::{
    DecryptionError, DecryptionFailure, MemberChange, SubscriptionCount, SubscriptionError, SubscriptionSucceeded,
    WatchlistEvent,
};
pub use sender::AnySender;
pub use state::{ConnectionState, ConnectionStateChange};

use crate::{Error, surrogates};

/// One event, as it was published.
///
/// A clone copies no text: it shares the block of memory in which all events lie that arrived together (at most 64 KiB
/// of them, or one larger message). Copy the text out to keep a single event for long.
#[derive(Clone)]
pub struct Event {
    batch: Arc<Batch>,
    index: usize,
}

impl Event {
    pub(crate) fn new(batch: Arc<Batch>, index: usize) -> Self {
        Self { batch, index }
    }

    /// Whether the user still wants it (S3).
    pub(crate) fn is_wanted(&self) -> bool {
        self.batch.is_wanted(self.index)
    }

    /// What happened, where it is not an application event.
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

    /// The same event, with what the user's decoder has made of its data.
    pub(crate) fn decoded(&self, decoded: Result<String, String>) -> Self {
        Self::new(Arc::new(self.batch.decoded(self.index, decoded)), 0)
    }

    /// The same event without those that arrived together with it.
    pub(crate) fn alone(&self) -> Self {
        Self::new(Arc::new(self.batch.single(self.index)), 0)
    }

    /// The same event alone, without its data.
    pub(crate) fn without_data(&self) -> Self {
        Self::new(Arc::new(self.batch.without_data(self.index)), 0)
    }

    /// Makes it the event of another entry of the same batch.
    pub(crate) fn set_index(&mut self, index: usize) {
        self.index = index;
    }

    /// The channel on which it was published; `None` for an event that the server sent without a channel.
    pub fn channel(&self) -> Option<&str> {
        self.batch.intent(self.index).map(|intent| intent.name().as_str())
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        self.batch.name(self.index)
    }

    /// The data as the publisher sent it: a string as its text, any other JSON value as its JSON text, empty when the
    /// message had no data.
    pub fn data(&self) -> &str {
        self.batch.data(self.index)
    }

    /// The data decoded from JSON; absent data as `null`, half of a surrogate pair as U+FFFD. What was published as a bare
    /// string is its text, which is usually no JSON: read that with [`data`](Self::data).
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] when the data is not JSON, or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // Where there is no data there is no value, which JSON calls null.
        let text = if self.data().is_empty() { "null" } else { self.data() };
        surrogates::from_json(text).map_err(|source| Error::decode(self.channel(), self.name(), &source))
    }

    /// The id of the user who sent it; only on client events of presence channels, where the server vouches for it.
    pub fn user_id(&self) -> Option<&str> {
        self.batch.user_id(self.index)
    }
}

/// The texts with a NUL at the end of each, as they lie in memory: for C.
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
    /// Shows where the event belongs, and of its data only the length, because data may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("channel", &self.channel())
            .field("name", &self.name())
            .field("data_len", &self.data().len())
            .finish_non_exhaustive()
    }
}
