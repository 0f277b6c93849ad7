//! A batch: the block of memory in which events go from the reader to the handlers.

use std::{ops::Range, sync::Arc};

use super::{
    ConnectionStateChange, DecryptionError, DecryptionFailure, Intent, Member, Name, Notification, Stamp,
    SubscriptionError, SubscriptionSucceeded,
};
use crate::{Error, error::excerpt};

/// The events and notifications of one turn of the session, in the order of the wire, and the text of all of them in
/// one block.
///
/// One thread writes a batch; after that it is shared and never changes. Events borrow their text from it, so an event
/// needs no allocation of its own, and dropping the last event frees two blocks in all. To free many small allocations
/// on another thread than that of their allocation would be the largest cost.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The number of its first entry, in the order of deliveries. The other entries follow.
    number: EntryNumber,
    text: String,
    entries: Vec<Entry>,
    channels: Vec<Stamp>,
    connection: Option<Stamp>,
    notices: usize,
    /// The bytes that notices, members and decrypted data hold outside of the text.
    other_bytes: usize,
    members_changes: Vec<(ChannelSlot, MembersChange)>,
    /// The key that the program gave to the event. Only for batches of one event, in queues that keep the latest.
    own_key: Option<Box<str>>,
}

/// The number of an entry in the order of deliveries, over all batches of one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryNumber(pub u64);

impl EntryNumber {
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The number of the entry that comes `count` entries later.
    fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }
}

/// A change of the members of a presence channel.
#[derive(Debug)]
pub(crate) enum MembersChange {
    /// The whole list, and the client's own user.
    Replaced {
        members: Vec<Member>,
        me: Option<Name>,
    },
    Set(Member),
    Removed(Name),
}

/// The place of a channel in one batch. It has no meaning in another batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelSlot(usize);

impl Default for ChannelSlot {
    /// A slot that no batch has.
    fn default() -> Self {
        Self(usize::MAX)
    }
}

/// One entry. Its texts are adjacent in the text of the batch: name, data, user id.
#[derive(Debug, Clone)]
struct Entry {
    channel: Option<ChannelSlot>,
    start: usize,
    name_len: usize,
    data_len: usize,
    user_len: Option<usize>,
    /// `None` for an application event whose data is text, as in nearly all entries.
    extra: Option<Box<Extra>>,
}

/// The contents of an entry beside its texts.
#[derive(Debug, Clone)]
enum Extra {
    /// The entry is not an application event.
    Notice(Notification),
    /// Decrypted data, which the decoder of the program turns into text.
    Encoded(Vec<u8>),
}

impl Extra {
    /// About how many bytes it holds.
    fn bytes(&self) -> usize {
        match self {
            Self::Notice(notice) => notice.bytes(),
            Self::Encoded(data) => data.len(),
        }
    }
}

/// The ranges of its texts. With the C interface, each is followed by a NUL.
impl Entry {
    fn name(&self) -> Range<usize> {
        self.start..self.start + self.name_len
    }

    fn data(&self) -> Range<usize> {
        let start = self.name().end + NUL;
        start..start + self.data_len
    }

    fn user_id(&self) -> Option<Range<usize>> {
        let start = self.data().end + NUL;
        Some(start..start + self.user_len?)
    }
}

impl Entry {
    fn notice(&self) -> Option<&Notification> {
        match self.extra.as_deref() {
            Some(Extra::Notice(notice)) => Some(notice),
            _ => None,
        }
    }

    fn encoded(&self) -> Option<&[u8]> {
        match self.extra.as_deref() {
            Some(Extra::Encoded(data)) => Some(data),
            _ => None,
        }
    }
}

impl Batch {
    /// An empty batch of the given connection.
    pub fn for_connection(connection: Option<Stamp>) -> Self {
        Self { connection, ..Self::default() }
    }

    pub fn with_number(self, number: EntryNumber) -> Self {
        Self { number, ..self }
    }

    /// The number of an entry, in the order of deliveries.
    pub fn number(&self, index: usize) -> EntryNumber {
        self.number.plus(index)
    }

    /// The number that follows that of its last entry.
    pub fn next_number(&self) -> EntryNumber {
        self.number(self.len())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is an entry or a change of members.
    pub fn has_contents(&self) -> bool {
        !self.entries.is_empty() || !self.members_changes.is_empty()
    }

    /// The number of notices. The other entries are application events.
    pub fn notices(&self) -> usize {
        self.notices
    }

    /// About how many bytes of memory the batch holds.
    pub fn bytes(&self) -> usize {
        let channels = self.channels.capacity() * size_of::<Stamp>();
        size_of::<Self>()
            + self.text.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + channels
            + self.other_bytes
            + self.own_key.as_deref().map_or(0, str::len)
    }

    /// The slot of a channel in this batch. `last` is the slot that the channel got last, perhaps in another batch. A
    /// caller that always passes the last slot gets one slot per batch.
    pub fn slot_of(&mut self, channel: &Stamp, last: &mut ChannelSlot) -> ChannelSlot {
        let is_known = self
            .channels
            .get(last.0)
            .is_some_and(|known| Arc::ptr_eq(&known.intent, &channel.intent) && known.epoch == channel.epoch);
        if !is_known {
            *last = self.add_channel(channel);
        }
        *last
    }

    fn add_channel(&mut self, channel: &Stamp) -> ChannelSlot {
        self.channels.push(channel.clone());
        ChannelSlot(self.channels.len() - 1)
    }

    /// Adds an application event. `channel` is `None` for an event without a channel. `write_data` appends the data, of
    /// up to `max_data` bytes, directly to the text of the batch.
    pub fn push_event(
        &mut self,
        channel: Option<ChannelSlot>,
        name: &str,
        user_id: Option<&str>,
        max_data: usize,
        write_data: impl FnOnce(&mut String),
    ) {
        let start = self.text.len();
        // All at once, because growing for the last byte would double the memory of a large message.
        self.text.reserve(name.len() + max_data + user_id.map_or(0, str::len) + TEXTS * NUL);
        push_terminated(&mut self.text, name);
        let data_start = self.text.len();
        write_data(&mut self.text);
        let data_len = self.text.len() - data_start;
        push_nul(&mut self.text);
        push_terminated(&mut self.text, user_id.unwrap_or_default());
        let (name_len, user_len) = (name.len(), user_id.map(str::len));
        self.entries.push(Entry { channel, start, name_len, data_len, user_len, extra: None });
    }

    /// Adds an application event whose data is text.
    pub fn push_text(&mut self, channel: ChannelSlot, name: &str, user_id: Option<&str>, data: &str) {
        self.push_event(Some(channel), name, user_id, data.len(), |text| text.push_str(data));
    }

    /// Adds an error that belongs to no subscription.
    pub fn push_error(&mut self, error: Error) {
        self.push_notice(Notification::Error(Arc::new(error)));
    }

    /// Adds an application event whose data the decoder of the program turns into text, on the thread that consumes it.
    pub fn push_encoded(&mut self, channel: ChannelSlot, name: &str, user_id: Option<&str>, data: Vec<u8>) {
        self.push_text(channel, name, user_id, "");
        if let Some(entry) = self.entries.last_mut() {
            self.other_bytes += data.len();
            entry.extra = Some(Box::new(Extra::Encoded(data)));
        }
    }

    /// The decrypted data that is not text yet.
    pub fn encoded(&self, index: usize) -> Option<&[u8]> {
        self.entries[index].encoded()
    }

    /// A batch of this entry alone, with the result of the decoder as its data.
    pub fn decoded(&self, index: usize, decoded: Result<String, String>) -> Self {
        let mut single = self.single(index);
        let Some(mut entry) = single.entries.pop() else { return single };
        entry.extra = None;
        match decoded {
            Ok(data) => {
                single.text = String::new();
                push_texts(&mut single.text, [self.name(index), &data, self.user_id(index).unwrap_or_default()]);
                entry.data_len = data.len();
                single.entries.push(entry);
            }
            Err(reason) => {
                single.text.clear();
                let reason = DecryptionError::Undecodable(excerpt(&reason));
                single.push_decryption_failure(ChannelSlot(0), self.name(index), reason);
            }
        }
        single
    }

    /// Adds an event that could not be decrypted.
    pub fn push_decryption_failure(&mut self, channel: ChannelSlot, event: &str, reason: DecryptionError) {
        let event = Name::from(&*excerpt(event));
        let failure = DecryptionFailure { channel: self.channel_name(channel), event, reason };
        self.push_notice_of(Some(channel), "", "", Notification::DecryptionFailure(failure));
    }

    /// Adds a notice about a channel, with the name that event handlers get.
    pub fn push_platform_event(&mut self, channel: ChannelSlot, name: &str, data: &str, notice: Notification) {
        self.push_notice_of(Some(channel), name, data, notice);
    }

    pub fn push_members_change(&mut self, channel: ChannelSlot, change: MembersChange) {
        self.other_bytes += match &change {
            MembersChange::Replaced { members, .. } => members.iter().map(Member::bytes).sum(),
            MembersChange::Set(member) => member.bytes(),
            MembersChange::Removed(id) => id.len(),
        };
        self.members_changes.push((channel, change));
    }

    /// The changes of the members of channels, for intents that are still current.
    pub fn members_changes(&self) -> impl Iterator<Item = (&Intent, &MembersChange)> {
        let stamped = self.members_changes.iter().map(|(slot, change)| (&self.channels[slot.0], change));
        stamped.filter(|(stamp, _)| stamp.is_current()).map(|(stamp, change)| (&*stamp.intent, change))
    }

    pub fn channel_name(&self, channel: ChannelSlot) -> Name {
        self.channels[channel.0].name().clone()
    }

    /// Adds a confirmed subscription. Event handlers get it as `pusher:subscription_succeeded`.
    pub fn push_subscription_succeeded(&mut self, channel: ChannelSlot, data: &str, succeeded: SubscriptionSucceeded) {
        let notice = Notification::SubscriptionSucceeded(succeeded);
        self.push_notice_of(Some(channel), "pusher:subscription_succeeded", data, notice);
    }

    /// Adds a failed subscription. Event handlers get it as `pusher:subscription_error`.
    pub fn push_subscription_error(&mut self, channel: ChannelSlot, data: &str, error: Error) {
        let failure = SubscriptionError { channel: Some(self.channel_name(channel)), error };
        let notice = Notification::SubscriptionError(failure);
        self.push_notice_of(Some(channel), "pusher:subscription_error", data, notice);
    }

    /// Adds the change to a confirmed connection. Event handlers get it as `pusher:connection_established`.
    pub fn push_connected(&mut self, data: &str, change: ConnectionStateChange) {
        let notice = Notification::ConnectionStateChange(change);
        self.push_notice_of(None, "pusher:connection_established", data, notice);
    }

    /// Adds a notice without a channel.
    pub fn push_notice(&mut self, notice: Notification) {
        self.push_notice_of(None, "", "", notice);
    }

    fn push_notice_of(&mut self, channel: Option<ChannelSlot>, name: &str, data: &str, notice: Notification) {
        let start = self.text.len();
        push_texts(&mut self.text, [name, data, ""]);
        self.notices += 1;
        self.other_bytes += notice.bytes();
        let (name_len, data_len) = (name.len(), data.len());
        let extra = Some(Box::new(Extra::Notice(notice)));
        self.entries.push(Entry { channel, start, name_len, data_len, user_len: None, extra });
    }

    pub fn notice(&self, index: usize) -> Option<&Notification> {
        self.entries[index].notice()
    }

    pub fn slot(&self, index: usize) -> Option<ChannelSlot> {
        self.entries[index].channel
    }

    pub fn intent(&self, index: usize) -> Option<&Arc<Intent>> {
        self.slot(index).map(|slot| &self.channels[slot.0].intent)
    }

    /// A batch of this entry alone, which can be kept for long without the other entries.
    pub fn single(&self, index: usize) -> Self {
        self.single_with(index, self.data(index))
    }

    /// The same with a key of the program.
    pub fn single_with_key(&self, index: usize, key: Option<String>) -> Self {
        Self { own_key: key.map(Into::into), ..self.single(index) }
    }

    pub fn own_key(&self) -> Option<&str> {
        self.own_key.as_deref()
    }

    /// The same without its data.
    pub fn without_data(&self, index: usize) -> Self {
        self.single_with(index, "")
    }

    fn single_with(&self, index: usize, data: &str) -> Self {
        let mut single = Self::for_connection(self.connection.clone()).with_number(self.number(index));
        let channel = self.slot(index).map(|slot| single.add_channel_of(self, slot));
        single.add(self, index, channel, data);
        single
    }

    /// A batch of these entries alone, which can be kept for long without the others.
    pub fn pick(&self, indices: &[usize]) -> Self {
        let mut picked = Self::for_connection(self.connection.clone());
        let mut slots = vec![None; self.channels.len()];
        for &index in indices {
            let channel =
                self.slot(index).map(|slot| *slots[slot.0].get_or_insert_with(|| picked.add_channel_of(self, slot)));
            picked.add(self, index, channel, self.data(index));
        }
        picked
    }

    fn add_channel_of(&mut self, other: &Self, slot: ChannelSlot) -> ChannelSlot {
        self.add_channel(&other.channels[slot.0])
    }

    /// Adds an entry of another batch, with this slot and this data.
    fn add(&mut self, other: &Self, index: usize, channel: Option<ChannelSlot>, data: &str) {
        let entry = &other.entries[index];
        let start = self.text.len();
        push_texts(&mut self.text, [other.name(index), data, other.user_id(index).unwrap_or_default()]);
        self.notices += usize::from(entry.notice().is_some());
        self.other_bytes += entry.extra.as_deref().map_or(0, Extra::bytes);
        self.entries.push(Entry { channel, start, data_len: data.len(), ..entry.clone() });
    }

    /// Whether the entry is still wanted: the connection of an application event, and the channel of an entry that has
    /// one, must have the same intents as before. A notice without a channel is always wanted.
    pub fn is_wanted(&self, index: usize) -> bool {
        let slot = self.slot(index);
        if slot.is_none() && self.notice(index).is_some() {
            return true;
        }
        slot.is_none_or(|slot| self.channels[slot.0].is_current())
            && self.connection.as_ref().is_none_or(Stamp::is_current)
    }

    /// Whether the batch has anything but application events.
    pub fn has_notices(&self) -> bool {
        self.notices > 0 || !self.members_changes.is_empty()
    }

    /// The notices about channels, each with its stamp. Notices for older intents are left out, because the receiver
    /// would remember them for ever.
    pub fn notices_of_channels(&self) -> impl Iterator<Item = (&Stamp, &Notification)> {
        let notices = self.entries.iter().filter_map(|entry| Some((&self.channels[entry.channel?.0], entry.notice()?)));
        notices.filter(|(stamp, _)| stamp.is_current())
    }

    pub fn name(&self, index: usize) -> &str {
        &self.text[self.entries[index].name()]
    }

    pub fn data(&self, index: usize) -> &str {
        &self.text[self.entries[index].data()]
    }

    pub fn user_id(&self, index: usize) -> Option<&str> {
        self.entries[index].user_id().map(|range| &self.text[range])
    }
}

/// The texts with the NUL that follows each of them.
#[cfg(feature = "capi")]
impl Batch {
    pub fn terminated_name(&self, index: usize) -> &str {
        self.terminated(self.entries[index].name())
    }

    pub fn terminated_data(&self, index: usize) -> &str {
        self.terminated(self.entries[index].data())
    }

    pub fn terminated_user_id(&self, index: usize) -> Option<&str> {
        self.entries[index].user_id().map(|range| self.terminated(range))
    }

    fn terminated(&self, range: Range<usize>) -> &str {
        &self.text[range.start..=range.end]
    }
}

/// The number of texts of an entry.
const TEXTS: usize = 3;

/// The number of NULs behind each text: one, so that C can read the text in place.
const NUL: usize = if cfg!(feature = "capi") { 1 } else { 0 };

/// Appends the texts of an entry: name, data, user id.
fn push_texts(block: &mut String, texts: [&str; TEXTS]) {
    block.reserve(texts.iter().map(|text| text.len() + NUL).sum());
    texts.iter().for_each(|text| push_terminated(block, text));
}

fn push_terminated(block: &mut String, text: &str) {
    block.push_str(text);
    push_nul(block);
}

fn push_nul(block: &mut String) {
    if cfg!(feature = "capi") {
        block.push('\0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::IntentId;

    #[test]
    fn each_entry_finds_its_own_texts() {
        let room = Intent::of_channel(1, "room");
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room.stamp());
        batch.push_text(slot, "a", None, "żółć");
        batch.push_text(slot, "", Some("7"), "");
        batch.push_text(slot, "name", Some(""), "");
        let seen: Vec<_> = (0..3).map(|i| (batch.name(i), batch.data(i), batch.user_id(i))).collect();
        assert_eq!(seen, [("a", "żółć", None), ("", "", Some("7")), ("name", "", Some(""))]);
    }

    #[test]
    fn a_single_entry_keeps_its_texts_and_intents_without_its_neighbours() {
        let (client, room) = (Intent::new(IntentId::CONNECTION, ""), Intent::of_channel(1, "room"));
        client.activate();
        room.activate();
        let mut batch = Batch::for_connection(Some(client.stamp()));
        let other = batch.add_channel(&Intent::of_channel(2, "other").stamp());
        batch.push_text(other, "before", None, "x");
        let slot = batch.add_channel(&room.stamp());
        batch.push_text(slot, "name", Some("7"), "data");
        let single = batch.single(1);
        assert_eq!((single.name(0), single.data(0), single.user_id(0)), ("name", "data", Some("7")));
        assert_eq!((single.len(), single.text.len(), single.channels.len()), (1, 9 + TEXTS * NUL, 1));
        assert!(single.is_wanted(0));
        let bare = batch.without_data(1);
        assert_eq!((bare.name(0), bare.data(0), bare.user_id(0)), ("name", "", Some("7")));
        client.withdraw();
        assert!(!single.is_wanted(0));
    }

    #[test]
    fn s3_an_entry_is_wanted_only_while_its_intent_has_the_same_epoch() {
        let room = Intent::of_channel(1, "room");
        room.activate();
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room.stamp());
        batch.push_text(slot, "a", None, "");
        assert!(batch.is_wanted(0));
        room.withdraw();
        assert!(!batch.is_wanted(0));
        room.activate();
        assert!(!batch.is_wanted(0), "a new epoch does not revive entries of the old one");
    }

    #[test]
    fn r10_no_event_of_a_channel_is_wanted_after_a_disconnect() {
        let (client, room) = (Intent::new(IntentId::CONNECTION, ""), Intent::of_channel(1, "room"));
        client.activate();
        room.activate();
        let mut batch = Batch::for_connection(Some(client.stamp()));
        let slot = batch.add_channel(&room.stamp());
        batch.push_text(slot, "a", None, "");
        batch.push_notice(Notification::Error(Arc::new(Error::Disconnected)));
        batch.push_event(None, "notice", None, 0, |_| {});
        assert!(batch.is_wanted(2) && batch.intent(2).is_none());
        client.withdraw();
        assert!(!batch.is_wanted(0));
        assert!(batch.is_wanted(1), "a notice without a channel is still delivered");
        assert!(!batch.is_wanted(2), "an application event is not a notice");
    }
}
