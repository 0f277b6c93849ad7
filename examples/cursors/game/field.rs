//! The field: who is there, where, and how sure that is.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, ConnectionStateChange, Member};

use super::{
    path::{Path, Position, TRAIL},
    profile::Profile,
};

/// How long somebody who has left is still shown, in grey. Who has only lost the connection is back by then.
const REMEMBERED: Duration = Duration::from_secs(4);

/// How far apart the points of a trail are.
const TRAIL_STEP: Duration = Duration::from_millis(30);

/// What one player knows of all.
pub(crate) struct Field {
    me: Profile,
    way: Path,
    /// By id.
    others: BTreeMap<String, Player>,
    link: Link,
}

/// Somebody else.
struct Player {
    profile: Profile,
    way: Path,
    /// Since when the server says that this player is not there.
    gone_since: Option<Instant>,
}

/// What connects this player with the others.
#[derive(Debug, PartialEq)]
enum Link {
    /// The room is being entered.
    Joining,
    /// Everything that happens in the room arrives.
    Joined,
    /// The connection is lost, and is made anew, perhaps at a moment that is known.
    Lost { cause: String, retry_at: Option<Instant> },
    /// There will be no connection, or no room: somebody has to do something about it.
    Refused(String),
}

/// A player as drawn in one frame.
pub(crate) struct Cursor<'a> {
    pub(crate) profile: &'a Profile,
    /// The newest position first; empty while none is known.
    pub(crate) trail: Vec<Position>,
    pub(crate) is_me: bool,
    /// Nobody knows where this player is now: to be drawn in grey.
    pub(crate) is_grey: bool,
}

/// Oneself first, then the others in their order: for a list.
pub(crate) fn listed<'a, 'f>(cursors: &'a [Cursor<'f>]) -> impl Iterator<Item = &'a Cursor<'f>> {
    let (others, me) = cursors.split_at(cursors.len().saturating_sub(1));
    me.iter().chain(others)
}

impl Field {
    pub(crate) fn new(me: Profile) -> Self {
        Self { me, way: Path::default(), others: BTreeMap::new(), link: Link::Joining }
    }

    /// A frame begins: one's own cursor is here, and who has been gone for long is forgotten.
    pub(crate) fn step(&mut self, position: Position, now: Instant) {
        self.way.reach(position, now);
        self.others.retain(|_, player| player.gone_since.is_none_or(|since| now < since + REMEMBERED));
    }

    /// The room is entered, and these are there. Who is not among them went while nobody could tell.
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

    /// Somebody is there, for the first time or again.
    pub(crate) fn came(&mut self, id: &str, profile: Profile) {
        let new = || Player { profile: profile.clone(), way: Path::default(), gone_since: None };
        let player = self.others.entry(id.to_owned()).or_insert_with(new);
        player.profile = profile.clone();
        player.gone_since = None;
    }

    /// Somebody is not there any more, and turns grey.
    pub(crate) fn went(&mut self, id: &str, now: Instant) {
        if let Some(player) = self.others.get_mut(id) {
            player.gone_since.get_or_insert(now);
        }
    }

    /// Somebody has moved.
    pub(crate) fn moved(&mut self, id: &str, position: Position, now: Instant) {
        if let Some(player) = self.others.get_mut(id) {
            player.way.arrived(position, now);
        }
    }

    /// The connection has changed. Connected is not joined yet, and while an attempt is made it stays what it was.
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

    /// The server, or the backend, does not let this player in.
    pub(crate) fn refused(&mut self, cause: String) {
        self.link = Link::Refused(cause);
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.link == Link::Joined
    }

    /// How many are known to be there at this moment, oneself included.
    pub(crate) fn present(&self) -> usize {
        let others = self.others.values().filter(|player| player.gone_since.is_none()).count();
        if self.is_joined() { 1 + others } else { 1 }
    }

    /// Everybody as they are now, oneself last, so that it is drawn over the others.
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

    /// What the connection does, in words.
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

/// From now backwards.
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

    /// A field that Ann has entered, in which Bob is.
    fn with_bob(now: Instant) -> Field {
        let mut field = Field::new(profile("ann"));
        field.joined(None, [someone("bob")], now);
        field
    }

    fn lost() -> Link {
        Link::Lost { cause: "connection lost".to_owned(), retry_at: None }
    }

    /// Name and whether in grey, of all others.
    fn others(field: &Field, now: Instant) -> Vec<(String, bool)> {
        let cursors = field.cursors(now).into_iter().filter(|cursor| !cursor.is_me);
        cursors.map(|cursor| (cursor.profile.name.clone(), cursor.is_grey)).collect()
    }

    #[test]
    fn the_others_are_grey_while_the_own_connection_is_lost() {
        let now = Instant::now();
        let mut field = with_bob(now);
        assert_eq!(others(&field, now), [("bob".to_owned(), false)]);
        field.link = lost();
        assert_eq!(others(&field, now), [("bob".to_owned(), true)]);
        assert_eq!((field.present(), &*field.status(now)), (1, "reconnecting: connection lost"));
        assert!(field.cursors(now).iter().any(|cursor| cursor.is_me && !cursor.is_grey), "one sees oneself");
        field.joined(None, [someone("bob")], now);
        assert_eq!(others(&field, now), [("bob".to_owned(), false)]);
        assert_eq!(field.status(now), "connected, 2 here");
    }

    #[test]
    fn who_goes_is_grey_for_a_while_and_then_forgotten() {
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
    fn who_comes_back_is_where_he_was() {
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
    fn who_went_during_an_outage_is_gone_afterwards() {
        let now = Instant::now();
        let mut field = with_bob(now);
        field.link = lost();
        field.joined(None, [someone("cid")], now);
        assert_eq!(others(&field, now), [("bob".to_owned(), true), ("cid".to_owned(), false)]);
        assert_eq!(field.present(), 2);
    }

    #[test]
    fn a_stranger_does_not_appear_by_moving() {
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
