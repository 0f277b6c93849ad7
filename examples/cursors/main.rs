//! Everybody's cursor on one field, in the terminal: a game loop that polls a client, and never waits for it.
//!
//! ```text
//! cargo run --example cursors                            # the embedded server, with computer players
//! cargo run --example cursors -- --key KEY --cluster eu --auth-endpoint URL --name Ann  # an app of the hosted service
//! cargo run --example cursors -- --headless              # checks that no position is lost, and measures
//! cargo run --example cursors -- --help                  # the rest
//! ```
//!
//! To learn how a game uses the client, read two things: the loop [`play`] (input, [`try_iter`](Receiver::try_iter), update,
//! draw), and [`game::room`], which is the network part of the game. The rest is a game:
//!
//! * `game/`: the field, the players and their profiles; [`game::path`] and [`game::moves`] turn few positions into smooth
//!   movements. A window that draws the same game is in `examples/window`.
//! * `terminal/`: keys, the mouse and the picture.
//! * `headless/`: the check of all positions that `--headless` makes, for tests.

mod arguments;
mod frames;
mod game;
mod headless;
mod terminal;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    process::{self, ExitCode},
    time::{Duration, Instant},
};

use pusher_channels::Receiver;

use arguments::{Command, Invitation, Server};
use frames::Frames;
use game::{
    arena::Arena,
    crowd::Crowd,
    profile::{Colour, Profile},
    room::Room,
};
use terminal::{
    Terminal,
    keyboard::{Change, Input, Keyboard},
    screen::Screen,
    steering::Steering,
};

/// How long the embedded server is unreachable after the connections were cut.
const OUTAGE: Duration = Duration::from_millis(1500);

const HELP: &str = "arrows or the mouse move, q quits";

const HELP_EMBEDDED: &str =
    "arrows or the mouse move, + and - let players come and go, c cuts the connections, q quits";

/// The main loop: sixty times a second, without a wait for the network.
fn play(
    mut room: Room,
    receiver: &Receiver,
    mut embedded: Option<Embedded>,
    keyboard: &Keyboard,
    screen: &mut Screen,
) -> Result<(), Box<dyn Error>> {
    let mut frames = Frames::start();
    let mut me = Steering::default();
    loop {
        let now = frames.next();
        // Input: the keys since the last frame.
        for input in keyboard.try_iter() {
            match input {
                Input::Quit => return Ok(()),
                Input::Demo(change) => {
                    if let Some(embedded) = &mut embedded {
                        embedded.change(change, now)?;
                    }
                }
                Input::Push { x, y } => me.push(x, y),
                Input::Pointer { column, row } => me.put(screen.position_of(column, row)),
                Input::Size { columns, rows } => screen.resize(columns, rows),
            }
        }
        // The notifications since the last frame. This does not block.
        for notification in receiver.try_iter() {
            room.take(&notification, now);
        }
        // Update: sends the player's position to the others, as often as the server allows.
        room.send_position(me.step(frames::LENGTH), now);
        if let Some(embedded) = &mut embedded {
            embedded.update(now)?;
        }
        // Draw.
        screen.draw(&room.field, now)?;
    }
}

/// The embedded server and its computer players, all in this process.
struct Embedded {
    arena: Arena,
    crowd: Crowd,
}

impl Embedded {
    fn start(players: usize) -> Result<Self, Box<dyn Error>> {
        let arena = Arena::start()?;
        let mut crowd = Crowd::new(Instant::now());
        (0..players).try_for_each(|_| crowd.come(&arena))?;
        Ok(Self { arena, crowd })
    }

    fn change(&mut self, change: Change, now: Instant) -> Result<(), Box<dyn Error>> {
        match change {
            Change::Cut => self.arena.cut(OUTAGE, now),
            Change::Come => self.crowd.come(&self.arena)?,
            Change::Leave => self.crowd.leave(),
        }
        Ok(())
    }

    fn update(&mut self, now: Instant) -> io::Result<()> {
        self.crowd.update(now);
        self.arena.update(now)
    }
}

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let outcome = match arguments::parse(args) {
        Ok(Command::Help) => writeln!(io::stdout(), "{}", arguments::USAGE).map_err(Into::into),
        Ok(Command::Headless { players, frames }) => headless::run(players, frames),
        Ok(Command::Play(invitation)) => interact(&invitation),
        Err(reason) => return complain(&format!("{reason}\n\n{}", arguments::USAGE), 2),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), 1),
    }
}

fn complain(reason: &str, code: u8) -> ExitCode {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "cursors: {reason}");
    ExitCode::from(code)
}

/// Sets up the main loop, and restores the terminal afterwards.
fn interact(invitation: &Invitation) -> Result<(), Box<dyn Error>> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err("standard input and output are not a terminal; without one, use --headless".into());
    }
    let me = Profile::new(&invitation.name, Colour::of(0));
    // The name alone is not enough: two players called Ann would be one member.
    let id = format!("{}-{}", me.name, process::id());
    let (config, embedded) = match &invitation.server {
        Server::Embedded { players } => {
            let embedded = Embedded::start(*players)?;
            (embedded.arena.config(&id, &me), Some(embedded))
        }
        Server::Remote(remote) => (remote.config(&id, &me), None),
    };
    let help = if embedded.is_some() { HELP_EMBEDDED } else { HELP };
    let (room, receiver) = Room::join(config, me)?;
    let terminal = Terminal::enter()?;
    let mut screen = Screen::new(terminal.columns, terminal.rows, help);
    play(room, &receiver, embedded, &Keyboard::start()?, &mut screen)?;
    drop(terminal);
    Ok(())
}
