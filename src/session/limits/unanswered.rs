//! The messages of this connection that the server has not answered, in the order in which they were sent (S6).
//!
//! Some servers refuse a message by a `pusher:error` that names no channel. Reverb answers in the order of the
//! messages, so such an error can be attributed:
//!
//! * An error goes to the one message that is unanswered, if there is exactly one. If all of them are client events, it
//!   refuses a client event.
//! * If there are as many errors as unanswered messages, they refuse all of them, in their order.
//! * An answer that names its message proves that all earlier messages were answered, too: each earlier subscription,
//!   and the sign-in, was refused by one of the errors that came before. A client event that the server accepts has no
//!   answer.
//!
//! An error that belongs to one of several messages is held until there is such a proof, for up to 5 s. After that, or
//! when the connection ends, the session reports it without a message. So each error has exactly one [`Attribution`].
//! The proofs depend on the order of the server: if it does not keep the order, a later confirmation wins over them.
//!
//! The number of unanswered messages is bounded by the wanted channels, with 16 requests for each of them, and by 1,024
//! client events. Up to 64 errors are held.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{Name, protocol::message::ServerError, session::interface::AttemptId};

/// A server refuses a client event within this time, or accepts it. An error is held for this time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// The default limit is ten events a second, so 5 s hold 50. Without a limit, a server refuses the newest ones.
const MAX_CLIENT_EVENTS: usize = 1024;

/// A correct server sends one error for a message. If there are more errors, the oldest are reported without a message.
const MAX_HELD: usize = 64;

#[derive(Default)]
pub(crate) struct UnansweredMessages {
    /// The number of the last message.
    last: u64,
    messages: VecDeque<Entry>,
    client_events: usize,
    /// The errors that belong to one of several messages.
    held: VecDeque<HeldError>,
    attributions: VecDeque<Attribution>,
}

struct Entry {
    number: u64,
    sent_at: Instant,
    message: Sent,
}

/// A message that a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Subscription {
        channel: Name,
        attempt: AttemptId,
    },
    /// The subscription of the channel of the user. Servers may leave it unanswered, so no error is attributed to it.
    UserChannel {
        channel: Name,
    },
    SignIn,
    /// The server answers it only to refuse it.
    ClientEvent {
        channel: Name,
        event: Name,
        /// The size of its data in bytes.
        size: usize,
    },
}

struct HeldError {
    error: ServerError,
    at: Instant,
    /// The last message before the error, and so the last one that it can refuse.
    after: u64,
}

/// The message that an error without a channel refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub refused: Refused,
    pub error: ServerError,
    /// The time at which the error arrived.
    pub at: Instant,
    /// Whether the error may have refused a client event instead.
    pub is_a_guess: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Subscription { channel: Name, attempt: AttemptId },
    SignIn,
    ClientEvent(RefusedClientEvent),
    Unknown,
}

/// The client event that was refused. A field is `None` if the events that may have been refused differ in it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RefusedClientEvent {
    pub channel: Option<Name>,
    pub event: Option<Name>,
}

/// The messages that a 4301 without a channel refuses (S10).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimited {
    pub client_event: Option<RefusedClientEvent>,
    /// Whether the sign-in is to be sent again.
    pub sign_in: bool,
    /// The channels whose requests are to be sent again, one for each request.
    pub subscriptions: Vec<Name>,
}

impl UnansweredMessages {
    pub fn sent(&mut self, message: Sent, now: Instant) {
        self.last += 1;
        if matches!(message, Sent::ClientEvent { .. }) {
            self.make_room_for_client_event(now);
            self.client_events += 1;
        }
        self.messages.push_back(Entry { number: self.last, sent_at: now, message });
    }

    fn make_room_for_client_event(&mut self, now: Instant) {
        while self.messages.front().is_some_and(|entry| entry.is_client_event() && entry.is_accepted(now)) {
            self.remove(0);
        }
        if self.client_events >= MAX_CLIENT_EVENTS {
            self.remove_first(Entry::is_client_event);
        }
    }

    /// The next attribution.
    pub fn next_attribution(&mut self) -> Option<Attribution> {
        self.attributions.pop_front()
    }

    /// The server has confirmed, or refused by name, a request for this channel.
    pub fn answered(&mut self, channel: &str, now: Instant) {
        let is_request = |entry: &Entry| entry.channel_of_request().is_some_and(|name| **name == *channel);
        // Errors may have answered earlier requests for the same channel.
        let (mut found, mut expected) = (None, 0);
        for (index, entry) in self.messages.iter().enumerate() {
            if is_request(entry) && (found.is_none() || expected <= self.held.len()) {
                found = Some(index);
            }
            expected += usize::from(entry.awaits_answer());
            if expected > self.held.len() && found.is_some() {
                break;
            }
        }
        if let Some(index) = found {
            self.prove(index, now);
        }
    }

    /// The server has confirmed the sign-in.
    pub fn signed_in(&mut self, now: Instant) {
        if let Some(index) = self.messages.iter().position(|entry| entry.message == Sent::SignIn) {
            self.prove(index, now);
        }
    }

    /// The message at this index was answered, and so were all earlier ones.
    fn prove(&mut self, index: usize, now: Instant) {
        self.remove(index);
        if self.held.is_empty() {
            return;
        }
        let earlier = || self.messages.iter().take(index);
        let expected = earlier().filter(|entry| entry.awaits_answer()).count();
        let client_events = earlier().filter(|entry| entry.may_be_refused(now)).count();
        if expected + client_events > 0 && expected <= self.held.len() {
            let of_client_events = (self.held.len() - expected).min(client_events);
            self.attribute(index, of_client_events, now);
        }
        self.report_unattributable(now);
    }

    /// Attributes the oldest errors to the first `count` entries: one to each that expects an answer, and
    /// `of_client_events` to client events.
    fn attribute(&mut self, count: usize, mut of_client_events: usize, now: Instant) {
        let client_events = self.messages.iter().take(count).filter(|entry| entry.may_be_refused(now)).count();
        let all = (of_client_events < client_events).then(|| self.refused_client_event(count, now));
        let mut kept = VecDeque::new();
        for entry in self.messages.drain(..count).collect::<Vec<_>>() {
            let may_be_refused = entry.may_be_refused(now);
            let is_refused = entry.awaits_answer() || (may_be_refused && of_client_events > 0);
            let fits = self.held.front().is_some_and(|held| entry.can_be_refused_by(&held.error));
            // A client event that was sent before an answered message, and was not refused, was accepted.
            if !is_refused || !fits {
                self.client_events -= usize::from(entry.is_client_event());
                kept.extend((!entry.is_client_event()).then_some(entry));
                continue;
            }
            self.client_events -= usize::from(entry.is_client_event());
            of_client_events -= usize::from(may_be_refused);
            let Some(HeldError { error, at, .. }) = self.held.pop_front() else { continue };
            let refused = match (entry.message, &all) {
                (Sent::ClientEvent { .. }, Some(all)) => Refused::ClientEvent(all.clone()),
                (message, _) => Refused::of(message),
            };
            self.attributions.push_back(Attribution { refused, error, at, is_a_guess: all.is_some() });
        }
        kept.append(&mut self.messages);
        self.messages = kept;
    }

    /// An error without a channel, other than a rate limit.
    pub fn refused(&mut self, error: ServerError, now: Instant) {
        self.held.push_back(HeldError { error, at: now, after: self.last });
        if !self.take_equal_counts(now) {
            self.take_refusal_of_client_event(now);
        }
        self.report_unattributable(now);
        while self.held.len() > MAX_HELD {
            self.report_oldest();
        }
    }

    /// Attributes the errors if there are as many as messages before them.
    fn take_equal_counts(&mut self, now: Instant) -> bool {
        let errors = self.held.len();
        let numbers: Vec<u64> = self.candidates(now).take(errors + 1).map(|entry| entry.number).collect();
        let equal = (1..=errors).rev().find(|count| {
            let after = self.held[count - 1].after;
            numbers.iter().filter(|number| **number <= after).count() == *count
        });
        equal.is_some_and(|count| self.take_in_order(count, now))
    }

    /// Attributes the oldest errors to the oldest messages. Returns false if one of these messages cannot be refused by
    /// its error.
    fn take_in_order(&mut self, count: usize, now: Instant) -> bool {
        let pairs = self.candidates(now).take(count).zip(&self.held);
        if !pairs.clone().all(|(entry, held)| entry.can_be_refused_by(&held.error)) {
            return false;
        }
        let numbers: Vec<u64> = pairs.map(|(entry, _)| entry.number).collect();
        for number in numbers {
            let Some(entry) = self.remove_first(|entry| entry.number == number) else { continue };
            let Some(HeldError { error, at, .. }) = self.held.pop_front() else { continue };
            self.attributions.push_back(Attribution {
                refused: Refused::of(entry.message),
                error,
                at,
                is_a_guess: false,
            });
        }
        true
    }

    /// Attributes the newest error to a client event, if it cannot refuse another message.
    fn take_refusal_of_client_event(&mut self, now: Instant) {
        if !self.candidates(now).all(Entry::is_client_event) {
            return;
        }
        let refused_event = self.refused_client_event(self.messages.len(), now);
        if self.remove_first(|entry| entry.may_be_refused(now)).is_none() {
            return;
        }
        if let Some(HeldError { error, at, .. }) = self.held.pop_back() {
            self.attributions.push_back(Attribution {
                refused: Refused::ClientEvent(refused_event),
                error,
                at,
                is_a_guess: false,
            });
        }
    }

    /// A 4301 without a channel: the server takes no more messages for now, or refuses a client event. Requests that
    /// were sent after the oldest client event may have been refused by it; earlier requests were not.
    pub fn rate_limited(&mut self, now: Instant) -> RateLimited {
        let first = self.messages.iter().position(|entry| entry.may_be_refused(now));
        let client_event = first.map(|_| self.refused_client_event(self.messages.len(), now));
        let rest = self.messages.split_off(first.unwrap_or_default());
        let (mut sign_in, mut subscriptions) = (false, Vec::new());
        for (index, entry) in rest.into_iter().enumerate() {
            match entry.channel_of_request() {
                Some(channel) => subscriptions.push(channel.clone()),
                None if entry.message == Sent::SignIn => sign_in = true,
                None if first.is_some() && index == 0 => self.client_events -= 1,
                None => self.messages.push_back(entry),
            }
        }
        self.report_unattributable(now);
        RateLimited { client_event, sign_in, subscriptions }
    }

    /// An error that names this channel. Returns the client event that it refuses, if there is one on the channel.
    pub fn client_event_on(&mut self, channel: &str, now: Instant) -> Option<RefusedClientEvent> {
        let is_there =
            |entry: &Entry| entry.may_be_refused(now) && entry.channel().is_some_and(|name| **name == *channel);
        let refused_event = RefusedClientEvent::among(self.messages.iter().filter(|entry| is_there(entry)))?;
        self.remove_first(is_there);
        self.report_unattributable(now);
        Some(refused_event)
    }

    /// Stops waiting for the answers to up to this many requests for the channel, the oldest first.
    pub fn forget(&mut self, channel: &str, count: u32, now: Instant) {
        for _ in 0..count {
            self.remove_first(|entry| entry.channel_of_request().is_some_and(|name| **name == *channel));
        }
        self.report_unattributable(now);
    }

    /// Stops waiting for the answer to the sign-in.
    pub fn forget_sign_in(&mut self, now: Instant) {
        self.remove_first(|entry| entry.message == Sent::SignIn);
        self.report_unattributable(now);
    }

    /// The time at which the first held error is reported.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.front().map(|held| held.at + ANSWERED_WITHIN)
    }

    /// Ends the wait for proofs. If there are as many errors as messages, they refuse these messages, even on a server
    /// that does not keep the order.
    pub fn expire(&mut self, now: Instant) {
        let count = self.held.iter().take_while(|held| held.at + ANSWERED_WITHIN <= now).count();
        let Some(after) = count.checked_sub(1).map(|last| self.held[last].after) else { return };
        let candidates = self.candidates(now).take_while(|entry| entry.number <= after).take(count + 1).count();
        if candidates != count || !self.take_in_order(count, now) {
            (0..count).for_each(|_| self.report_oldest());
        }
        self.report_unattributable(now);
    }

    /// Moves the deadlines by a time in which no answer could be read.
    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        self.held.iter_mut().for_each(|held| held.at = (held.at + pause).min(now));
        self.messages.iter_mut().for_each(|entry| entry.sent_at = (entry.sent_at + pause).min(now));
    }

    /// The connection has ended, so no answers are expected.
    pub fn end_connection(&mut self) {
        while !self.held.is_empty() {
            self.report_oldest();
        }
        self.messages.clear();
        self.client_events = 0;
    }

    /// The largest data that was sent in a client event of the last 5 s.
    pub fn largest_client_event(&self, now: Instant) -> Option<usize> {
        let sizes = self.messages.iter().filter(|entry| entry.may_be_refused(now)).map(|entry| match entry.message {
            Sent::ClientEvent { size, .. } => size,
            _ => 0,
        });
        sizes.max()
    }

    /// The messages that an error may refuse.
    fn candidates(&self, now: Instant) -> impl Iterator<Item = &Entry> + Clone {
        let knows_sign_in = self.held.iter().any(|held| is_answer_to_sign_in(&held.error));
        self.messages.iter().filter(move |entry| match entry.message {
            Sent::Subscription { .. } => true,
            Sent::SignIn => knows_sign_in,
            Sent::ClientEvent { .. } => entry.may_be_refused(now),
            Sent::UserChannel { .. } => false,
        })
    }

    fn refused_client_event(&self, count: usize, now: Instant) -> RefusedClientEvent {
        RefusedClientEvent::among(self.messages.iter().take(count).filter(|entry| entry.may_be_refused(now)))
            .unwrap_or_default()
    }

    /// Reports the errors whose possible messages are all answered.
    fn report_unattributable(&mut self, now: Instant) {
        while let Some(held) = self.held.front() {
            if self.candidates(now).any(|entry| entry.number <= held.after) {
                return;
            }
            self.report_oldest();
        }
    }

    fn report_oldest(&mut self) {
        if let Some(HeldError { error, at, .. }) = self.held.pop_front() {
            self.attributions.push_back(Attribution { refused: Refused::Unknown, error, at, is_a_guess: false });
        }
    }

    fn remove_first(&mut self, pick: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let index = self.messages.iter().position(pick)?;
        self.remove(index)
    }

    fn remove(&mut self, index: usize) -> Option<Entry> {
        let entry = self.messages.remove(index)?;
        self.client_events -= usize::from(entry.is_client_event());
        Some(entry)
    }

    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.held.is_empty() && self.attributions.is_empty()
    }
}

impl Entry {
    fn is_client_event(&self) -> bool {
        matches!(self.message, Sent::ClientEvent { .. })
    }

    /// Whether it is a client event that the server may still refuse.
    fn may_be_refused(&self, now: Instant) -> bool {
        self.is_client_event() && !self.is_accepted(now)
    }

    /// Whether the server has accepted the event, because it has not refused it in time.
    fn is_accepted(&self, now: Instant) -> bool {
        self.sent_at + ANSWERED_WITHIN <= now
    }

    /// Whether servers always answer this message.
    fn awaits_answer(&self) -> bool {
        matches!(self.message, Sent::Subscription { .. } | Sent::SignIn)
    }

    fn can_be_refused_by(&self, error: &ServerError) -> bool {
        self.message != Sent::SignIn || is_answer_to_sign_in(error)
    }

    fn channel_of_request(&self) -> Option<&Name> {
        match &self.message {
            Sent::Subscription { channel, .. } | Sent::UserChannel { channel } => Some(channel),
            Sent::SignIn | Sent::ClientEvent { .. } => None,
        }
    }

    fn channel(&self) -> Option<&Name> {
        match &self.message {
            Sent::Subscription { channel, .. } | Sent::UserChannel { channel } | Sent::ClientEvent { channel, .. } => {
                Some(channel)
            }
            Sent::SignIn => None,
        }
    }
}

impl Refused {
    fn of(message: Sent) -> Self {
        match message {
            Sent::Subscription { channel, attempt } => Self::Subscription { channel, attempt },
            Sent::SignIn => Self::SignIn,
            Sent::ClientEvent { channel, event, .. } => {
                Self::ClientEvent(RefusedClientEvent { channel: Some(channel), event: Some(event) })
            }
            Sent::UserChannel { .. } => Self::Unknown,
        }
    }
}

impl RefusedClientEvent {
    /// The channel and the name that all these client events have. `None` if there are no events.
    fn among<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<Self> {
        let mut common: Option<Self> = None;
        for entry in entries {
            let Sent::ClientEvent { channel, event, .. } = &entry.message else { continue };
            match &mut common {
                None => common = Some(Self { channel: Some(channel.clone()), event: Some(event.clone()) }),
                Some(common) => {
                    common.channel.take_if(|name| name != channel);
                    common.event.take_if(|name| name != event);
                }
            }
        }
        common
    }
}

/// Servers refuse a sign-in with 4009, or with 4200 if they do not know sign-ins (A8).
fn is_answer_to_sign_in(error: &ServerError) -> bool {
    matches!(error.code, Some(4009 | 4200))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(number: usize) -> ServerError {
        ServerError { code: Some(4009), message: number.to_string(), channel: None }
    }

    fn subscription(channel: &str, attempt: u64) -> Sent {
        Sent::Subscription { channel: channel.into(), attempt: AttemptId(attempt) }
    }

    fn client_event(event: &str) -> Sent {
        Sent::ClientEvent { channel: "private-room".into(), event: event.into(), size: 1 }
    }

    fn attributions(unanswered: &mut UnansweredMessages) -> Vec<(Refused, String)> {
        std::iter::from_fn(|| unanswered.next_attribution())
            .map(|attribution| (attribution.refused, attribution.error.message))
            .collect()
    }

    #[test]
    fn s6_client_events_get_the_oldest_errors_that_subscriptions_leave() {
        let now = Instant::now();
        let mut unanswered = UnansweredMessages::default();
        for message in [client_event("a"), subscription("x", 1), client_event("b"), subscription("y", 2)] {
            unanswered.sent(message, now);
        }
        for number in 0..2 {
            unanswered.refused(error(number), now);
        }
        assert_eq!(attributions(&mut unanswered), []);
        unanswered.answered("y", now);
        let either = RefusedClientEvent { channel: Some("private-room".into()), event: None };
        let expected = [
            (Refused::ClientEvent(either), "0".to_owned()),
            (Refused::Subscription { channel: "x".into(), attempt: AttemptId(1) }, "1".to_owned()),
        ];
        assert_eq!(attributions(&mut unanswered), expected);
        assert!(unanswered.is_empty(), "the other client event was accepted");
    }

    #[test]
    fn s6_of_two_requests_for_one_channel_the_later_is_confirmed_after_an_error() {
        let now = Instant::now();
        let mut unanswered = UnansweredMessages::default();
        unanswered.sent(subscription("x", 1), now);
        unanswered.sent(subscription("x", 2), now);
        unanswered.refused(error(0), now);
        unanswered.answered("x", now);
        assert_eq!(
            attributions(&mut unanswered),
            [(Refused::Subscription { channel: "x".into(), attempt: AttemptId(1) }, "0".to_owned())]
        );
        assert!(unanswered.is_empty());
    }

    #[test]
    fn s10_a_limit_beside_a_client_event_leaves_the_messages_before_it() {
        let now = Instant::now();
        let mut unanswered = UnansweredMessages::default();
        for message in [subscription("x", 1), client_event("a"), subscription("y", 2), client_event("b"), Sent::SignIn]
        {
            unanswered.sent(message, now);
        }
        let limited = unanswered.rate_limited(now);
        assert_eq!(limited.subscriptions, [Name::from("y")]);
        assert_eq!(limited.client_event.and_then(|refused_event| refused_event.event), None, "it is a or b");
        let limited = unanswered.rate_limited(now);
        assert_eq!(limited.client_event.and_then(|refused_event| refused_event.event), Some("b".into()));
        assert_eq!(
            unanswered.rate_limited(now),
            RateLimited { subscriptions: vec!["x".into()], ..RateLimited::default() }
        );
    }

    #[derive(Debug, Clone, Copy)]
    enum MessageStep {
        Subscribe(u8),
        Trigger,
        SignIn,
        Refuse,
        Answer(u8),
        SignedIn,
        Limit,
        Forget(u8),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = MessageStep> {
        prop_oneof![
            4 => (0..6u8).prop_map(MessageStep::Subscribe),
            2 => Just(MessageStep::Trigger),
            1 => Just(MessageStep::SignIn),
            6 => Just(MessageStep::Refuse),
            3 => (0..6u8).prop_map(MessageStep::Answer),
            1 => Just(MessageStep::SignedIn),
            1 => Just(MessageStep::Limit),
            1 => (0..6u8).prop_map(MessageStep::Forget),
            2 => (0..3u64).prop_map(MessageStep::Pass),
        ]
    }

    fn act(unanswered: &mut UnansweredMessages, step: MessageStep, errors: &mut usize, now: &mut Instant) {
        let name = |channel: u8| format!("room-{channel}");
        match step {
            MessageStep::Subscribe(channel) => unanswered.sent(subscription(&name(channel), 0), *now),
            MessageStep::Trigger => unanswered.sent(client_event("a"), *now),
            MessageStep::SignIn => unanswered.sent(Sent::SignIn, *now),
            MessageStep::Refuse => {
                unanswered.refused(error(*errors), *now);
                *errors += 1;
            }
            MessageStep::Answer(channel) => unanswered.answered(&name(channel), *now),
            MessageStep::SignedIn => unanswered.signed_in(*now),
            MessageStep::Limit => drop(unanswered.rate_limited(*now)),
            MessageStep::Forget(channel) => unanswered.forget(&name(channel), 2, *now),
            MessageStep::Pass(seconds) => {
                *now += Duration::from_secs(seconds);
                unanswered.expire(*now);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn s6_each_error_has_one_attribution_in_time(steps in prop::collection::vec(step(), 0..80)) {
            let (mut unanswered, mut errors, mut now) = (UnansweredMessages::default(), 0, Instant::now());
            let mut reported = Vec::new();
            for step in steps {
                act(&mut unanswered, step, &mut errors, &mut now);
                reported.extend(attributions(&mut unanswered).into_iter().map(|(_, number)| number));
                prop_assert!(unanswered.deadline().is_none_or(|deadline| deadline > now || matches!(step, MessageStep::Pass(0))));
                let client_events = unanswered.messages.iter().filter(|entry| entry.is_client_event()).count();
                prop_assert_eq!(client_events, unanswered.client_events);
            }
            unanswered.end_connection();
            reported.extend(attributions(&mut unanswered).into_iter().map(|(_, number)| number));
            reported.sort_by_key(|number| number.parse::<usize>().expect("a number"));
            let all: Vec<_> = (0..errors).map(|number| number.to_string()).collect();
            prop_assert_eq!(reported, all);
            prop_assert!(unanswered.is_empty());
        }
    }
}
