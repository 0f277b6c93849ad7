//! One channel that is wanted, or that the server must still be told to forget.

use std::time::Instant;

use super::{channel_key::Vault, members::Roster};
use crate::{
    ChannelAuth,
    delivery::memory_budget::{MemoryBudget, Reservation},
    event::{Batch, ChannelSlot, Intent, Stamp},
    protocol::channel_name::ChannelKind,
    session::{
        OwnOptions, Rules,
        interface::AttemptId,
        limits::unanswered::{Sent, Unanswered},
    },
};

/// An answer is waited for to up to this many requests for one channel. More can only be if somebody unsubscribes and
/// subscribes again and again while the server is silent.
const MAX_UNANSWERED: u32 = 16;

pub(crate) struct Subscription {
    /// The intent that the subscription answers.
    pub channel: Stamp,
    pub kind: ChannelKind,
    pub progress: Progress,
    /// A ready-made permission. It serves one socket.
    pub ready: Option<ChannelAuth>,
    pub own: OwnOptions,
    /// The permission for the current socket, until the server has confirmed.
    pub permission: Option<Permission>,
    pub at_server: AtServer,
    /// How many requests the server has not answered. More than one when an unsubscribe has overtaken a request: then the
    /// next answer is not that to the last one.
    pub unanswered: u32,
    /// The attempt of the last request.
    pub last_request: AttemptId,
    /// The attempt whose request for a permission is under way. It may belong to an older wish, whose answer serves this one
    /// too.
    pub last_auth_request: AttemptId,
    /// It stands in the list of those about whom the server has to be told something.
    pub to_tell: bool,
    /// When it was last subscribed, if that ended without the user's will.
    pub lost: Option<Instant>,
    /// Of a presence channel.
    pub roster: Roster,
    /// Of an encrypted channel, once it is subscribed.
    pub vault: Option<Vault>,
    /// When the key was last fetched, on earlier connections of the same wish.
    pub last_fetch: Option<Instant>,
    /// The slot in the last batch that had one.
    last_slot: ChannelSlot,
}

/// Who the client is, for a presence channel whose permission does not say it (A7).
#[derive(Clone, Copy)]
pub(crate) enum User {
    SignedIn,
    /// A sign-in is on its way.
    Pending,
    Nobody,
}

/// Whether the server holds the subscription, as far as this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtServer {
    /// It was not asked to subscribe, it has refused by name, or it was asked to unsubscribe.
    No,
    /// An error that names no channel was taken for its refusal. A confirmation may still come.
    Perhaps,
    /// It was asked to subscribe.
    Asked,
}

/// A permission, and what it takes of what one client may keep.
pub(crate) struct Permission {
    pub auth: ChannelAuth,
    _share: Reservation,
}

/// The attempts of one channel are told apart, so that late answers and deadlines find nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To be requested, now or after the next connect.
    Wanted,
    /// Those who authorise are asked.
    Authorizing(AttemptId),
    /// Authorised as whoever will be signed in.
    AwaitingUser(AttemptId),
    /// To be requested with the permission.
    Authorized(AttemptId),
    /// Waits for its turn on a server that limits messages, with its permission where it needs one. Its time stands still
    /// (S5).
    HeldBack,
    /// Requested from the server.
    Requested(AttemptId),
    Subscribed,
    /// Refused or timed out. A reconnect or a new wish tries again.
    Failed,
    /// The user does not want it any more.
    Unwanted,
}

impl Permission {
    /// `None` when it does not fit beside what is kept already.
    pub fn within(budget: &MemoryBudget, auth: ChannelAuth) -> Option<Self> {
        let mut reservation = budget.reservation();
        reservation.resize(auth.bytes()).then_some(Self { auth, _share: reservation })
    }
}

impl Subscription {
    pub fn new(channel: &Stamp, members: &MemoryBudget) -> Self {
        Self {
            channel: channel.clone(),
            kind: ChannelKind::of(channel.intent.name()),
            progress: Progress::Failed,
            ready: None,
            own: OwnOptions::default(),
            permission: None,
            at_server: AtServer::No,
            unanswered: 0,
            last_request: AttemptId::default(),
            last_auth_request: AttemptId::default(),
            to_tell: false,
            lost: None,
            roster: Roster::new(members),
            vault: None,
            last_fetch: None,
            last_slot: ChannelSlot::default(),
        }
    }

    /// Another wish than before: what answered the old one does not answer this.
    pub fn answer_intent(&mut self, channel: &Stamp, members: &MemoryBudget) {
        self.channel = channel.clone();
        self.lost = None;
        self.roster = Roster::new(members);
        self.ready = None;
        self.forget_secrets();
        self.last_fetch = None;
    }

    /// E4: keys and permissions are wiped, which dropping them does.
    pub fn forget_secrets(&mut self) {
        self.permission = None;
        self.last_fetch = self.vault.take().map_or(self.last_fetch, |vault| vault.last_fetch());
    }

    /// Whether the same wish, uttered again, is worth another attempt: after a failure, or with a permission for which the
    /// attempt under way still waits.
    pub fn can_begin_anew(&self, has_permission: bool) -> bool {
        match self.progress {
            Progress::Failed => true,
            Progress::Wanted | Progress::Authorizing(_) | Progress::AwaitingUser(_) => has_permission,
            _ => false,
        }
    }

    /// Whether it needs no permission, or there is somebody, or something, to get one from.
    pub fn can_be_authorized(&self, rules: &Rules) -> bool {
        !self.kind.needs_auth() || rules.can_authorize || self.own.authorizer.is_some() || self.ready.is_some()
    }

    /// Whether the server owes an answer.
    pub fn is_requested(&self) -> bool {
        matches!(self.progress, Progress::Requested(_))
    }

    /// Whether a confirmation is the answer to the current wish. It wins over an error that was taken for a refusal (S6).
    pub fn can_be_confirmed(&self) -> bool {
        match self.progress {
            Progress::Requested(_) => true,
            Progress::Subscribed | Progress::Unwanted => false,
            // Also while another attempt is being made: the permission of the last request is still there.
            _ => self.at_server == AtServer::Perhaps && (self.permission.is_some() || !self.kind.needs_auth()),
        }
    }

    /// Whether the confirmation may have been that of an older request, and the answer to the last one is still to come.
    pub fn is_confirmed_too_early(&self) -> bool {
        self.progress == Progress::Subscribed && self.unanswered > 0
    }

    /// Whether it waits to be sent again.
    pub fn is_repeated(&self) -> bool {
        self.progress == Progress::HeldBack && self.at_server == AtServer::Perhaps
    }

    /// A request goes to the server.
    pub fn note_request(&mut self, attempt: AttemptId, unanswered: &mut Unanswered, now: Instant) {
        let channel = self.channel.intent.name().clone();
        if self.unanswered >= MAX_UNANSWERED {
            unanswered.forget(&channel, 1, now);
            self.unanswered -= 1;
        }
        let is_users = self.is_users();
        unanswered
            .sent(if is_users { Sent::UserChannel { channel } } else { Sent::Subscription { channel, attempt } }, now);
        self.at_server = AtServer::Asked;
        self.unanswered += 1;
        self.last_request = attempt;
        self.progress = Progress::Requested(attempt);
    }

    /// Whether that attempt is still under way.
    pub fn is_pending(&self, attempt: AttemptId) -> bool {
        match self.progress {
            Progress::Authorizing(of)
            | Progress::AwaitingUser(of)
            | Progress::Authorized(of)
            | Progress::Requested(of) => of == attempt,
            Progress::Wanted | Progress::HeldBack | Progress::Subscribed | Progress::Failed | Progress::Unwanted => {
                false
            }
        }
    }

    /// Whether a permission is still to come as the answer to that request.
    pub fn asks_permission(&self, attempt: AttemptId) -> bool {
        matches!(self.progress, Progress::Authorizing(_)) && self.last_auth_request == attempt
    }

    /// Whether the end of that attempt, for a permission, an answer or a newer key, is still to come.
    pub fn awaits(&self, attempt: AttemptId) -> bool {
        let is_answered = self.unanswered == 0 || self.last_request != attempt;
        self.is_pending(attempt) || !is_answered || self.vault.as_ref().is_some_and(|vault| vault.is_fetching(attempt))
    }

    /// Whether it is the channel of the signed-in user, to which the client subscribes by itself.
    pub fn is_users(&self) -> bool {
        self.channel.intent.id() == Intent::USER
    }

    /// The channel's slot in this batch.
    pub fn slot_in(&mut self, batch: &mut Batch) -> ChannelSlot {
        batch.slot_of(&self.channel, &mut self.last_slot)
    }
}
