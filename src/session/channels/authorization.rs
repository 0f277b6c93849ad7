//! Permissions of channels: the requests for them, and the answers.

use std::{sync::Arc, time::Instant};

use super::{
    subscription::{Permission, Progress, Subscription, User},
    subscriptions::Subscriptions,
};
use crate::{
    AuthRequest, ChannelAuth, Error, Name,
    event::Batch,
    protocol::{channel_name::ChannelKind, presence},
    session::interface::{self, AttemptId, AuthSubject, Generation, PendingAuth},
};

impl Subscriptions {
    /// All requests that have come up, for one call.
    pub fn take_auth_requests(&mut self, generation: Generation, socket_id: &Arc<str>) -> Vec<PendingAuth> {
        let mut requests = Vec::new();
        for name in std::mem::take(&mut self.to_authorize) {
            let Some(attempt) = self.by_name.get(&name).and_then(Subscription::asks) else { continue };
            let subject = AuthSubject::Channel(AuthRequest::new(name, Arc::clone(socket_id)));
            requests.push(PendingAuth { generation, attempt, subject });
        }
        requests
    }

    /// A request was answered. Returns false if the answer is no longer of use.
    pub fn answered(
        &mut self,
        name: &Name,
        attempt: AttemptId,
        answer: Result<ChannelAuth, Error>,
        user: User,
        batch: &mut Batch,
        now: Instant,
    ) -> bool {
        let Some(subscription) = self.by_name.get(name) else { return false };
        match subscription.progress {
            // The answer may be that to an earlier attempt for the same socket.
            Progress::Authorizing(current) if subscription.asks_permission(attempt) => {
                self.authorized(name, current, answer, user, batch);
            }
            _ if subscription.awaits(attempt) => self.end_of_fetch(name, attempt, answer, batch, now),
            _ => return false,
        }
        true
    }

    /// Uses the permission of the program. It serves the current socket only.
    pub fn use_ready_permission(&mut self, name: &Name, user: User, batch: &mut Batch, now: Instant) {
        let attempt = self.begin_attempt(name, now);
        let Some(auth) = self.by_name.get_mut(name).and_then(|subscription| subscription.ready.take()) else { return };
        self.authorized(name, attempt, interface::checked(auth, name), user, batch);
    }

    fn authorized(
        &mut self,
        name: &Name,
        attempt: AttemptId,
        answer: Result<ChannelAuth, Error>,
        user: User,
        batch: &mut Batch,
    ) {
        let Some(subscription) = self.by_name.get_mut(name) else { return };
        let kind = subscription.kind;
        let malformed = |reason| Error::AuthMalformed { channel: Some(name.to_string()), reason };
        let checked = answer.and_then(|auth| {
            let names_user = names_user(kind, &auth).map_err(malformed)?;
            if !names_user && matches!(user, User::SignedOut) {
                return Err(malformed("needs `channel_data`, because no user is signed in".to_owned()));
            }
            let permission = Permission::within(&mut self.budgets.data, auth);
            let too_large = || malformed("is too large for the memory that is left for permissions".to_owned());
            Ok((permission.ok_or_else(too_large)?, names_user))
        });
        match checked {
            Err(error) => {
                self.fail(name, "", error, batch);
            }
            Ok((permission, names_user)) => {
                subscription.keep_permission(permission, &mut self.budgets.data);
                let waits = !names_user && matches!(user, User::Pending);
                subscription.progress =
                    if waits { Progress::AwaitingUser(attempt) } else { Progress::Authorized(attempt) };
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
                Progress::AwaitingUser(attempt) => Some((subscription.channel.name().clone(), attempt)),
                _ => None,
            })
            .collect();
        for (name, attempt) in waiting {
            let Some(subscription) = self.by_name.get_mut(&name) else { continue };
            if let Some(auth) = subscription.take_permission(&mut self.budgets.data) {
                self.authorized(&name, attempt, Ok(auth), user, batch);
            }
        }
    }
}

impl Subscription {
    /// The attempt whose request is to be made.
    fn asks(&self) -> Option<AttemptId> {
        match self.progress {
            Progress::Authorizing(_) => Some(self.last_auth_request),
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
