//! How the server tells who of a watchlist is there.

use serde::Serialize;
use tungstenite::Bytes;

use super::wire;

/// The shape of the events that tell a signed-in user who of his watchlist is there, see
/// [`TestServerBuilder::watchlist_events`](crate::testing::TestServerBuilder::watchlist_events).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchlistEvents {
    /// One `pusher_internal:watchlist_events` after `pusher:signin_success`, with a list of `online` and `offline`; then
    /// one for each change. As Pusher documents it.
    #[default]
    Pusher,
    /// An event `online` and an event `offline`, without a channel, before `pusher:signin_success`; then one for each
    /// change. As Sockudo does.
    Sockudo,
}

impl WatchlistEvents {
    /// Whether the first events come before `pusher:signin_success`.
    pub(crate) fn precede_success(self) -> bool {
        self == Self::Sockudo
    }

    /// The frames that tell of these users; none if there are none.
    pub(crate) fn frames(self, statuses: &Statuses) -> Vec<Bytes> {
        let events: Vec<Event<'_>> = [("online", &statuses.online), ("offline", &statuses.offline)]
            .into_iter()
            .filter(|(_, user_ids)| !user_ids.is_empty())
            .map(|(name, user_ids)| Event { name, user_ids })
            .collect();
        match self {
            Self::Pusher if events.is_empty() => Vec::new(),
            Self::Pusher => {
                vec![wire::platform_event("pusher_internal:watchlist_events", None, &Events { events })]
            }
            Self::Sockudo => {
                let bare = |event: &Event<'_>| wire::object_event(event.name, None, &Bare { user_ids: event.user_ids });
                events.iter().map(bare).collect()
            }
        }
    }
}

/// Those of a watchlist who are signed in, and the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Statuses {
    pub online: Vec<String>,
    pub offline: Vec<String>,
}

#[derive(Serialize)]
struct Events<'a> {
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'static str,
    user_ids: &'a [String],
}

#[derive(Serialize)]
struct Bare<'a> {
    user_ids: &'a [String],
}
