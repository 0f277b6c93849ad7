//! What the builder has decided.

use super::app::App;
use super::auth::UserSource;
use super::client_event::ClientEventLimits;
use super::message_limit::MessageLimit;
use super::refusal::Refusals;
use super::watchlist::WatchlistEvents;

/// Does not change while the server runs.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) app: App,
    /// JSON text of the activity timeout.
    pub(super) activity_timeout: String,
    /// How many bytes may wait for one client.
    pub(super) queue_limit: usize,
    pub(super) refusals: Refusals,
    pub(super) client_events: ClientEventLimits,
    pub(super) message_limit: Option<MessageLimit>,
    /// In bytes.
    pub(super) max_message_size: usize,
    pub(super) subscription_counts: bool,
    pub(super) watchlist_events: WatchlistEvents,
    pub(super) users: UserSource,
}
