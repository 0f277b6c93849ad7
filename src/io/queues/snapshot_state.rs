//! The state of channels and of the user in the snapshot, beside the outcomes of subscriptions.

use std::collections::HashMap;

use crate::{
    Member, Name, Notification,
    delivery::{SignInId, SnapshotUpdate, UserOutcome},
    event::{Batch, IntentId, Members, MembersChange},
};

/// The state of each channel, by the id of its intent.
#[derive(Default)]
pub(crate) struct Channels(HashMap<IntentId, ChannelState>);

#[derive(Default)]
pub(crate) struct ChannelState {
    pub members: Members,
    me: Option<Name>,
    pub subscription_count: Option<u64>,
}

impl ChannelState {
    /// The client's own user.
    pub fn me(&self) -> Option<&Member> {
        self.members.get(self.me.as_ref()?)
    }
}

impl Channels {
    pub fn apply(&mut self, batch: &Batch) {
        for (intent, change) in batch.members_changes() {
            let state = self.0.entry(intent.id()).or_default();
            match change {
                MembersChange::Replaced { members, me } => {
                    // The old list is dropped first: it may be as large as the new one (D3).
                    drop(std::mem::take(&mut state.members));
                    state.members = members.iter().cloned().collect();
                    state.me.clone_from(me);
                }
                MembersChange::Set(member) => state.members.insert(member.clone()),
                MembersChange::Removed(id) => drop(state.members.take(id)),
            }
        }
        for (channel, notice) in batch.notices_of_channels() {
            if let Notification::SubscriptionCount(count) = notice {
                self.0.entry(channel.id()).or_default().subscription_count = Some(count.count);
            }
        }
    }

    pub fn get(&self, id: IntentId) -> Option<&ChannelState> {
        self.0.get(&id)
    }

    pub fn forget(&mut self, id: IntentId) {
        self.0.remove(&id);
    }
}

/// The state of the sign-in.
#[derive(Default)]
pub(crate) struct UserState {
    /// The last call to sign in, and the call that `outcome` answers.
    last_sign_in: SignInId,
    answered: SignInId,
    outcome: UserOutcome,
}

impl UserState {
    pub fn apply(&mut self, update: &SnapshotUpdate) {
        if let Some((call, outcome)) = &update.user {
            self.answered = *call;
            self.outcome = outcome.clone();
        }
    }

    pub fn issue_sign_in_id(&mut self) -> SignInId {
        self.last_sign_in = self.last_sign_in.next();
        self.last_sign_in
    }

    /// The outcome of the last call. The outcome of an older call does not count.
    pub fn outcome(&self) -> &UserOutcome {
        match &self.outcome {
            // Another call does not change that the user is signed in.
            UserOutcome::In(_) => &self.outcome,
            _ if self.answered < self.last_sign_in => &UserOutcome::Pending,
            outcome => outcome,
        }
    }
}
