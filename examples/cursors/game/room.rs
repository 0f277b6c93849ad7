//! The network's part of the game: what is heard of the others, and what they are told.

use std::time::Instant;

use pusher_channels::{Channel, Config, Error, Event, Notification, Pusher, Receiver};
use serde::{Deserialize, Serialize};

use super::{
    field::Field,
    moves::{Move, Outbox},
    path::Position,
    profile::Profile,
};

/// The channel in which everybody meets. A presence channel tells who is there.
pub(crate) const ROOM: &str = "presence-cursors";

/// Clients may only send events whose names begin with `client-`.
const MOVED: &str = "client-moved";

/// A position with the id of its sender.
#[derive(Serialize, Deserialize)]
struct Signed {
    from: String,
    #[serde(flatten)]
    moved: Move,
}

/// A player's place in the room. Dropping it leaves the room, because it holds the client's last handle.
pub(crate) struct Room {
    channel: Channel,
    outbox: Outbox,
    pub(crate) field: Field,
}

impl Room {
    /// Begins to enter, without waiting: the receiver brings what comes of it. A lost connection is made anew by
    /// itself.
    pub(crate) fn join(config: Config, me: Profile) -> Result<(Self, Receiver), Error> {
        let pusher = Pusher::new(config);
        // A receiver brings what happens after it was made. Made first, it misses nothing. It keeps every position
        // until the next frame, which the headless run counts; a game that is not drawn for long sets
        // `Overflow::KeepLatest`.
        let receiver = pusher.receiver();
        let channel = pusher.subscribe(ROOM)?;
        pusher.connect_background()?;
        Ok((Self { channel, outbox: Outbox::default(), field: Field::new(me) }, receiver))
    }

    /// Takes one notification of the receiver: each frame, all of [`try_iter`](Receiver::try_iter).
    pub(crate) fn take(&mut self, notification: &Notification, now: Instant) {
        match notification {
            Notification::Event(event) if event.name() == MOVED => self.moved(event, now),
            Notification::SubscriptionSucceeded(_) => self.joined(now),
            Notification::MemberAdded(change) => {
                self.field.came(change.member.id(), Profile::of(&change.member));
                // Who comes cannot know where the others have been standing.
                self.outbox.repeat();
            }
            Notification::MemberRemoved(change) => self.field.went(change.member.id(), now),
            Notification::ConnectionStateChange(change) => self.field.connection_changed(change, now),
            Notification::SubscriptionError(failure) => self.field.refused(failure.error.to_string()),
            // The enum grows with the protocol; what this game does not know, it does not show.
            _ => {}
        }
    }

    /// Moves one's own cursor, and tells the others as soon as that is allowed. Returns what they were told.
    pub(crate) fn tell(&mut self, position: Position, now: Instant) -> Option<Move> {
        self.field.step(position, now);
        self.outbox.put(position);
        let told = self.outbox.due(now).filter(|_| self.field.is_joined())?;
        let from = self.channel.me()?.id().to_owned();
        // While there is no connection it stays in the outbox, until the next position takes its place.
        self.channel.trigger(MOVED, &Signed { from, moved: told }).ok()?;
        self.outbox.sent(now);
        Some(told)
    }

    /// Who sent an event, and how many it is, where it says that somebody has moved.
    pub(crate) fn sender_of(event: &Event) -> Option<(String, Move)> {
        let Signed { from, moved } = event.json().ok()?;
        // A server that names the sender is believed, because anybody could write anything into the data. Sockudo names none.
        Some((event.user_id().map_or(from, str::to_owned), moved))
    }

    fn moved(&mut self, event: &Event, now: Instant) {
        if let Some((id, told)) = Self::sender_of(event) {
            self.field.moved(&id, told.position(), now);
        }
    }

    /// Who was there before is in no notification of its own. What was missed meanwhile is lost.
    fn joined(&mut self, now: Instant) {
        let me = self.channel.me();
        let members = self.channel.members();
        let others = members.iter().filter(|member| me.as_ref().is_none_or(|me| me.id() != member.id()));
        self.field.joined(me.as_ref(), others.map(|member| (member.id().to_owned(), Profile::of(member))), now);
        self.outbox.repeat();
    }
}
