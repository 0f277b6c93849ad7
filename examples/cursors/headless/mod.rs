//! All players in one process, without a terminal. The run measures the client's part of each frame, and checks that
//! positions are lost only where the client announces it.

mod audit;
mod stopwatch;

use std::{
    error::Error,
    io::{self, Write},
    time::{Duration, Instant},
};

use pusher_channels::{Notification, Receiver};

use audit::Audit;
use stopwatch::Stopwatch;

use crate::{
    frames::{self, Frames},
    game::{
        arena::Arena,
        path::Position,
        profile::{Colour, Profile},
        room::Room,
        walk,
    },
    terminal::screen::Canvas,
};

/// How long the server is unreachable after the connections were cut.
const OUTAGE: Duration = Duration::from_millis(250);

/// Longer than it takes to join, to reconnect, or to receive the last position.
const PATIENCE: Duration = Duration::from_secs(20);

const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Plays this number of frames. All connections are cut after the first half.
///
/// # Errors
///
/// If a position is missing, if the client took longer than a frame in one of the frames, and if a player does not
/// join, or does not come back.
pub(crate) fn run(players: usize, frames: u32) -> Result<(), Box<dyn Error>> {
    let mut run = Headless::start(players)?;
    run.play_until("all players have joined", Headless::are_all_there)?;
    run.phase = Phase::Walking;
    run.play(frames / 2)?;
    run.cut();
    run.play(frames - frames / 2)?;
    run.play_until("all players are back", Headless::are_all_back)?;
    let picture = run.picture();
    run.phase = Phase::Resting;
    // Positions that are not seen in time are missing, and the verdict reports them.
    let _ = run.play_until("all positions are seen", Headless::is_all_seen);
    writeln!(io::stdout(), "{picture}\n{}", run.report())?;
    Ok(verdict(run.missing(), run.stopwatch.longest_frame())?)
}

/// All players, each with a client of its own, polled by this thread. A frame has time for all of them together.
struct Headless {
    arena: Arena,
    players: Vec<Player>,
    frames: Frames,
    /// The number of frames so far. The movements depend on it.
    frame: u32,
    phase: Phase,
    audit: Audit,
    stopwatch: Stopwatch,
    cut_at: Option<Instant>,
    back_after: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// No player moves before all have joined, so that each must see the first position of every other player.
    Gathering,
    Walking,
    /// Each player moves to a last position.
    Resting,
}

struct Player {
    room: Room,
    receiver: Receiver,
    /// The last position that was sent.
    sent: Option<Position>,
}

impl Headless {
    fn start(players: usize) -> Result<Self, Box<dyn Error>> {
        let arena = Arena::start()?;
        let players = (0..players).map(|number| Player::join(&arena, number)).collect::<Result<_, _>>()?;
        Ok(Self {
            arena,
            players,
            frames: Frames::start(),
            frame: 0,
            phase: Phase::Gathering,
            audit: Audit::default(),
            stopwatch: Stopwatch::start(),
            cut_at: None,
            back_after: None,
        })
    }

    fn play(&mut self, frames: u32) -> io::Result<()> {
        (0..frames).try_for_each(|_| self.play_frame())
    }

    fn play_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            if deadline <= Instant::now() {
                return Err(format!("not within {PATIENCE:?}: {what}").into());
            }
            self.play_frame()?;
        }
        Ok(())
    }

    /// The body of the main loop, for each player.
    fn play_frame(&mut self) -> io::Result<()> {
        let now = self.frames.next();
        for number in 0..self.players.len() {
            self.receive(number, now);
            self.send_position(number, now);
        }
        self.stopwatch.end_frame();
        self.frame += 1;
        if self.back_after.is_none() && self.are_all_back() {
            self.back_after = self.cut_at.map(|cut_at| now - cut_at);
        }
        self.arena.update(now)
    }

    fn receive(&mut self, number: usize, now: Instant) {
        let player = &mut self.players[number];
        let notifications: Vec<_> = self.stopwatch.time(|| player.receiver.try_iter().collect());
        let seen_at = Instant::now();
        for notification in &notifications {
            note(&mut self.audit, number, notification, seen_at);
            self.stopwatch.time(|| player.room.take(notification, now));
        }
    }

    fn send_position(&mut self, number: usize, now: Instant) {
        let position = match self.phase {
            Phase::Gathering => return,
            Phase::Walking => walk::position(number, frames::LENGTH * self.frame),
            Phase::Resting => home(number),
        };
        let player = &mut self.players[number];
        let sent_at = Instant::now();
        if self.stopwatch.time(|| player.room.send_position(position, now)).is_some() {
            self.audit.sent(number, sent_at);
            player.sent = Some(position);
        }
    }

    fn cut(&mut self) {
        let now = Instant::now();
        self.cut_at = Some(now);
        self.arena.cut(OUTAGE, now);
    }

    fn are_all_there(&self) -> bool {
        let all = self.players.len();
        self.players.iter().all(|player| player.room.field.is_joined() && player.room.field.present() == all)
    }

    /// Whether all players have noticed the cut, and have joined again.
    fn are_all_back(&self) -> bool {
        (0..self.players.len()).all(|number| self.audit.gaps_of(number) > 0) && self.are_all_there()
    }

    /// Whether each player has sent its last position, and all others have seen it.
    fn is_all_seen(&self) -> bool {
        let mut players = self.players.iter().enumerate();
        players.all(|(number, player)| player.sent == Some(home(number))) && self.audit.pending() == 0
    }

    /// The current frame, as the first player sees it.
    fn picture(&self) -> String {
        let canvas = Canvas::of(&self.players[0].room.field, Instant::now(), COLUMNS, ROWS, "");
        let rows: Vec<_> = (0..ROWS).map(|row| canvas.row(row, false)).collect();
        rows.join("\n")
    }

    fn report(&self) -> String {
        let audit = &self.audit;
        let (median, max) = audit.latency();
        let expected = audit.total_sent() * (self.players.len() as u64 - 1);
        let in_gaps = expected.saturating_sub(audit.total_seen() as u64 + self.missing());
        format!(
            "{} players, {} frames: {} events sent, {} received, {in_gaps} lost in the cut as announced, {} missing, \
             back {} after the cut; longest frame {} in the client; latency {} median, {} max",
            self.players.len(),
            self.frame,
            audit.total_sent(),
            audit.total_seen(),
            self.missing(),
            ms(self.back_after.unwrap_or_default()),
            ms(self.stopwatch.longest_frame()),
            ms(median),
            ms(max),
        )
    }

    fn missing(&self) -> u64 {
        self.audit.missing() + self.audit.pending()
    }
}

impl Player {
    fn join(arena: &Arena, number: usize) -> Result<Self, pusher_channels::Error> {
        let profile = Profile::new(&format!("Player {number}"), Colour::of(number));
        let (room, receiver) = Room::join(arena.config(&id(number), &profile), profile)?;
        Ok(Self { room, receiver, sent: None })
    }
}

/// Whether the client was good enough for a game.
fn verdict(missing: u64, longest_frame: Duration) -> Result<(), String> {
    if missing > 0 {
        return Err(format!("{missing} positions are missing"));
    }
    if longest_frame > frames::LENGTH {
        return Err(format!("a frame took {} in the client, and has {}", ms(longest_frame), ms(frames::LENGTH)));
    }
    Ok(())
}

/// Records a notification in the audit.
fn note(audit: &mut Audit, receiver: usize, notification: &Notification, at: Instant) {
    match notification {
        Notification::Event(event) => {
            if let Some((id, moved)) = Room::sender_of(event) {
                audit.seen(receiver, number(&id), moved.n, at);
            }
        }
        Notification::SubscriptionSucceeded(success) if success.resubscribed => audit.gap(receiver),
        Notification::Lagged(dropped) => audit.lagged(*dropped),
        _ => {}
    }
}

fn id(number: usize) -> String {
    number.to_string()
}

/// The number of a player. The server vouches for the id, which this program has chosen.
fn number(id: &str) -> usize {
    id.parse().expect("a player's number")
}

/// The last position of a player. All are different, and away from the curves.
fn home(number: usize) -> Position {
    Position::new(0.05 + 0.2 * (number % 5) as f32, 0.05 + 0.09 * (number / 5) as f32)
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_position_is_a_failure() {
        assert_eq!(verdict(0, Duration::ZERO), Ok(()));
        assert_eq!(verdict(1, Duration::ZERO), Err("1 positions are missing".to_owned()));
    }

    #[test]
    fn a_frame_that_is_too_long_is_a_failure() {
        assert_eq!(verdict(0, frames::LENGTH), Ok(()));
        let expected = "a frame took 17.00 ms in the client, and has 16.67 ms";
        assert_eq!(verdict(0, Duration::from_millis(17)), Err(expected.to_owned()));
    }

    #[test]
    fn positions_dropped_by_a_full_queue_are_missing() {
        let mut audit = Audit::default();
        note(&mut audit, 0, &Notification::Lagged(3), Instant::now());
        assert_eq!(audit.missing(), 3);
    }

    #[test]
    fn no_two_last_positions_are_the_same() {
        for player in 0..50 {
            assert!((0..player).all(|other| home(other) != home(player)), "player {player}");
        }
    }
}
