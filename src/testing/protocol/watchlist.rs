//! The events about the users of a watchlist.

use serde::Serialize;
use tungstenite::Bytes;

use super::frames;

/// The shape of the events about the users of a watchlist, see
/// [`TestServerBuilder::watchlist_events`](crate::testing::TestServerBuilder::watchlist_events).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchlistEvents {
    /// One `pusher_internal:watchlist_events` with lists of `online` and `offline` users after `pusher:signin_success`,
    /// then one for each change. This is the documented shape of Pusher.
    #[default]
    Pusher,
    /// An event `online` and an event `offline`, without a channel, before `pusher:signin_success`, then one for each
    /// change. This is the shape of Sockudo.
    Sockudo,
}

impl WatchlistEvents {
    /// Whether the first events come before `pusher:signin_success`.
    pub(crate) fn precede_success(self) -> bool {
        self == Self::Sockudo
    }

    /// The frames about these users. Empty if there are no users.
    pub(crate) fn frames(self, statuses: &Statuses) -> Vec<Bytes> {
        let events: Vec<Event<'_>> = [("online", &statuses.online), ("offline", &statuses.offline)]
            .into_iter()
            .filter(|(_, user_ids)| !user_ids.is_empty())
            .map(|(name, user_ids)| Event { name, user_ids })
            .collect();
        match self {
            Self::Pusher if events.is_empty() => Vec::new(),
            Self::Pusher => {
                vec![frames::platform_event("pusher_internal:watchlist_events", None, &Events { events })]
            }
            Self::Sockudo => {
                let bare =
                    |event: &Event<'_>| frames::object_event(event.name, None, &Bare { user_ids: event.user_ids });
                events.iter().map(bare).collect()
            }
        }
    }
}

/// The users of a watchlist who are signed in, and the others.
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
