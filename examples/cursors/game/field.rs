//! The field: the players, their positions, and whether these are known.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, ConnectionStateChange, Member};

use super::{
    path::{Path, Position, TRAIL},
    profile::Profile,
};

/// How long a player who has left is still shown, in grey. A player who has only lost the connection is back by then.
const REMEMBERED: Duration = Duration::from_secs(4);

/// The time between two points of a trail.
const TRAIL_STEP: Duration = Duration::from_millis(30);

/// The field as one player knows it.
pub(crate) struct Field {
    me: Profile,
    way: Path,
    /// The other players by id.
    others: BTreeMap<String, Player>,
    link: Link,
}

/// Another player.
struct Player {
    profile: Profile,
    way: Path,
    /// The time at which the server reported that this player has left.
    gone_since: Option<Instant>,
}

/// The connection to the room.
#[derive(Debug, PartialEq)]
enum Link {
    /// The client is joining the room.
    Joining,
    /// The client has joined, and receives all events of the room.
    Joined,
    /// The connection is lost, and the client connects again, at this time if it is known.
    Lost { cause: String, retry_at: Option<Instant> },
    /// The client cannot connect, or may not join the room. Only the player can mend that.
    Refused(String),
}

/// A player as drawn in one frame.
pub(crate) struct Cursor<'a> {
    pub(crate) profile: &'a Profile,
    /// The newest position first; empty while none is known.
    pub(crate) trail: Vec<Position>,
    pub(crate) is_me: bool,
    /// The position is out of date, so that the cursor is drawn in grey.
    pub(crate) is_grey: bool,
}

/// The player's own cursor first, then the others in their order: for a list.
pub(crate) fn listed<'a, 'f>(cursors: &'a [Cursor<'f>]) -> impl Iterator<Item = &'a Cursor<'f>> {
    let (others, me) = cursors.split_at(cursors.len().saturating_sub(1));
    me.iter().chain(others)
}

impl Field {
    pub(crate) fn new(me: Profile) -> Self {
        Self { me, way: Path::default(), others: BTreeMap::new(), link: Link::Joining }
    }

    /// Begins a frame: moves the player's own cursor, and removes players who left long ago.
    pub(crate) fn step(&mut self, position: Position, now: Instant) {
        self.way.reach(position, now);
        self.others.retain(|_, player| player.gone_since.is_none_or(|since| now < since + REMEMBERED));
    }

    /// The room is joined, and these are its members. Players who are not among them left during an outage.
    pub(crate) fn joined(
        &mut self,
        me: Option<&Member>,
        others: impl IntoIterator<Item = (String, Profile)>,
        now: Instant,
    ) {
        if let Some(me) = me {
            self.me = Profile::of(me);
        }
        self.link = Link::Joined;
        for player in self.others.values_mut() {
            player.gone_since.get_or_insert(now);
        }
        for (id, profile) in others {
            self.came(&id, profile);
        }
    }

    /// A player has joined, for the first time or again.
    pub(crate) fn came(&mut self, id: &str, profile: Profile) {
        let new = || Player { profile: profile.clone(), way: Path::default(), gone_since: None };
        let player = self.others.entry(id.to_owned()).or_insert_with(new);
        player.profile = profile.clone();
        player.gone_since = None;
    }

    /// A player has left, and turns grey.
    pub(crate) fn went(&mut self, id: &str, now: Instant) {
        if let Some(player) = self.others.get_mut(id) {
            player.gone_since.get_or_insert(now);
        }
    }

    /// A player has moved.
    pub(crate) fn moved(&mut self, id: &str, position: Position, now: Instant) {
        if let Some(player) = self.others.get_mut(id) {
            player.way.arrived(position, now);
        }
    }

    /// The connection has changed. A connected client has not joined yet. While the client connects, the last reason
    /// stays.
    pub(crate) fn connection_changed(&mut self, change: &ConnectionStateChange, now: Instant) {
        let cause = || change.cause.as_ref().map_or_else(|| "disconnected".to_owned(), ToString::to_string);
        match change.current {
            ConnectionState::Failed => self.refused(cause()),
            ConnectionState::Reconnecting | ConnectionState::Unavailable | ConnectionState::Disconnected => {
                let retry_at = change.retry_in.and_then(|delay| now.checked_add(delay));
                self.link = Link::Lost { cause: cause(), retry_at };
            }
            _ => {}
        }
    }

    /// The server or the backend refuses this player.
    pub(crate) fn refused(&mut self, cause: String) {
        self.link = Link::Refused(cause);
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.link == Link::Joined
    }

    /// The number of players known to be in the room, this player included.
    pub(crate) fn present(&self) -> usize {
        let others = self.others.values().filter(|player| player.gone_since.is_none()).count();
        if self.is_joined() { 1 + others } else { 1 }
    }

    /// All cursors as they are now. The player's own is the last, so that it is drawn over the others.
    pub(crate) fn cursors(&self, now: Instant) -> Vec<Cursor<'_>> {
        let others = self.others.values().map(|player| Cursor {
            profile: &player.profile,
            trail: trail(&player.way, now),
            is_me: false,
            is_grey: !self.is_joined() || player.gone_since.is_some(),
        });
        let me = Cursor { profile: &self.me, trail: trail(&self.way, now), is_me: true, is_grey: false };
        others.chain([me]).collect()
    }

    /// The state of the connection as text.
    pub(crate) fn status(&self, now: Instant) -> String {
        match &self.link {
            Link::Joining => "joining".to_owned(),
            Link::Joined => format!("connected, {} here", self.present()),
            Link::Refused(cause) => format!("refused: {cause}"),
            Link::Lost { cause, retry_at } => match retry_at.map(|at| at.saturating_duration_since(now)) {
                Some(left) if !left.is_zero() => format!("reconnecting in {:.1} s: {cause}", left.as_secs_f32()),
                _ => format!("reconnecting: {cause}"),
            },
        }
    }
}

/// The points of a trail, from now backwards.
fn trail(way: &Path, now: Instant) -> Vec<Position> {
    let points = (TRAIL.as_millis() / TRAIL_STEP.as_millis()) as u32;
    (0..points).filter_map(|point| way.at(now.checked_sub(TRAIL_STEP * point)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::game::profile::Colour;

    fn profile(name: &str) -> Profile {
        Profile::new(name, Colour::of(0))
    }

    fn someone(id: &str) -> (String, Profile) {
        (id.to_owned(), profile(id))
    }

    /// The field of Ann, with Bob on it.
    fn with_bob(now: Instant) -> Field {
        let mut field = Field::new(profile("ann"));
        field.joined(None, [someone("bob")], now);
        field
    }

    fn lost() -> Link {
        Link::Lost { cause: "connection lost".to_owned(), retry_at: None }
    }

    /// The names of all other players, and whether they are grey.
    fn others(field: &Field, now: Instant) -> Vec<(String, bool)> {
        let cursors = field.cursors(now).into_iter().filter(|cursor| !cursor.is_me);
        cursors.map(|cursor| (cursor.profile.name.clone(), cursor.is_grey)).collect()
    }

    #[test]
    fn the_others_are_grey_while_the_connection_is_lost() {
        let now = Instant::now();
        let mut field = with_bob(now);
        assert_eq!(others(&field, now), [("bob".to_owned(), false)]);
        field.link = lost();
        assert_eq!(others(&field, now), [("bob".to_owned(), true)]);
        assert_eq!((field.present(), &*field.status(now)), (1, "reconnecting: connection lost"));
        assert!(
            field.cursors(now).iter().any(|cursor| cursor.is_me && !cursor.is_grey),
            "the player's own cursor stays"
        );
        field.joined(None, [someone("bob")], now);
        assert_eq!(others(&field, now), [("bob".to_owned(), false)]);
        assert_eq!(field.status(now), "connected, 2 here");
    }

    #[test]
    fn a_player_who_left_is_grey_for_a_while_and_then_removed() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.went("bob", now);
        assert_eq!((others(&field, now), field.present()), (vec![("bob".to_owned(), true)], 1));
        field.step(Position::CENTRE, now + REMEMBERED / 2);
        assert_eq!(others(&field, now).len(), 1);
        field.step(Position::CENTRE, now + REMEMBERED);
        assert_eq!(others(&field, now), []);
    }

    #[test]
    fn a_player_who_returns_has_the_old_position() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.moved("bob", Position::new(0.2, 0.3), now);
        field.went("bob", now);
        field.came("bob", profile("Bob"));
        let cursors = field.cursors(now + Duration::from_secs(1));
        let bob = cursors.iter().find(|cursor| !cursor.is_me).expect("Bob");
        assert_eq!((&*bob.profile.name, bob.is_grey), ("Bob", false));
        assert_eq!(bob.trail.first(), Some(&Position::new(0.2, 0.3)));
    }

    #[test]
    fn a_player_who_left_during_an_outage_is_grey_afterwards() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.link = lost();
        field.joined(None, [someone("cid")], now);
        assert_eq!(others(&field, now), [("bob".to_owned(), true), ("cid".to_owned(), false)]);
        assert_eq!(field.present(), 2);
    }

    #[test]
    fn a_move_of_an_unknown_player_adds_nobody() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.moved("eve", Position::CENTRE, now);
        assert_eq!(others(&field, now).len(), 1);
    }

    #[test]
    fn a_trail_follows_the_way() {
        let now = Instant::now();
        let mut field = Field::new(profile("ann"));
        for frame in 0..60_u16 {
            field.step(Position::new(f32::from(frame) / 60.0, 0.5), now + Duration::from_millis(16) * frame.into());
        }
        let cursors = field.cursors(now + Duration::from_millis(16 * 59));
        assert_eq!(cursors[0].trail.len(), 20);
        assert!(cursors[0].trail.windows(2).all(|pair| pair[0].x > pair[1].x), "{:?}", cursors[0].trail);
    }

    #[test]
    fn the_status_counts_down_to_the_next_attempt() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.link = Link::Lost { cause: "x".to_owned(), retry_at: Some(now + Duration::from_millis(1500)) };
        assert_eq!(field.status(now), "reconnecting in 1.5 s: x");
        assert_eq!(field.status(now + Duration::from_secs(2)), "reconnecting: x");
        field.refused("code 4001".to_owned());
        assert_eq!(field.status(now), "refused: code 4001");
    }
}
