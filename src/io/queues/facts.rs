//! What the snapshot knows of channels and of the user, beside whether they are subscribed.

use std::collections::HashMap;

use crate::{
    Member, Name, Notification,
    delivery::{CallId, SnapshotUpdate, UserOutcome},
    event::{Batch, Members, MembersChange},
};

/// What is known of each channel that is wanted.
#[derive(Default)]
pub(crate) struct Channels(HashMap<u64, ChannelFacts>);

#[derive(Default)]
pub(crate) struct ChannelFacts {
    pub members: Members,
    me: Option<Name>,
    pub subscription_count: Option<u64>,
}

impl ChannelFacts {
    /// The client's own user.
    pub fn me(&self) -> Option<&Member> {
        self.members.get(self.me.as_ref()?)
    }
}

impl Channels {
    pub fn apply(&mut self, batch: &Batch) {
        for (intent, change) in batch.members_changes() {
            let facts = self.0.entry(intent.id()).or_default();
            match change {
                MembersChange::Replaced { members, me } => {
                    // The old list goes first: it may be as large as the new one (D3).
                    drop(std::mem::take(&mut facts.members));
                    facts.members = members.iter().cloned().collect();
                    facts.me.clone_from(me);
                }
                MembersChange::Set(member) => facts.members.insert(member.clone()),
                MembersChange::Removed(id) => drop(facts.members.take(id)),
            }
        }
        for (channel, notice) in batch.notices_of_channels() {
            if let Notification::SubscriptionCount(count) = notice {
                self.0.entry(channel.intent.id()).or_default().subscription_count = Some(count.count);
            }
        }
    }

    pub fn get(&self, id: u64) -> Option<&ChannelFacts> {
        self.0.get(&id)
    }

    pub fn forget(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

/// What is known of the sign-in.
#[derive(Default)]
pub(crate) struct UserFacts {
    /// The last call, and the last one that an outcome answers.
    last_call: CallId,
    answered: CallId,
    outcome: UserOutcome,
}

impl UserFacts {
    pub fn apply(&mut self, update: &SnapshotUpdate) {
        if let Some((call, outcome)) = &update.user {
            self.answered = *call;
            self.outcome = outcome.clone();
        }
    }

    pub fn issue_call_id(&mut self) -> CallId {
        self.last_call = self.last_call.next();
        self.last_call
    }

    /// What became of the last call. An outcome of an older one says nothing about it.
    pub fn outcome(&self) -> &UserOutcome {
        match &self.outcome {
            // Signing in again changes nothing about that.
            UserOutcome::In(_) => &self.outcome,
            _ if self.answered < self.last_call => &UserOutcome::Pending,
            outcome => outcome,
        }
    }
}
