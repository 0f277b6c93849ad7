//! Permissions: asked for, answered, and what must be right about them.

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
    /// All questions that have come up, for one call.
    pub fn take_questions(&mut self, generation: Generation, socket_id: &Arc<str>) -> Vec<ChannelQuestion> {
        let mut questions = Vec::new();
        for name in std::mem::take(&mut self.to_ask) {
            let Some(number) = self.by_name.get(&name).and_then(Subscription::asks) else { continue };
            let request = AuthRequest::new(name.clone(), Arc::clone(socket_id));
            questions.push(ChannelQuestion { generation, number, channel: name, request });
        }
        questions
    }

    /// Those who authorise have answered. False when nobody waits for that.
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

    /// A permission that the user gave with the wish. It serves the socket of this moment and no other.
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
                kept.ok_or_else(|| malformed("is too large to be kept beside all that is kept already".to_owned()))?;
            Ok((kept, names_user))
        });
        match (checked, user) {
            (Err(error), _) => {
                self.fail(name, "", error, batch);
            }
            (Ok((_, false)), User::Nobody) => {
                let error = malformed("has no `channel_data`, and nobody is signed in".to_owned());
                self.fail(name, "", error, batch);
            }
            (Ok((permission, names_user)), user) => {
                subscription.permission = Some(permission);
                let waits = !names_user && matches!(user, User::Pending);
                subscription.progress =
                    if waits { Progress::AwaitingUser(number) } else { Progress::Authorized(number) };
                if !waits {
                    self.tell(name);
                }
            }
        }
    }

    /// The sign-in has ended, for which presence channels may wait.
    pub fn user_known(&mut self, user: User, batch: &mut Batch) {
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
    /// The number of the question that is to be asked.
    fn asks(&self) -> Option<u64> {
        match self.progress {
            Progress::Authorizing(_) => Some(self.last_question),
            _ => self.vault.as_ref().and_then(|vault| vault.fetching()),
        }
    }
}

/// Whether the permission says who the client is, where that matters.
fn names_user(kind: ChannelKind, auth: &ChannelAuth) -> Result<bool, String> {
    match auth.member().filter(|_| kind.is_presence()) {
        None => Ok(!kind.is_presence()),
        Some(data) => match presence::own_id(data) {
            Some(_) => Ok(true),
            None => Err("has a `channel_data` without a `user_id`".to_owned()),
        },
    }
}
