//! One channel that the program wants, or that the server must still unsubscribe.

use std::time::Instant;

use super::{
    channel_key::{ChannelKey, OpenedEvent},
    members::{MemberLimits, MemberList},
};
use crate::{
    ChannelAuth,
    delivery::memory_budget::{MemoryBudget, Reservation},
    event::{Batch, ChannelSlot, IntentId, Stamp},
    protocol::{channel_name::ChannelKind, secretbox::SharedSecret},
    session::{
        OwnOptions, SubscriptionSettings,
        interface::AttemptId,
        limits::unanswered::{Sent, UnansweredMessages},
    },
};

/// The maximum number of unanswered requests for one channel. Only a program that unsubscribes and subscribes again and
/// again, on a silent server, makes more.
const MAX_UNANSWERED: u32 = 16;

pub(crate) struct Subscription {
    /// The intent of the program, with the epoch that this subscription follows.
    pub channel: Stamp,
    pub kind: ChannelKind,
    pub progress: Progress,
    /// A permission of the program. It serves one socket.
    pub ready: Option<ChannelAuth>,
    pub own: OwnOptions,
    /// The permission for the current socket, until the server has confirmed.
    pub permission: Option<Permission>,
    pub at_server: AtServer,
    /// The number of requests that the server has not answered. It is more than one if an unsubscribe has overtaken a
    /// request. Then the next answer belongs to an older request.
    pub unanswered: u32,
    /// The attempt of the last request.
    pub last_request: AttemptId,
    /// The attempt whose request for a permission is under way. It may belong to an older intent, whose answer
    /// serves this one too.
    pub last_auth_request: AttemptId,
    /// Whether the channel is in `Subscriptions::to_send`.
    pub is_queued: bool,
    /// The time at which the connection was lost, if the channel was subscribed then.
    pub lost: Option<Instant>,
    /// The members, on a presence channel.
    pub members: MemberList,
    /// The key, on an encrypted channel that is subscribed.
    pub channel_key: Option<ChannelKey>,
    /// The time of the last fetch of the key, on earlier connections of the same intent.
    pub last_fetch: Option<Instant>,
    /// The slot of the channel in the last batch that had one.
    last_slot: ChannelSlot,
}

/// The memory of all channels together (D3). Every subscription that is dropped must be [released](Subscription::release).
pub(crate) struct Budgets {
    /// The budget for events that wait for a key, and for permissions that wait for the answer of the server.
    pub data: MemoryBudget,
    pub members: MemberLimits,
}

/// The state of the sign-in, for a presence channel whose permission names no user (A7).
#[derive(Clone, Copy)]
pub(crate) enum User {
    SignedIn,
    /// A sign-in is in progress.
    Pending,
    SignedOut,
}

/// Whether the server has the subscription, as far as the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtServer {
    /// The server was not asked to subscribe, has refused by name, or was asked to unsubscribe.
    No,
    /// An error without a channel was taken for a refusal. A confirmation may still come.
    Perhaps,
    /// The server was asked to subscribe.
    Asked,
}

/// A permission, and the part of the memory budget that it takes.
pub(crate) struct Permission {
    pub auth: ChannelAuth,
    reservation: Reservation,
}

/// The attempt distinguishes the attempts of one channel, so that late answers and deadlines have no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The channel is to be requested, now or after the next connect.
    Wanted,
    /// The authorizer is asked for a permission.
    Authorizing(AttemptId),
    /// The permission is there. The user is not signed in yet.
    AwaitingUser(AttemptId),
    /// The channel is to be requested with the permission.
    Authorized(AttemptId),
    /// The request waits for its turn on a server that limits messages. Its deadline pauses (S5).
    HeldBack,
    /// The server was asked to subscribe.
    Requested(AttemptId),
    Subscribed,
    /// The subscription was refused or timed out. A reconnect or another `subscribe` tries again.
    Failed,
    /// The program has unsubscribed.
    Withdrawn,
}

impl Permission {
    /// `None` if the memory budget is used up.
    pub fn within(budget: &mut MemoryBudget, auth: ChannelAuth) -> Option<Self> {
        let reservation = budget.reserve(auth.bytes())?;
        Some(Self { auth, reservation })
    }
}

impl Subscription {
    pub fn new(channel: &Stamp) -> Self {
        Self {
            channel: channel.clone(),
            kind: ChannelKind::of(channel.name()),
            progress: Progress::Failed,
            ready: None,
            own: OwnOptions::default(),
            permission: None,
            at_server: AtServer::No,
            unanswered: 0,
            last_request: AttemptId::default(),
            last_auth_request: AttemptId::default(),
            is_queued: false,
            lost: None,
            members: MemberList::default(),
            channel_key: None,
            last_fetch: None,
            last_slot: ChannelSlot::default(),
        }
    }

    /// The intent has changed: answers for the old one no longer count.
    pub fn replace_intent(&mut self, channel: &Stamp, budgets: &mut Budgets) {
        self.channel = channel.clone();
        self.lost = None;
        self.ready = None;
        self.release(budgets);
        self.last_fetch = None;
    }

    /// Forgets everything that takes memory of the budgets.
    pub fn release(&mut self, budgets: &mut Budgets) {
        self.members.clear(&mut budgets.members);
        self.forget_secrets(&mut budgets.data);
    }

    /// E4: dropping keys and permissions wipes them.
    pub fn forget_secrets(&mut self, budget: &mut MemoryBudget) {
        self.take_permission(budget);
        if let Some(channel_key) = self.channel_key.take() {
            self.last_fetch = channel_key.last_fetch();
            budget.release(channel_key.into_reservation());
        }
    }

    /// Keeps the permission for the request to the server.
    pub fn keep_permission(&mut self, permission: Permission, budget: &mut MemoryBudget) {
        self.take_permission(budget);
        self.permission = Some(permission);
    }

    /// Takes the permission out, so that it no longer counts in the budget.
    pub fn take_permission(&mut self, budget: &mut MemoryBudget) -> Option<ChannelAuth> {
        let Permission { auth, reservation } = self.permission.take()?;
        budget.release(reservation);
        Some(auth)
    }

    /// Sets the key of a confirmation. If the confirmation is a repeated one, the events that wait for a newer key are
    /// returned, each with its result (E2).
    pub fn set_key(&mut self, key: SharedSecret, budget: &mut MemoryBudget) -> Vec<OpenedEvent> {
        if let Some(channel_key) = &mut self.channel_key {
            return channel_key.replace(key, budget);
        }
        self.channel_key = Some(ChannelKey::new(key, self.last_fetch));
        Vec::new()
    }

    /// The bytes of the two budgets that this channel takes: data, members.
    #[cfg(any(fuzzing, test))]
    pub fn reserved(&self) -> (usize, usize) {
        let permission = self.permission.as_ref().map_or(0, |permission| permission.reservation.bytes());
        let queue = self.channel_key.as_ref().map_or(0, ChannelKey::bytes);
        (permission + queue, self.members.bytes())
    }

    /// Whether another `subscribe` of the same intent begins another attempt: after a failure, or with a permission for
    /// which the current attempt waits.
    pub fn can_retry(&self, has_permission: bool) -> bool {
        match self.progress {
            Progress::Failed => true,
            Progress::Wanted | Progress::Authorizing(_) | Progress::AwaitingUser(_) => has_permission,
            _ => false,
        }
    }

    /// Whether the channel needs no permission, or there is a way to get one.
    pub fn can_be_authorized(&self, settings: &SubscriptionSettings) -> bool {
        !self.kind.needs_auth() || settings.can_authorize || self.own.authorizer.is_some() || self.ready.is_some()
    }

    /// Whether the server was asked and has not answered.
    pub fn is_requested(&self) -> bool {
        matches!(self.progress, Progress::Requested(_))
    }

    /// Whether a confirmation is the answer for the current intent. It wins over an error that was taken for a refusal
    /// (S6).
    pub fn can_be_confirmed(&self) -> bool {
        match self.progress {
            Progress::Requested(_) => true,
            Progress::Subscribed | Progress::Withdrawn => false,
            // This includes another attempt that is in progress: the permission of the last request is still there.
            _ => self.at_server == AtServer::Perhaps && (self.permission.is_some() || !self.kind.needs_auth()),
        }
    }

    /// Whether the confirmation may have answered an older request, so the answer to the last one is still to come.
    pub fn is_confirmed_too_early(&self) -> bool {
        self.progress == Progress::Subscribed && self.unanswered > 0
    }

    /// Whether the request waits to be sent again.
    pub fn is_repeated(&self) -> bool {
        self.progress == Progress::HeldBack && self.at_server == AtServer::Perhaps
    }

    /// Records that a request is sent to the server.
    pub fn note_request(&mut self, attempt: AttemptId, unanswered: &mut UnansweredMessages, now: Instant) {
        let channel = self.channel.name().clone();
        if self.unanswered >= MAX_UNANSWERED {
            unanswered.forget(&channel, 1, now);
            self.unanswered -= 1;
        }
        let is_user_channel = self.is_user_channel();
        unanswered.sent(
            if is_user_channel { Sent::UserChannel { channel } } else { Sent::Subscription { channel, attempt } },
            now,
        );
        self.at_server = AtServer::Asked;
        self.unanswered += 1;
        self.last_request = attempt;
        self.progress = Progress::Requested(attempt);
    }

    /// Whether that attempt is still in progress.
    pub fn is_pending(&self, attempt: AttemptId) -> bool {
        match self.progress {
            Progress::Authorizing(of)
            | Progress::AwaitingUser(of)
            | Progress::Authorized(of)
            | Progress::Requested(of) => of == attempt,
            Progress::Wanted | Progress::HeldBack | Progress::Subscribed | Progress::Failed | Progress::Withdrawn => {
                false
            }
        }
    }

    /// Whether a permission is still to come as the answer to that request.
    pub fn asks_permission(&self, attempt: AttemptId) -> bool {
        matches!(self.progress, Progress::Authorizing(_)) && self.last_auth_request == attempt
    }

    /// Whether that attempt still waits for a permission, for an answer of the server, or for a newer key.
    pub fn awaits(&self, attempt: AttemptId) -> bool {
        let is_answered = self.unanswered == 0 || self.last_request != attempt;
        self.is_pending(attempt)
            || !is_answered
            || self.channel_key.as_ref().is_some_and(|channel_key| channel_key.is_fetching(attempt))
    }

    /// Whether this is the channel of the signed-in user, to which the client subscribes by itself.
    pub fn is_user_channel(&self) -> bool {
        self.channel.id() == IntentId::USER
    }

    /// The channel's slot in this batch.
    pub fn slot_in(&mut self, batch: &mut Batch) -> ChannelSlot {
        batch.slot_of(&self.channel, &mut self.last_slot)
    }
}
