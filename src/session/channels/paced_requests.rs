//! Requests that wait for their turn, on a server that limits messages (S10).

use std::time::Instant;

use super::{
    subscription::{AtServer, Progress, Subscription, User},
    subscriptions::Subscriptions,
};
use crate::{
    Name,
    event::Batch,
    session::{interface::IsCurrent, limits::unanswered::UnansweredMessages},
};

/// The effect of a refusal because of too many messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// It refused no request.
    Nothing,
    /// Requests are sent again. Until now the server was not known to have a limit.
    ForTheFirstTime,
    Again,
}

impl Subscriptions {
    /// The server refused the requests for these channels because of too many messages. They are sent again. So is the
    /// sign-in, if it was refused too. `is_certain` is false if it may have refused a client event instead.
    pub fn repeat(
        &mut self,
        channels: &[Name],
        and_sign_in: bool,
        is_certain: bool,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) -> Repeated {
        let repeated = channels.iter().filter(|name| self.repeat_one(name, user, batch, now)).count();
        let refusals = u32::try_from(channels.len() + usize::from(and_sign_in)).unwrap_or(u32::MAX);
        match repeated {
            0 if !and_sign_in => Repeated::Nothing,
            _ if self.pacing.refused(refusals, is_certain, now) => Repeated::ForTheFirstTime,
            _ => Repeated::Again,
        }
    }

    fn repeat_one(&mut self, name: &Name, user: User, batch: &mut Batch, now: Instant) -> bool {
        self.has_ambiguous_error = true;
        let Some(subscription) = self.by_name.get_mut(name) else { return false };
        let (is_requested, is_confirmed_too_early) =
            (subscription.is_requested(), subscription.is_confirmed_too_early());
        subscription.unanswered = subscription.unanswered.saturating_sub(1);
        if is_requested || is_confirmed_too_early {
            subscription.at_server = AtServer::Perhaps;
        }
        if is_requested {
            self.hold_back(name);
        } else if is_confirmed_too_early {
            // The permission was used already.
            subscription.progress = Progress::Wanted;
            self.advance(name, user, batch, now);
        } else {
            self.remove_if_done(name);
        }
        is_requested || is_confirmed_too_early
    }

    /// Whether the next request of any kind waits for its turn.
    pub fn holds_back(&mut self, now: Instant) -> bool {
        self.pacing.holds_back(now)
    }

    /// Advances to the time `now`.
    pub fn advance_pace(&mut self, now: Instant) {
        self.pacing.advance(now);
    }

    /// The time at which the next turn begins, if the server has a limit.
    pub fn turn(&self) -> Option<Instant> {
        self.pacing.deadline()
    }

    /// A sign-in counts like a request to subscribe.
    pub fn sign_in_sent(&mut self, now: Instant) {
        self.pacing.sent(now);
    }

    pub fn sign_in_answered(&mut self, now: Instant) {
        self.pacing.answered(now);
    }

    /// Whether this refusal belongs to a request that is being sent again already.
    pub fn expects_refusal(&mut self) -> bool {
        self.pacing.expects_refusal()
    }

    /// The connection ended without a reason.
    pub fn cut(&mut self, now: Instant) {
        self.pacing.cut(now);
    }

    /// The length of the queue of messages to the server.
    #[cfg(test)]
    pub fn queued(&self) -> usize {
        self.to_send.len()
    }

    #[cfg(test)]
    pub fn holds_nothing_back(&self) -> bool {
        self.held_back.is_empty()
    }

    pub fn hold_back(&mut self, name: &Name) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        subscription.progress = Progress::HeldBack;
        self.held_back.insert(subscription.channel.id(), name.clone());
    }

    /// The request whose turn it is.
    pub fn next_held_back(
        &mut self,
        unanswered: &mut UnansweredMessages,
        is_current: IsCurrent<'_>,
        now: Instant,
    ) -> Option<String> {
        while !self.held_back.is_empty() && !self.pacing.holds_back(now) {
            let (_, name) = self.held_back.pop_first()?;
            let waits = |s: &&Subscription| s.progress == Progress::HeldBack && is_current(&s.channel);
            if self.by_name.get(&name).filter(waits).is_some() {
                return Some(self.request(&name, unanswered, now));
            }
        }
        None
    }
}
