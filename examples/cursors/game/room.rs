//! The network part of the game: sends positions to the other players, and receives theirs.

use std::time::Instant;

use pusher_channels::{Channel, Config, Error, Event, Notification, Pusher, Receiver};
use serde::{Deserialize, Serialize};

use super::{
    field::Field,
    moves::{Move, Outbox},
    path::Position,
    profile::Profile,
};

/// The channel of the game. A presence channel has a list of its members.
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

/// A player in the room. Dropping it leaves the room, because it holds the client's last handle.
pub(crate) struct Room {
    channel: Channel,
    outbox: Outbox,
    pub(crate) field: Field,
}

impl Room {
    /// Begins to join, without waiting. The receiver gets the result. The client reconnects by itself after a loss.
    pub(crate) fn join(config: Config, me: Profile) -> Result<(Self, Receiver), Error> {
        let pusher = Pusher::new(config);
        // A receiver gets only the notifications that come after it was made, so that it is made first. It keeps every
        // position until the next frame, which the headless run counts. A game that is not drawn for a long time sets
        // `Overflow::KeepLatest`.
        let receiver = pusher.receiver();
        let channel = pusher.subscribe(ROOM)?;
        pusher.connect_background()?;
        Ok((Self { channel, outbox: Outbox::default(), field: Field::new(me) }, receiver))
    }

    /// Takes one notification of the receiver. Called each frame, for all of [`try_iter`](Receiver::try_iter).
    pub(crate) fn take(&mut self, notification: &Notification, now: Instant) {
        match notification {
            Notification::Event(event) if event.name() == MOVED => self.moved(event, now),
            Notification::SubscriptionSucceeded(_) => self.joined(now),
            Notification::MemberAdded(change) => {
                self.field.came(change.member.id(), Profile::of(&change.member));
                // A player who has just joined does not know where the others stand.
                self.outbox.repeat();
            }
            Notification::MemberRemoved(change) => self.field.went(change.member.id(), now),
            Notification::ConnectionStateChange(change) => self.field.connection_changed(change, now),
            Notification::SubscriptionError(failure) => self.field.refused(failure.error.to_string()),
            // The enum grows with the protocol. The game ignores kinds that it does not know.
            _ => {}
        }
    }

    /// Moves the player's own cursor, and sends the position as soon as that is allowed. Returns the position that was
    /// sent.
    pub(crate) fn send_position(&mut self, position: Position, now: Instant) -> Option<Move> {
        self.field.step(position, now);
        self.outbox.put(position);
        let sent = self.outbox.due(now).filter(|_| self.field.is_joined())?;
        let from = self.channel.me()?.id().to_owned();
        // Without a connection the position stays in the outbox until a newer one replaces it.
        self.channel.trigger(MOVED, &Signed { from, moved: sent }).ok()?;
        self.outbox.sent(now);
        Some(sent)
    }

    /// The sender and the position of an event, if it says that a player has moved.
    pub(crate) fn sender_of(event: &Event) -> Option<(String, Move)> {
        let Signed { from, moved } = event.json().ok()?;
        // A sender that the server names counts more than the data, which any client can invent. Sockudo names no
        // sender.
        Some((event.user_id().map_or(from, str::to_owned), moved))
    }

    fn moved(&mut self, event: &Event, now: Instant) {
        if let Some((id, moved)) = Self::sender_of(event) {
            self.field.moved(&id, moved.position(), now);
        }
    }

    /// The members who were there before have no notification of their own. Events that were missed meanwhile are lost.
    fn joined(&mut self, now: Instant) {
        let me = self.channel.me();
        let members = self.channel.members();
        let others = members.iter().filter(|member| me.as_ref().is_none_or(|me| me.id() != member.id()));
        self.field.joined(me.as_ref(), others.map(|member| (member.id().to_owned(), Profile::of(member))), now);
        self.outbox.repeat();
    }
}
