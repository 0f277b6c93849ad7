//! All players in one process, without a terminal: it measures what the client costs a frame, and checks that nothing
//! is lost except where the client says so.

use std::{
    error::Error,
    io::{self, Write},
    time::{Duration, Instant},
};

use pusher_channels::{Notification, Receiver};

use crate::{
    audit::Audit,
    frames::{self, Frames},
    game::{
        arena::Arena,
        path::Position,
        profile::{Colour, Profile},
        room::Room,
        walk,
    },
    screen::Canvas,
    stopwatch::Stopwatch,
};

/// How long the server is not to be reached after the connections were cut.
const OUTAGE: Duration = Duration::from_millis(250);

/// Longer than coming, coming back, or the arrival of the last position takes.
const PATIENCE: Duration = Duration::from_secs(20);

const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Plays so many frames, in the middle of which all connections are cut.
///
/// # Errors
///
/// When a position is missing, when the client took longer than a frame in one of them, and when somebody does not
/// come, or come back.
pub(crate) fn run(players: usize, frames: u32) -> Result<(), Box<dyn Error>> {
    let mut run = Headless::start(players)?;
    run.play_until("everybody is there", Headless::are_all_there)?;
    run.phase = Phase::Walking;
    run.play(frames / 2)?;
    run.cut();
    run.play(frames - frames / 2)?;
    run.play_until("everybody is back", Headless::are_all_back)?;
    let picture = run.picture();
    run.phase = Phase::Resting;
    // What is not seen in time is missing, and told by the verdict.
    let _ = run.play_until("everything is seen", Headless::is_all_seen);
    writeln!(io::stdout(), "{picture}\n{}", run.report())?;
    Ok(verdict(run.missing(), run.stopwatch.longest_frame())?)
}

/// All players, each with a client of its own, polled by this one thread. A frame has the time of all of them together.
struct Headless {
    arena: Arena,
    players: Vec<Player>,
    frames: Frames,
    /// How many frames there were, which is what the movement depends on.
    frame: u32,
    phase: Phase,
    audit: Audit,
    stopwatch: Stopwatch,
    cut_at: Option<Instant>,
    back_after: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Nobody moves before everybody is there, so that everybody has to see the first position of everybody else.
    Gathering,
    Walking,
    /// Everybody goes home, so that there is a last position of each.
    Resting,
}

struct Player {
    room: Room,
    receiver: Receiver,
    /// What the others were told last.
    told: Option<Position>,
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

    /// The main loop's body, for each of the players.
    fn play_frame(&mut self) -> io::Result<()> {
        let now = self.frames.next();
        for number in 0..self.players.len() {
            self.receive(number, now);
            self.tell(number, now);
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

    fn tell(&mut self, number: usize, now: Instant) {
        let position = match self.phase {
            Phase::Gathering => return,
            Phase::Walking => walk::position(number, frames::LENGTH * self.frame),
            Phase::Resting => home(number),
        };
        let player = &mut self.players[number];
        let sent_at = Instant::now();
        if self.stopwatch.time(|| player.room.tell(position, now)).is_some() {
            self.audit.sent(number, sent_at);
            player.told = Some(position);
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

    /// Everybody has noticed the cut, and is there again.
    fn are_all_back(&self) -> bool {
        (0..self.players.len()).all(|number| self.audit.gaps_of(number) > 0) && self.are_all_there()
    }

    /// Everybody has told where home is, and everybody else has heard of it.
    fn is_all_seen(&self) -> bool {
        let mut players = self.players.iter().enumerate();
        players.all(|(number, player)| player.told == Some(home(number))) && self.audit.pending() == 0
    }

    /// The frame of this moment, as the first player sees it.
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
        Ok(Self { room, receiver, told: None })
    }
}

/// Whether the client has done what a game needs.
fn verdict(missing: u64, longest_frame: Duration) -> Result<(), String> {
    if missing > 0 {
        return Err(format!("{missing} positions are missing"));
    }
    if longest_frame > frames::LENGTH {
        return Err(format!("a frame took {} in the client, and has {}", ms(longest_frame), ms(frames::LENGTH)));
    }
    Ok(())
}

/// What the audit has to know of a notification.
fn note(audit: &mut Audit, receiver: usize, notification: &Notification, at: Instant) {
    match notification {
        Notification::Event(event) => {
            if let Some((id, told)) = Room::sender_of(event) {
                audit.seen(receiver, number(&id), told.n, at);
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

/// The other way. The server vouches for the id, which this program has given.
fn number(id: &str) -> usize {
    id.parse().expect("a player's number")
}

/// Another place for everybody, where nobody has been before.
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
    fn what_a_full_queue_has_dropped_is_missing() {
        let mut audit = Audit::default();
        note(&mut audit, 0, &Notification::Lagged(3), Instant::now());
        assert_eq!(audit.missing(), 3);
    }

    #[test]
    fn homes_are_apart_from_each_other() {
        for player in 0..50 {
            assert!((0..player).all(|other| home(other) != home(player)), "player {player}");
        }
    }
}
