//! The messages of this connection that the server has not answered, in the order in which they were sent (S6).
//!
//! Some servers refuse a message by a `pusher:error` that names no channel. Reverb answers in the order of the
//! messages, so that such an error can be attributed:
//!
//! * An error goes to the one message that is unanswered, if there is exactly one. Where all of them are client events,
//!   it is the refusal of a client event.
//! * As many errors as unanswered messages are the refusals of all of them, in their order.
//! * An answer that names its message proves that all earlier messages were answered, too: each earlier subscription,
//!   and the sign-in, was refused by one of the errors that came before. A client event that the server takes has no
//!   answer.
//!
//! An error that belongs to one of several messages is held until there is such a proof, and for up to 5 s. After that,
//! or when the connection ends, the session reports it by itself. So each error has exactly one
//! [`Verdict`]. Proofs hold as far as the server keeps the order; where it does not, a later confirmation wins over
//! them.
//!
//! The unanswered is bounded by the wanted channels, by 16 requests for each of them, by 1,024 client events and by 64
//! errors.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{Name, protocol::message::ServerError, session::interface::AttemptId};

/// A server refuses a client event within this time, or takes it. An error is held for this time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// The client's own limit is ten a second, so that 5 s hold 50. Where it is off, the newest are those that a server
/// refuses.
const MAX_CLIENT_EVENTS: usize = 1024;

/// An honest server sends one error for a message. Of a flood, the oldest errors are reported by themselves.
const MAX_HELD: usize = 64;

#[derive(Default)]
pub(crate) struct Unanswered {
    /// The number of the last message.
    last: u64,
    unanswered: VecDeque<Entry>,
    client_events: usize,
    /// Errors that belong to one of several messages.
    held: VecDeque<Held>,
    verdicts: VecDeque<Verdict>,
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
    /// The subscription of the user's own channel. Servers may leave it unanswered, so that it explains no error.
    UserChannel {
        channel: Name,
    },
    SignIn,
    /// It is answered only where it is refused.
    ClientEvent {
        channel: Name,
        event: Name,
        /// Bytes of its data.
        size: usize,
    },
}

struct Held {
    error: ServerError,
    at: Instant,
    /// The last message before it, and with that the last one that it can belong to.
    after: u64,
}

/// The decision about an error without a channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub refused: Refused,
    pub error: ServerError,
    /// When the error arrived.
    pub at: Instant,
    /// A client event may have been refused in place of this message.
    pub is_a_guess: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Subscription { channel: Name, attempt: AttemptId },
    SignIn,
    ClientEvent(Suspect),
    Nobody,
}

/// The client event that was refused, as far as it is known: `None` where unanswered ones differ.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub channel: Option<Name>,
    pub event: Option<Name>,
}

/// The messages that a 4301 without a channel is about (S10).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Limited {
    pub client_event: Option<Suspect>,
    /// Whether the sign-in is to be sent again.
    pub sign_in: bool,
    /// The channels whose requests are to be sent again, one for each request.
    pub subscriptions: Vec<Name>,
}

impl Unanswered {
    pub fn sent(&mut self, message: Sent, now: Instant) {
        self.last += 1;
        if matches!(message, Sent::ClientEvent { .. }) {
            self.make_room_for_client_event(now);
            self.client_events += 1;
        }
        self.unanswered.push_back(Entry { number: self.last, sent_at: now, message });
    }

    fn make_room_for_client_event(&mut self, now: Instant) {
        while self.unanswered.front().is_some_and(|entry| entry.is_client_event() && entry.is_settled(now)) {
            self.remove(0);
        }
        if self.client_events >= MAX_CLIENT_EVENTS {
            self.remove_first(Entry::is_client_event);
        }
    }

    /// The next decision that has been made.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop_front()
    }

    /// The server has confirmed, or refused by name, a request for this channel.
    pub fn answered(&mut self, channel: &str, now: Instant) {
        let is_request = |entry: &Entry| entry.channel_of_request().is_some_and(|name| **name == *channel);
        // Errors may have answered earlier requests for the same channel.
        let (mut found, mut owed) = (None, 0);
        for (index, entry) in self.unanswered.iter().enumerate() {
            if is_request(entry) && (found.is_none() || owed <= self.held.len()) {
                found = Some(index);
            }
            owed += usize::from(entry.is_owed_an_answer());
            if owed > self.held.len() && found.is_some() {
                break;
            }
        }
        if let Some(index) = found {
            self.prove(index, now);
        }
    }

    /// The server has confirmed the sign-in.
    pub fn signed_in(&mut self, now: Instant) {
        if let Some(index) = self.unanswered.iter().position(|entry| entry.message == Sent::SignIn) {
            self.prove(index, now);
        }
    }

    /// The message at this place was answered, so that the earlier ones were, too.
    fn prove(&mut self, index: usize, now: Instant) {
        self.remove(index);
        if self.held.is_empty() {
            return;
        }
        let earlier = || self.unanswered.iter().take(index);
        let owed = earlier().filter(|entry| entry.is_owed_an_answer()).count();
        let suspects = earlier().filter(|entry| entry.is_suspect(now)).count();
        if owed + suspects > 0 && owed <= self.held.len() {
            let of_client_events = (self.held.len() - owed).min(suspects);
            self.attribute(index, of_client_events, now);
        }
        self.release_orphans(now);
    }

    /// The first entries take the oldest errors: each that is owed an answer one, and client events up to the given
    /// number.
    fn attribute(&mut self, count: usize, mut of_client_events: usize, now: Instant) {
        let suspects = self.unanswered.iter().take(count).filter(|entry| entry.is_suspect(now)).count();
        let all = (of_client_events < suspects).then(|| self.suspect(count, now));
        let mut kept = VecDeque::new();
        for entry in self.unanswered.drain(..count).collect::<Vec<_>>() {
            let is_suspect = entry.is_suspect(now);
            let is_refused = entry.is_owed_an_answer() || (is_suspect && of_client_events > 0);
            let fits = self.held.front().is_some_and(|held| entry.can_be_refused_by(&held.error));
            // A client event that was sent before an answered message, and was not refused, was taken.
            if !is_refused || !fits {
                self.client_events -= usize::from(entry.is_client_event());
                kept.extend((!entry.is_client_event()).then_some(entry));
                continue;
            }
            self.client_events -= usize::from(entry.is_client_event());
            of_client_events -= usize::from(is_suspect);
            let Some(Held { error, at, .. }) = self.held.pop_front() else { continue };
            let refused = match (entry.message, &all) {
                (Sent::ClientEvent { .. }, Some(all)) => Refused::ClientEvent(all.clone()),
                (message, _) => Refused::of(message),
            };
            self.verdicts.push_back(Verdict { refused, error, at, is_a_guess: all.is_some() });
        }
        kept.append(&mut self.unanswered);
        self.unanswered = kept;
    }

    /// An error without a channel that is no rate limit.
    pub fn refused(&mut self, error: ServerError, now: Instant) {
        self.held.push_back(Held { error, at: now, after: self.last });
        if !self.take_equal_counts(now) {
            self.take_refusal_of_client_event(now);
        }
        self.release_orphans(now);
        while self.held.len() > MAX_HELD {
            self.release_oldest();
        }
    }

    /// As many errors as messages before them.
    fn take_equal_counts(&mut self, now: Instant) -> bool {
        let errors = self.held.len();
        let numbers: Vec<u64> = self.candidates(now).take(errors + 1).map(|entry| entry.number).collect();
        let equal = (1..=errors).rev().find(|count| {
            let after = self.held[count - 1].after;
            numbers.iter().filter(|number| **number <= after).count() == *count
        });
        equal.is_some_and(|count| self.take_in_order(count, now))
    }

    /// Gives the oldest errors to the oldest messages. False where one of these messages cannot be refused so.
    fn take_in_order(&mut self, count: usize, now: Instant) -> bool {
        let pairs = self.candidates(now).take(count).zip(&self.held);
        if !pairs.clone().all(|(entry, held)| entry.can_be_refused_by(&held.error)) {
            return false;
        }
        let numbers: Vec<u64> = pairs.map(|(entry, _)| entry.number).collect();
        for number in numbers {
            let Some(entry) = self.remove_first(|entry| entry.number == number) else { continue };
            let Some(Held { error, at, .. }) = self.held.pop_front() else { continue };
            self.verdicts.push_back(Verdict { refused: Refused::of(entry.message), error, at, is_a_guess: false });
        }
        true
    }

    /// The newest error belongs to a client event, where it can belong to nothing else.
    fn take_refusal_of_client_event(&mut self, now: Instant) {
        if !self.candidates(now).all(Entry::is_client_event) {
            return;
        }
        let suspect = self.suspect(self.unanswered.len(), now);
        if self.remove_first(|entry| entry.is_suspect(now)).is_none() {
            return;
        }
        if let Some(Held { error, at, .. }) = self.held.pop_back() {
            self.verdicts.push_back(Verdict { refused: Refused::ClientEvent(suspect), error, at, is_a_guess: false });
        }
    }

    /// A 4301 without a channel: the server takes no more messages for now, or refuses a client event. Requests that
    /// were sent after the oldest client event may have been refused like it; requests that were sent before it were
    /// not.
    pub fn limited(&mut self, now: Instant) -> Limited {
        let first = self.unanswered.iter().position(|entry| entry.is_suspect(now));
        let client_event = first.map(|_| self.suspect(self.unanswered.len(), now));
        let rest = self.unanswered.split_off(first.unwrap_or_default());
        let (mut sign_in, mut subscriptions) = (false, Vec::new());
        for (index, entry) in rest.into_iter().enumerate() {
            match entry.channel_of_request() {
                Some(channel) => subscriptions.push(channel.clone()),
                None if entry.message == Sent::SignIn => sign_in = true,
                None if first.is_some() && index == 0 => self.client_events -= 1,
                None => self.unanswered.push_back(entry),
            }
        }
        self.release_orphans(now);
        Limited { client_event, sign_in, subscriptions }
    }

    /// An error that names this channel: the client event there that it refuses, if there is one.
    pub fn client_event_on(&mut self, channel: &str, now: Instant) -> Option<Suspect> {
        let is_there = |entry: &Entry| entry.is_suspect(now) && entry.channel().is_some_and(|name| **name == *channel);
        let suspect = Suspect::among(self.unanswered.iter().filter(|entry| is_there(entry)))?;
        self.remove_first(is_there);
        self.release_orphans(now);
        Some(suspect)
    }

    /// Stops waiting for the answers to up to this many requests for the channel, the oldest first.
    pub fn forget(&mut self, channel: &str, count: u32, now: Instant) {
        for _ in 0..count {
            self.remove_first(|entry| entry.channel_of_request().is_some_and(|name| **name == *channel));
        }
        self.release_orphans(now);
    }

    /// Stops waiting for the answer to the sign-in.
    pub fn forget_sign_in(&mut self, now: Instant) {
        self.remove_first(|entry| entry.message == Sent::SignIn);
        self.release_orphans(now);
    }

    /// When an error has been held for long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.front().map(|held| held.at + ANSWERED_WITHIN)
    }

    /// Ends the wait for proofs: as many errors as messages are their refusals, also where the server does not keep the
    /// order.
    pub fn expire(&mut self, now: Instant) {
        let count = self.held.iter().take_while(|held| held.at + ANSWERED_WITHIN <= now).count();
        let Some(after) = count.checked_sub(1).map(|last| self.held[last].after) else { return };
        let candidates = self.candidates(now).take_while(|entry| entry.number <= after).take(count + 1).count();
        if candidates != count || !self.take_in_order(count, now) {
            (0..count).for_each(|_| self.release_oldest());
        }
        self.release_orphans(now);
    }

    /// No answer could be read for this time.
    pub fn postpone(&mut self, pause: Duration, now: Instant) {
        self.held.iter_mut().for_each(|held| held.at = (held.at + pause).min(now));
        self.unanswered.iter_mut().for_each(|entry| entry.sent_at = (entry.sent_at + pause).min(now));
    }

    /// The connection is over, and with it the wait for answers.
    pub fn end_connection(&mut self) {
        while !self.held.is_empty() {
            self.release_oldest();
        }
        self.unanswered.clear();
        self.client_events = 0;
    }

    /// The largest data that was sent in a client event of the last 5 s.
    pub fn largest_client_event(&self, now: Instant) -> Option<usize> {
        let sizes = self.unanswered.iter().filter(|entry| entry.is_suspect(now)).map(|entry| match entry.message {
            Sent::ClientEvent { size, .. } => size,
            _ => 0,
        });
        sizes.max()
    }

    /// The messages that an error may belong to.
    fn candidates(&self, now: Instant) -> impl Iterator<Item = &Entry> + Clone {
        let knows_sign_in = self.held.iter().any(|held| is_answer_to_sign_in(&held.error));
        self.unanswered.iter().filter(move |entry| match entry.message {
            Sent::Subscription { .. } => true,
            Sent::SignIn => knows_sign_in,
            Sent::ClientEvent { .. } => entry.is_suspect(now),
            Sent::UserChannel { .. } => false,
        })
    }

    fn suspect(&self, count: usize, now: Instant) -> Suspect {
        Suspect::among(self.unanswered.iter().take(count).filter(|entry| entry.is_suspect(now))).unwrap_or_default()
    }

    /// Reports an error by itself once all messages that it could belong to are answered.
    fn release_orphans(&mut self, now: Instant) {
        while let Some(held) = self.held.front() {
            if self.candidates(now).any(|entry| entry.number <= held.after) {
                return;
            }
            self.release_oldest();
        }
    }

    fn release_oldest(&mut self) {
        if let Some(Held { error, at, .. }) = self.held.pop_front() {
            self.verdicts.push_back(Verdict { refused: Refused::Nobody, error, at, is_a_guess: false });
        }
    }

    fn remove_first(&mut self, pick: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let index = self.unanswered.iter().position(pick)?;
        self.remove(index)
    }

    fn remove(&mut self, index: usize) -> Option<Entry> {
        let entry = self.unanswered.remove(index)?;
        self.client_events -= usize::from(entry.is_client_event());
        Some(entry)
    }

    #[cfg(any(fuzzing, test))]
    pub fn is_empty(&self) -> bool {
        self.unanswered.is_empty() && self.held.is_empty() && self.verdicts.is_empty()
    }
}

impl Entry {
    fn is_client_event(&self) -> bool {
        matches!(self.message, Sent::ClientEvent { .. })
    }

    /// Whether it is a client event that the server may still refuse.
    fn is_suspect(&self, now: Instant) -> bool {
        self.is_client_event() && !self.is_settled(now)
    }

    /// Whether silence means that the server has taken it.
    fn is_settled(&self, now: Instant) -> bool {
        self.sent_at + ANSWERED_WITHIN <= now
    }

    /// Whether servers answer it in any case.
    fn is_owed_an_answer(&self) -> bool {
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
                Self::ClientEvent(Suspect { channel: Some(channel), event: Some(event) })
            }
            Sent::UserChannel { .. } => Self::Nobody,
        }
    }
}

impl Suspect {
    /// The names that these client events have in common. `None` when there is none.
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

/// Servers refuse a sign-in with 4009, or with 4200 where they know none (A8).
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

    fn verdicts(unanswered: &mut Unanswered) -> Vec<(Refused, String)> {
        std::iter::from_fn(|| unanswered.take_verdict())
            .map(|verdict| (verdict.refused, verdict.error.message))
            .collect()
    }

    #[test]
    fn s6_client_events_take_the_oldest_errors_of_those_that_subscriptions_leave() {
        let now = Instant::now();
        let mut unanswered = Unanswered::default();
        for message in [client_event("a"), subscription("x", 1), client_event("b"), subscription("y", 2)] {
            unanswered.sent(message, now);
        }
        for number in 0..2 {
            unanswered.refused(error(number), now);
        }
        assert_eq!(verdicts(&mut unanswered), []);
        unanswered.answered("y", now);
        let either = Suspect { channel: Some("private-room".into()), event: None };
        let expected = [
            (Refused::ClientEvent(either), "0".to_owned()),
            (Refused::Subscription { channel: "x".into(), attempt: AttemptId(1) }, "1".to_owned()),
        ];
        assert_eq!(verdicts(&mut unanswered), expected);
        assert!(unanswered.is_empty(), "the other client event was taken");
    }

    #[test]
    fn s6_of_two_requests_for_one_channel_the_later_is_confirmed_after_an_error() {
        let now = Instant::now();
        let mut unanswered = Unanswered::default();
        unanswered.sent(subscription("x", 1), now);
        unanswered.sent(subscription("x", 2), now);
        unanswered.refused(error(0), now);
        unanswered.answered("x", now);
        assert_eq!(
            verdicts(&mut unanswered),
            [(Refused::Subscription { channel: "x".into(), attempt: AttemptId(1) }, "0".to_owned())]
        );
        assert!(unanswered.is_empty());
    }

    #[test]
    fn s10_a_limit_beside_a_client_event_leaves_what_was_sent_before_it() {
        let now = Instant::now();
        let mut unanswered = Unanswered::default();
        for message in [subscription("x", 1), client_event("a"), subscription("y", 2), client_event("b"), Sent::SignIn]
        {
            unanswered.sent(message, now);
        }
        let limited = unanswered.limited(now);
        assert_eq!(limited.subscriptions, [Name::from("y")]);
        assert_eq!(limited.client_event.and_then(|suspect| suspect.event), None, "a, or b");
        let limited = unanswered.limited(now);
        assert_eq!(limited.client_event.and_then(|suspect| suspect.event), Some("b".into()));
        assert_eq!(unanswered.limited(now), Limited { subscriptions: vec!["x".into()], ..Limited::default() });
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
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

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6u8).prop_map(Step::Subscribe),
            2 => Just(Step::Trigger),
            1 => Just(Step::SignIn),
            6 => Just(Step::Refuse),
            3 => (0..6u8).prop_map(Step::Answer),
            1 => Just(Step::SignedIn),
            1 => Just(Step::Limit),
            1 => (0..6u8).prop_map(Step::Forget),
            2 => (0..3u64).prop_map(Step::Pass),
        ]
    }

    fn act(unanswered: &mut Unanswered, step: Step, errors: &mut usize, now: &mut Instant) {
        let name = |channel: u8| format!("room-{channel}");
        match step {
            Step::Subscribe(channel) => unanswered.sent(subscription(&name(channel), 0), *now),
            Step::Trigger => unanswered.sent(client_event("a"), *now),
            Step::SignIn => unanswered.sent(Sent::SignIn, *now),
            Step::Refuse => {
                unanswered.refused(error(*errors), *now);
                *errors += 1;
            }
            Step::Answer(channel) => unanswered.answered(&name(channel), *now),
            Step::SignedIn => unanswered.signed_in(*now),
            Step::Limit => drop(unanswered.limited(*now)),
            Step::Forget(channel) => unanswered.forget(&name(channel), 2, *now),
            Step::Pass(seconds) => {
                *now += Duration::from_secs(seconds);
                unanswered.expire(*now);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn s6_each_error_has_one_verdict_in_its_time(steps in prop::collection::vec(step(), 0..80)) {
            let (mut unanswered, mut errors, mut now) = (Unanswered::default(), 0, Instant::now());
            let mut told = Vec::new();
            for step in steps {
                act(&mut unanswered, step, &mut errors, &mut now);
                told.extend(verdicts(&mut unanswered).into_iter().map(|(_, number)| number));
                prop_assert!(unanswered.deadline().is_none_or(|deadline| deadline > now || matches!(step, Step::Pass(0))));
                let client_events = unanswered.unanswered.iter().filter(|entry| entry.is_client_event()).count();
                prop_assert_eq!(client_events, unanswered.client_events);
            }
            unanswered.end_connection();
            told.extend(verdicts(&mut unanswered).into_iter().map(|(_, number)| number));
            told.sort_by_key(|number| number.parse::<usize>().expect("a number"));
            let all: Vec<_> = (0..errors).map(|number| number.to_string()).collect();
            prop_assert_eq!(told, all);
            prop_assert!(unanswered.is_empty());
        }
    }
}
