//! What the snapshot knows of channels and of the user, beside whether they are subscribed.

use std::collections::HashMap;

use crate::{
    Member, Name, Notification,
    event::{Batch, Members, RosterChange, Ticket, UserOutcome},
};

/// What is known of each channel that is wanted.
#[derive(Default)]
pub(super) struct Channels(HashMap<u64, ChannelFacts>);

#[derive(Default)]
pub(crate) struct ChannelFacts {
    pub(crate) members: Members,
    me: Option<Name>,
    pub(crate) subscription_count: Option<u64>,
}

impl ChannelFacts {
    /// The client's own user.
    pub(crate) fn me(&self) -> Option<&Member> {
        self.members.get(self.me.as_ref()?)
    }
}

impl Channels {
    pub(super) fn apply(&mut self, batch: &Batch) {
        for (interest, change) in batch.roster_changes() {
            let facts = self.0.entry(interest.id()).or_default();
            match change {
                RosterChange::Replaced { members, me } => {
                    // The old list goes first: it may be as large as the new one (D3).
                    drop(std::mem::take(&mut facts.members));
                    facts.members = members.iter().cloned().collect();
                    facts.me.clone_from(me);
                }
                RosterChange::Set(member) => facts.members.insert(member.clone()),
                RosterChange::Removed(id) => drop(facts.members.take(id)),
            }
        }
        for (interest, _, notice) in batch.notices_of_channels() {
            if let Notification::SubscriptionCount(count) = notice {
                self.0.entry(interest.id()).or_default().subscription_count = Some(count.count);
            }
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&ChannelFacts> {
        self.0.get(&id)
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

/// What is known of the sign-in.
#[derive(Default)]
pub(super) struct UserFacts {
    /// The last call, and the last one that an outcome answers.
    last_call: Ticket,
    answered: Ticket,
    outcome: UserOutcome,
}

impl UserFacts {
    pub(super) fn apply(&mut self, batch: &Batch) {
        if let Some((ticket, outcome)) = &batch.published.user {
            self.answered = *ticket;
            self.outcome = outcome.clone();
        }
    }

    pub(super) fn issue_ticket(&mut self) -> Ticket {
        self.last_call.0 += 1;
        self.last_call
    }

    /// What became of the last call. An outcome of an older one says nothing about it.
    pub(super) fn outcome(&self) -> &UserOutcome {
        match &self.outcome {
            // Signing in again changes nothing about that.
            UserOutcome::In(_) => &self.outcome,
            _ if self.answered < self.last_call => &UserOutcome::Pending,
            outcome => outcome,
        }
    }
}
