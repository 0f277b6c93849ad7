//! The block of memory in which events travel from the reader to the handlers.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{
    ConnectionState, ConnectionStateChange, DecryptionError, DecryptionFailure, Intent, Member, Name, Notification,
    SubscriptionError, SubscriptionSucceeded,
};
use crate::{Error, error::excerpt};

/// What one turn of the session brings for the user: entries in wire order, and the text of all of them in one block.
///
/// A batch is written by one thread, then shared and never changed. Events borrow their text from it, so that an event
/// costs no allocation of its own, and the thread that drops the last event frees two blocks, however many events lay
/// in them. Freeing many small allocations on another thread than the allocating one is what costs most otherwise.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The number of its first entry, in the order of deliveries. The others follow.
    number: u64,
    text: String,
    entries: Vec<Entry>,
    channels: Vec<(Arc<Intent>, u64)>,
    connection: Option<(Arc<Intent>, u64)>,
    notices: usize,
    /// What notices, members and decrypted bytes hold beside the block of text.
    other_bytes: usize,
    roster_changes: Vec<(ChannelSlot, MembersChange)>,
    /// Of a batch of one event: the key that the program has given it, in a queue that keeps the latest.
    own_key: Option<Box<str>>,
    /// What the snapshot learns from this batch, beside its entries.
    pub published: SnapshotUpdate,
}

/// Facts for the snapshot that the public calls read.
#[derive(Debug, Default, Clone)]
pub(crate) struct SnapshotUpdate {
    /// The state at the end of the batch, where it changed.
    pub state: Option<ConnectionState>,
    /// The socket id at the end of the batch, where it changed.
    pub socket_id: Option<Option<Arc<str>>>,
    /// The last call to connect that was taken up, where there was one.
    pub taken_up: Option<CallId>,
    /// What became of calls that wait for the outcome of an attempt.
    pub settled: Vec<(CallId, Result<(), Arc<Error>>)>,
    /// What became of the last sign-in that was taken up, where that changed.
    pub user: Option<(CallId, UserOutcome)>,
    /// How the last connection ended, where one did.
    pub last_close: Option<LastClose>,
    /// The counters at the end of the batch, where they changed.
    pub counters: Option<Counters>,
}

/// How far a sign-in has come.
#[derive(Debug, Clone, Default)]
pub(crate) enum UserOutcome {
    /// Nobody wants to be signed in.
    #[default]
    Out,
    /// It is on its way, or waits for a connection.
    Pending,
    In(Name),
    Failed(Error),
}

/// A change of the members of a presence channel.
#[derive(Debug)]
pub(crate) enum MembersChange {
    /// These are all, and this is the client's own user.
    Replaced {
        members: Vec<Member>,
        me: Option<Name>,
    },
    Set(Member),
    Removed(Name),
}

impl SnapshotUpdate {
    pub fn is_empty(&self) -> bool {
        !self.is_news() && self.counters.is_none()
    }

    /// Whether there is anything in it beside counters.
    fn is_news(&self) -> bool {
        let Self { state, socket_id, taken_up, settled, user, last_close, counters: _ } = self;
        let nothing = state.is_none() && socket_id.is_none() && taken_up.is_none() && user.is_none();
        let nothing = nothing && last_close.is_none();
        !nothing || !settled.is_empty()
    }
}

/// Numbers the calls to connect, in the order in which they are taken up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// What the session counts. All numbers count from the making of the client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub attempts: u64,
    pub reconnect_attempts: u64,
    pub connections: u64,
    pub messages: u64,
    pub messages_sent: u64,
    pub events: u64,
    pub ignored: u64,
    pub bad_messages: u64,
    /// From the last ping to its answer.
    pub round_trip: Option<Duration>,
}

/// How a connection ended that nobody here ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LastClose {
    pub code: Option<u16>,
    pub reason: String,
}

impl LastClose {
    pub fn by(error: &Error) -> Self {
        match error {
            Error::ConnectionClosed { code, message } => Self { code: Some(*code), reason: message.clone() },
            other => Self { code: None, reason: other.to_string() },
        }
    }
}

/// The place of a channel in one batch; worthless in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelSlot(usize);

/// One entry. Its texts lie one after another in the batch's block: name, data, user id.
#[derive(Debug, Clone)]
struct Entry {
    channel: Option<ChannelSlot>,
    start: usize,
    name_len: usize,
    data_len: usize,
    user_len: Option<usize>,
    /// `None` for an application event whose data is text, which nearly all entries are.
    extra: Option<Box<Extra>>,
}

/// What an entry may have beside its texts.
#[derive(Debug, Clone)]
enum Extra {
    /// It is not an application event.
    Notice(Notification),
    /// Decrypted data that the user's own decoder is to make text of.
    Encoded(Vec<u8>),
}

impl Extra {
    /// About how many bytes it holds.
    fn bytes(&self) -> usize {
        match self {
            Self::Notice(notice) => weight(notice),
            Self::Encoded(data) => data.len(),
        }
    }
}

/// Where its texts lie. With the C interface, each is followed by a NUL.
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
    /// An empty batch whose entries answer the given wish to be connected.
    pub fn answering(connection: Option<(Arc<Intent>, u64)>) -> Self {
        Self { connection, ..Self::default() }
    }

    pub fn with_number(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The number of an entry, in the order of deliveries.
    pub fn number(&self, index: usize) -> u64 {
        self.number + index as u64
    }

    /// The number after that of its last entry.
    pub fn next_number(&self) -> u64 {
        self.number(self.len())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries are notices. The others are application events.
    pub fn notices(&self) -> usize {
        self.notices
    }

    /// About how many bytes of memory the batch holds.
    pub fn bytes(&self) -> usize {
        let channels = self.channels.capacity() * size_of::<(Arc<Intent>, u64)>();
        size_of::<Self>()
            + self.text.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + channels
            + self.other_bytes
            + self.own_key.as_deref().map_or(0, str::len)
    }

    /// Gives a channel its place in this batch. Calling it once per batch and channel is up to the caller.
    pub fn add_channel(&mut self, intent: &Arc<Intent>, epoch: u64) -> ChannelSlot {
        self.channels.push((Arc::clone(intent), epoch));
        ChannelSlot(self.channels.len() - 1)
    }

    /// Adds an application event, `channel` being `None` for one that belongs to no channel. `write_data` appends the data, of
    /// up to `max_data` bytes, straight to the place where it stays.
    pub fn push_event(
        &mut self,
        channel: Option<ChannelSlot>,
        name: &str,
        user_id: Option<&str>,
        max_data: usize,
        write_data: impl FnOnce(&mut String),
    ) {
        let start = self.text.len();
        // At once, because growing for the last byte would double what one large message takes.
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

    /// Adds an application event whose data is text already.
    pub fn push_text(&mut self, channel: ChannelSlot, name: &str, user_id: Option<&str>, data: &str) {
        self.push_event(Some(channel), name, user_id, data.len(), |text| text.push_str(data));
    }

    /// Adds what went wrong and belongs to no subscription.
    pub fn push_error(&mut self, error: Error) {
        self.push_notice(Notification::Error(Arc::new(error)));
    }

    /// Adds an application event whose data the user's own decoder makes text of, where it is consumed.
    pub fn push_encoded(&mut self, channel: ChannelSlot, name: &str, user_id: Option<&str>, data: Vec<u8>) {
        self.push_text(channel, name, user_id, "");
        if let Some(entry) = self.entries.last_mut() {
            self.other_bytes += data.len();
            entry.extra = Some(Box::new(Extra::Encoded(data)));
        }
    }

    /// The decrypted data that is no text yet.
    pub fn encoded(&self, index: usize) -> Option<&[u8]> {
        self.entries[index].encoded()
    }

    /// The same entry alone, with what the user's decoder has made of its data.
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

    /// Adds what happened to a channel, under the name by which handlers of events see it.
    pub fn push_platform_event(&mut self, channel: ChannelSlot, name: &str, data: &str, notice: Notification) {
        self.push_notice_of(Some(channel), name, data, notice);
    }

    pub fn push_roster_change(&mut self, channel: ChannelSlot, change: MembersChange) {
        self.other_bytes += match &change {
            MembersChange::Replaced { members, .. } => members.iter().map(Member::bytes).sum(),
            MembersChange::Set(member) => member.bytes(),
            MembersChange::Removed(id) => id.len(),
        };
        self.roster_changes.push((channel, change));
    }

    /// The changes of members of channels that are still wanted.
    pub fn roster_changes(&self) -> impl Iterator<Item = (&Intent, &MembersChange)> {
        let with_wish = self.roster_changes.iter().map(|(slot, change)| (&self.channels[slot.0], change));
        with_wish.filter(|((intent, epoch), _)| intent.epoch() == *epoch).map(|((i, _), change)| (&**i, change))
    }

    pub fn channel_name(&self, channel: ChannelSlot) -> Name {
        self.channels[channel.0].0.name().clone()
    }

    /// Adds a confirmed subscription, which is seen as `pusher:subscription_succeeded` by handlers of events.
    pub fn push_subscription_succeeded(&mut self, channel: ChannelSlot, data: &str, succeeded: SubscriptionSucceeded) {
        let notice = Notification::SubscriptionSucceeded(succeeded);
        self.push_notice_of(Some(channel), "pusher:subscription_succeeded", data, notice);
    }

    /// Adds a failed subscription, which is seen as `pusher:subscription_error` by handlers of events.
    pub fn push_subscription_error(&mut self, channel: ChannelSlot, data: &str, error: Error) {
        let failure = SubscriptionError { channel: Some(self.channel_name(channel)), error };
        let notice = Notification::SubscriptionError(failure);
        self.push_notice_of(Some(channel), "pusher:subscription_error", data, notice);
    }

    /// Adds the change to a confirmed connection, which is seen as `pusher:connection_established` by handlers of events.
    pub fn push_connected(&mut self, data: &str, change: ConnectionStateChange) {
        let notice = Notification::ConnectionStateChange(change);
        self.push_notice_of(None, "pusher:connection_established", data, notice);
    }

    /// Adds what belongs to no channel.
    pub fn push_notice(&mut self, notice: Notification) {
        self.push_notice_of(None, "", "", notice);
    }

    fn push_notice_of(&mut self, channel: Option<ChannelSlot>, name: &str, data: &str, notice: Notification) {
        let start = self.text.len();
        push_texts(&mut self.text, [name, data, ""]);
        self.notices += 1;
        self.other_bytes += weight(&notice);
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
        self.slot(index).map(|slot| &self.channels[slot.0].0)
    }

    /// A batch of this one entry, which can be kept for long without its neighbours.
    pub fn single(&self, index: usize) -> Self {
        self.single_with(index, self.data(index))
    }

    /// The same with a key of the program's own.
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
        let mut single = Self::answering(self.connection.clone()).with_number(self.number(index));
        let channel = self.slot(index).map(|slot| single.add_channel_of(self, slot));
        single.add(self, index, channel, data);
        single
    }

    /// A batch of these entries, which can be kept for long without the others.
    pub fn pick(&self, indices: &[usize]) -> Self {
        let mut picked = Self::answering(self.connection.clone());
        let mut places = vec![None; self.channels.len()];
        for &index in indices {
            let channel =
                self.slot(index).map(|slot| *places[slot.0].get_or_insert_with(|| picked.add_channel_of(self, slot)));
            picked.add(self, index, channel, self.data(index));
        }
        picked
    }

    fn add_channel_of(&mut self, other: &Self, slot: ChannelSlot) -> ChannelSlot {
        let (intent, epoch) = &other.channels[slot.0];
        self.add_channel(intent, *epoch)
    }

    /// Adds an entry of another batch, with its channel's place here, and with that data.
    fn add(&mut self, other: &Self, index: usize, channel: Option<ChannelSlot>, data: &str) {
        let entry = &other.entries[index];
        let start = self.text.len();
        push_texts(&mut self.text, [other.name(index), data, other.user_id(index).unwrap_or_default()]);
        self.notices += usize::from(entry.notice().is_some());
        self.other_bytes += entry.extra.as_deref().map_or(0, Extra::bytes);
        self.entries.push(Entry { channel, start, data_len: data.len(), ..entry.clone() });
    }

    /// Whether the entry still answers what the user wishes now: an application event needs the connection, and an entry of a
    /// channel needs the channel, too. A notice without a channel is always wanted.
    pub fn is_wanted(&self, index: usize) -> bool {
        let current = |(intent, epoch): &(Arc<Intent>, u64)| intent.epoch() == *epoch;
        let slot = self.slot(index);
        if slot.is_none() && self.notice(index).is_some() {
            return true;
        }
        slot.is_none_or(|slot| current(&self.channels[slot.0])) && self.connection.as_ref().is_none_or(current)
    }

    /// Whether there is anything in it beside events and counters.
    pub fn is_news(&self) -> bool {
        self.notices > 0 || !self.roster_changes.is_empty() || self.published.is_news()
    }

    /// What happened to channels, each with the wish that it answers. What answers an older wish is left out, because it
    /// would be remembered for ever.
    pub fn notices_of_channels(&self) -> impl Iterator<Item = (&Intent, u64, &Notification)> {
        let notices = self.entries.iter().filter_map(|entry| {
            let (intent, epoch) = &self.channels[entry.channel?.0];
            Some((&**intent, *epoch, entry.notice()?))
        });
        notices.filter(|(intent, epoch, _)| intent.epoch() == *epoch)
    }

    pub fn name(&self, index: usize) -> &str {
        &self.text[self.entries[index].name()]
    }

    pub fn data(&self, index: usize) -> &str {
        &self.text[self.entries[index].data()]
    }

    pub fn user_id(&self, index: usize) -> Option<&str> {
        self.entries[index].user_id().map(|place| &self.text[place])
    }
}

/// The same with the NUL that follows each text.
#[cfg(feature = "capi")]
impl Batch {
    pub fn terminated_name(&self, index: usize) -> &str {
        self.terminated(self.entries[index].name())
    }

    pub fn terminated_data(&self, index: usize) -> &str {
        self.terminated(self.entries[index].data())
    }

    pub fn terminated_user_id(&self, index: usize) -> Option<&str> {
        self.entries[index].user_id().map(|place| self.terminated(place))
    }

    fn terminated(&self, place: Range<usize>) -> &str {
        &self.text[place.start..=place.end]
    }
}

/// How many texts an entry has.
const TEXTS: usize = 3;

/// How many NULs follow each text: one, so that C can read the text where it lies.
const NUL: usize = if cfg!(feature = "capi") { 1 } else { 0 };

/// The texts of an entry: its name, its data, who sent it.
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

/// About how many bytes a notice holds.
fn weight(notice: &Notification) -> usize {
    /// Enough for an error with its texts, which are cut to an excerpt where they come from outside.
    const NOTICE: usize = 1024;
    let more = match notice {
        Notification::MemberAdded(change) | Notification::MemberRemoved(change) => change.member.bytes(),
        Notification::Watchlist(event) => event.user_ids.iter().map(Name::bytes).sum(),
        _ => 0,
    };
    NOTICE + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_finds_its_own_texts() {
        let room = Intent::new(1, "room");
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room, room.epoch());
        batch.push_text(slot, "a", None, "żółć");
        batch.push_text(slot, "", Some("7"), "");
        batch.push_text(slot, "name", Some(""), "");
        let seen: Vec<_> = (0..3).map(|i| (batch.name(i), batch.data(i), batch.user_id(i))).collect();
        assert_eq!(seen, [("a", "żółć", None), ("", "", Some("7")), ("name", "", Some(""))]);
    }

    #[test]
    fn a_single_entry_keeps_its_texts_and_its_wishes_without_its_neighbours() {
        let (client, room) = (Intent::new(0, ""), Intent::new(1, "room"));
        client.want();
        room.want();
        let mut batch = Batch::answering(Some((Arc::clone(&client), client.epoch())));
        let other = batch.add_channel(&Intent::new(2, "other"), 0);
        batch.push_text(other, "before", None, "x");
        let slot = batch.add_channel(&room, room.epoch());
        batch.push_text(slot, "name", Some("7"), "data");
        let single = batch.single(1);
        assert_eq!((single.name(0), single.data(0), single.user_id(0)), ("name", "data", Some("7")));
        assert_eq!((single.len(), single.text.len(), single.channels.len()), (1, 9 + TEXTS * NUL, 1));
        assert!(single.is_wanted(0));
        let bare = batch.without_data(1);
        assert_eq!((bare.name(0), bare.data(0), bare.user_id(0)), ("name", "", Some("7")));
        client.forget();
        assert!(!single.is_wanted(0));
    }

    #[test]
    fn s3_an_entry_is_wanted_only_while_its_wish_is_the_current_one() {
        let room = Intent::new(1, "room");
        room.want();
        let mut batch = Batch::default();
        let slot = batch.add_channel(&room, room.epoch());
        batch.push_text(slot, "a", None, "");
        assert!(batch.is_wanted(0));
        room.forget();
        assert!(!batch.is_wanted(0));
        room.want();
        assert!(!batch.is_wanted(0), "a new wish does not revive what answered the old one");
    }

    #[test]
    fn r10_nothing_of_a_channel_is_wanted_once_the_connection_is_not() {
        let (client, room) = (Intent::new(0, ""), Intent::new(1, "room"));
        client.want();
        room.want();
        let mut batch = Batch::answering(Some((Arc::clone(&client), client.epoch())));
        let slot = batch.add_channel(&room, room.epoch());
        batch.push_text(slot, "a", None, "");
        batch.push_notice(Notification::Error(Arc::new(Error::Disconnected)));
        batch.push_event(None, "notice", None, 0, |_| {});
        assert!(batch.is_wanted(2) && batch.intent(2).is_none());
        client.forget();
        assert!(!batch.is_wanted(0));
        assert!(batch.is_wanted(1), "a notice that belongs to no channel is still told");
        assert!(!batch.is_wanted(2), "an application event is none");
    }
}
