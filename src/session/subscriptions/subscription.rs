//! One channel that is wanted, or that the server must still be told to forget.

use std::{sync::Arc, time::Instant};

use crate::{
    ChannelAuth,
    event::{Batch, Budget, ChannelSlot, Interest, Share},
    protocol::name::ChannelKind,
    session::{
        OwnOptions,
        ledger::{Ledger, Sent},
        roster::Roster,
        vault::Vault,
    },
};

use super::{MAX_UNANSWERED, Rules};

pub(super) struct Subscription {
    pub(super) interest: Arc<Interest>,
    /// The wish that the subscription answers.
    pub(super) epoch: u64,
    pub(super) kind: ChannelKind,
    pub(super) progress: Progress,
    /// A ready-made permission. It serves one socket.
    pub(super) ready: Option<ChannelAuth>,
    pub(super) own: OwnOptions,
    /// The permission for the current socket, until the server has confirmed.
    pub(super) permission: Option<Permission>,
    pub(super) at_server: AtServer,
    /// How many requests the server has not answered. More than one when an unsubscribe has overtaken a request: then the
    /// next answer is not that to the last one.
    pub(super) unanswered: u32,
    /// The attempt of the last request.
    pub(super) last_request: u64,
    /// The number under which a permission was last asked for: that of the attempt, or of one for an older wish whose answer
    /// serves this one too.
    pub(super) last_question: u64,
    /// It stands in the list of those about whom the server has to be told something.
    pub(super) to_tell: bool,
    /// When it was last subscribed, if that ended without the user's will.
    pub(super) lost: Option<Instant>,
    /// Of a presence channel.
    pub(super) roster: Roster,
    /// Of an encrypted channel, once it is subscribed.
    pub(super) vault: Option<Vault>,
    /// When the key was last fetched, on earlier connections of the same wish.
    pub(super) last_fetch: Option<Instant>,
    slot: Option<(u64, ChannelSlot)>,
}

/// Whether the server holds the subscription, as far as this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtServer {
    /// It was not asked to subscribe, it has refused by name, or it was asked to unsubscribe.
    No,
    /// An error that names no channel was taken for its refusal. A confirmation may still come.
    Perhaps,
    /// It was asked to subscribe.
    Asked,
}

/// A permission, and what it takes of what one client may keep.
pub(super) struct Permission {
    pub(super) auth: ChannelAuth,
    _share: Share,
}

/// The number tells attempts for one channel apart, so that late answers and deadlines find nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// To be requested, now or after the next connect.
    Wanted,
    /// Those who authorise are asked.
    Authorizing(u64),
    /// Authorised as whoever will be signed in.
    AwaitingUser(u64),
    /// To be requested with the permission.
    Authorized(u64),
    /// Waits for its turn on a server that limits messages, with its permission where it needs one. Its time stands still
    /// (S5).
    HeldBack,
    /// Requested from the server.
    Requested(u64),
    Subscribed,
    /// Refused or timed out. A reconnect or a new wish tries again.
    Failed,
    /// The user does not want it any more.
    Unwanted,
}

impl Permission {
    /// `None` when it does not fit beside what is kept already.
    pub(super) fn within(budget: &Budget, auth: ChannelAuth) -> Option<Self> {
        let mut share = budget.share();
        share.resize(auth.bytes()).then_some(Self { auth, _share: share })
    }
}

impl Subscription {
    pub(super) fn new(interest: &Arc<Interest>, epoch: u64, members: &Budget) -> Self {
        Self {
            interest: Arc::clone(interest),
            epoch,
            kind: ChannelKind::of(interest.name()),
            progress: Progress::Failed,
            ready: None,
            own: OwnOptions::default(),
            permission: None,
            at_server: AtServer::No,
            unanswered: 0,
            last_request: 0,
            last_question: 0,
            to_tell: false,
            lost: None,
            roster: Roster::new(members),
            vault: None,
            last_fetch: None,
            slot: None,
        }
    }

    /// Another wish than before: what answered the old one does not answer this.
    pub(super) fn answer_wish(&mut self, interest: &Arc<Interest>, epoch: u64, members: &Budget) {
        self.interest = Arc::clone(interest);
        self.epoch = epoch;
        self.lost = None;
        self.slot = None;
        self.roster = Roster::new(members);
        self.ready = None;
        self.forget_secrets();
        self.last_fetch = None;
    }

    /// E4: keys and permissions are wiped, which dropping them does.
    pub(super) fn forget_secrets(&mut self) {
        self.permission = None;
        self.last_fetch = self.vault.take().map_or(self.last_fetch, |vault| vault.last_fetch());
    }

    /// Whether the same wish, uttered again, is worth another attempt: after a failure, or with a permission for which the
    /// attempt under way still waits.
    pub(super) fn can_begin_anew(&self, has_permission: bool) -> bool {
        match self.progress {
            Progress::Failed => true,
            Progress::Wanted | Progress::Authorizing(_) | Progress::AwaitingUser(_) => has_permission,
            _ => false,
        }
    }

    /// Whether it needs no permission, or there is somebody, or something, to get one from.
    pub(super) fn can_be_authorized(&self, rules: &Rules) -> bool {
        !self.kind.needs_auth() || rules.can_authorize || self.own.authorizer.is_some() || self.ready.is_some()
    }

    /// Whether the server owes an answer.
    pub(super) fn is_requested(&self) -> bool {
        matches!(self.progress, Progress::Requested(_))
    }

    /// Whether a confirmation is the answer to the current wish. It wins over an error that was taken for a refusal (S6).
    pub(super) fn can_be_confirmed(&self) -> bool {
        match self.progress {
            Progress::Requested(_) => true,
            Progress::Subscribed | Progress::Unwanted => false,
            // Also while another attempt is being made: the permission of the last request is still there.
            _ => self.at_server == AtServer::Perhaps && (self.permission.is_some() || !self.kind.needs_auth()),
        }
    }

    /// Whether the confirmation may have been that of an older request, and the answer to the last one is still to come.
    pub(super) fn is_confirmed_too_early(&self) -> bool {
        self.progress == Progress::Subscribed && self.unanswered > 0
    }

    /// Whether it waits to be sent again.
    pub(super) fn is_repeated(&self) -> bool {
        self.progress == Progress::HeldBack && self.at_server == AtServer::Perhaps
    }

    /// A request goes to the server.
    pub(super) fn note_request(&mut self, attempt: u64, ledger: &mut Ledger, now: Instant) {
        let channel = self.interest.name().clone();
        if self.unanswered >= MAX_UNANSWERED {
            ledger.forget(&channel, 1, now);
            self.unanswered -= 1;
        }
        let is_users = self.is_users();
        ledger
            .sent(if is_users { Sent::UserChannel { channel } } else { Sent::Subscription { channel, attempt } }, now);
        self.at_server = AtServer::Asked;
        self.unanswered += 1;
        self.last_request = attempt;
        self.progress = Progress::Requested(attempt);
    }

    /// Whether that attempt is still under way.
    pub(super) fn is_pending(&self, number: u64) -> bool {
        match self.progress {
            Progress::Authorizing(of)
            | Progress::AwaitingUser(of)
            | Progress::Authorized(of)
            | Progress::Requested(of) => of == number,
            Progress::Wanted | Progress::HeldBack | Progress::Subscribed | Progress::Failed | Progress::Unwanted => {
                false
            }
        }
    }

    /// Whether a permission is still to come as the answer to that question.
    pub(super) fn asks_permission(&self, number: u64) -> bool {
        matches!(self.progress, Progress::Authorizing(_)) && self.last_question == number
    }

    /// Whether the end of that attempt, for a permission, an answer or a newer key, is still to come.
    pub(super) fn awaits(&self, number: u64) -> bool {
        let is_answered = self.unanswered == 0 || self.last_request != number;
        self.is_pending(number) || !is_answered || self.vault.as_ref().is_some_and(|vault| vault.is_fetching(number))
    }

    /// Whether the user has not changed his mind since.
    pub(super) fn answers_current_wish(&self) -> bool {
        self.interest.epoch() == self.epoch
    }

    /// Whether it is the channel of the signed-in user, to which the client subscribes by itself.
    pub(super) fn is_users(&self) -> bool {
        self.interest.id() == Interest::USER
    }

    /// The channel's place in the batch with this number.
    pub(super) fn slot_in(&mut self, number: u64, batch: &mut Batch) -> ChannelSlot {
        match self.slot {
            Some((of, slot)) if of == number => slot,
            _ => {
                let slot = batch.add_channel(&self.interest, self.epoch);
                self.slot = Some((number, slot));
                slot
            }
        }
    }
}
