//! Permissions of channels: the requests for them, and the answers.

use std::{sync::Arc, time::Instant};

use super::{
    subscription::{Permission, Progress, Subscription, User},
    subscriptions::Subscriptions,
};
use crate::{
    AuthRequest, ChannelAuth, Error, Name,
    event::Batch,
    protocol::{auth_response, channel_name::ChannelKind, presence},
    session::{ChannelQuestion, Generation},
};

impl Subscriptions {
    /// All requests that have come up, for one call.
    pub fn take_questions(&mut self, generation: Generation, socket_id: &Arc<str>) -> Vec<ChannelQuestion> {
        let mut questions = Vec::new();
        for name in std::mem::take(&mut self.to_authorize) {
            let Some(number) = self.by_name.get(&name).and_then(Subscription::asks) else { continue };
            let request = AuthRequest::new(name.clone(), Arc::clone(socket_id));
            questions.push(ChannelQuestion { generation, number, channel: name, request });
        }
        questions
    }

    /// A request was answered. Returns false if the answer is no longer of use.
    pub fn answered(
        &mut self,
        name: &Name,
        number: u64,
        answer: Result<ChannelAuth, Error>,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        let Some(subscription) = self.by_name.get(name) else { return false };
        match subscription.progress {
            Progress::Authorizing(attempt) if subscription.asks_permission(number) => {
                self.authorized(name, attempt, answer, user, batch);
            }
            _ if subscription.awaits(number) => {
                let malformed = |reason| Error::AuthMalformed { channel: Some(name.to_string()), reason };
                let checked = answer.and_then(|auth| auth_response::checked_channel(auth, name).map_err(malformed));
                self.end_of_fetch(name, number, checked, batch, now);
            }
            _ => return false,
        }
        true
    }

    /// Uses the permission of the program. It serves the current socket only.
    pub fn use_ready_permission(&mut self, name: &Name, user: User, batch: &mut Batch, now: Instant) {
        let number = self.begin_attempt(name, now);
        let Some(auth) = self.by_name.get_mut(name).and_then(|subscription| subscription.ready.take()) else { return };
        self.authorized(name, number, Ok(auth), user, batch);
    }

    fn authorized(
        &mut self,
        name: &Name,
        number: u64,
        answer: Result<ChannelAuth, Error>,
        user: User,
        batch: &mut Batch,
    ) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        let kind = subscription.kind;
        let malformed = |reason| Error::AuthMalformed { channel: Some(name.to_string()), reason };
        let checked = answer.and_then(|auth| {
            let auth = auth_response::checked_channel(auth, name).map_err(malformed)?;
            let names_user = names_user(kind, &auth).map_err(malformed)?;
            let kept = Permission::within(&self.budget, auth);
            let kept =
                kept.ok_or_else(|| malformed("is too large for the memory that is left for permissions".to_owned()))?;
            Ok((kept, names_user))
        });
        match (checked, user) {
            (Err(error), _) => {
                self.fail(name, "", error, batch);
            }
            (Ok((_, false)), User::SignedOut) => {
                let error = malformed("has no `channel_data`, and nobody is signed in".to_owned());
                self.fail(name, "", error, batch);
            }
            (Ok((permission, names_user)), user) => {
                subscription.permission = Some(permission);
                let waits = !names_user && matches!(user, User::Pending);
                subscription.progress =
                    if waits { Progress::AwaitingUser(number) } else { Progress::Authorized(number) };
                if !waits {
                    self.enqueue(name);
                }
            }
        }
    }

    /// The sign-in, for which presence channels may wait, has ended.
    pub fn user_is_known(&mut self, user: User, batch: &mut Batch) {
        let waiting: Vec<_> = self
            .by_name
            .values()
            .filter_map(|subscription| match subscription.progress {
                Progress::AwaitingUser(number) => Some((subscription.channel.intent.name().clone(), number)),
                _ => None,
            })
            .collect();
        for (name, number) in waiting {
            let permission = self.by_name.get_mut(&name).and_then(|subscription| subscription.permission.take());
            if let Some(permission) = permission {
                self.authorized(&name, number, Ok(permission.auth), user, batch);
            }
        }
    }
}

impl Subscription {
    /// The number of the request to make.
    fn asks(&self) -> Option<u64> {
        match self.progress {
            Progress::Authorizing(_) => Some(self.last_question),
            _ => self.channel_key.as_ref().and_then(|channel_key| channel_key.fetching()),
        }
    }
}

/// Whether the permission names the user, if the channel is a presence channel.
fn names_user(kind: ChannelKind, auth: &ChannelAuth) -> Result<bool, String> {
    match auth.member().filter(|_| kind.is_presence()) {
        None => Ok(!kind.is_presence()),
        Some(data) => match presence::own_id(data) {
            Some(_) => Ok(true),
            None => Err("has a `channel_data` without a `user_id`".to_owned()),
        },
    }
}
