//! The cursor field of `examples/cursors` in a window: a client in the frame loop of macroquad.
//!
//! ```text
//! cargo run --manifest-path examples/window/Cargo.toml
//! examples/window/screenshot                         # takes the picture of this package, also without a screen
//! ```
//!
//! The loop is [`play`]. Its network part is a [`Room`] and the receiver that belongs to it, which [`Game::update`]
//! polls once a frame. No frame waits for the network. The whole game is that of the terminal, `examples/cursors/game`.
//! The example `cursors` also shows how to play on another server; here it is the embedded one, with computer players.

#[allow(dead_code, reason = "the terminal uses more of it")]
#[path = "../../cursors/game/mod.rs"]
mod game;

mod canvas;
mod options;
mod photographer;

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::mpsc,
    time::{Duration, Instant},
};

use macroquad::{
    Window,
    miniquad::conf::Conf,
    prelude::{KeyCode, is_key_pressed, next_frame},
};
use pusher_channels::Receiver;

use canvas::Canvas;
use game::{
    arena::Arena,
    crowd::Crowd,
    path::Position,
    profile::{Colour, Profile},
    room::Room,
};
use options::Command;

const COMPUTER_PLAYERS: usize = 4;

/// How long the embedded server is unreachable after the connections were cut.
const OUTAGE: Duration = Duration::from_millis(1500);

/// The main loop, until the window is closed.
async fn play() -> Result<(), Box<dyn Error>> {
    let canvas = Canvas::new()?;
    let mut game = Game::start()?;
    let mut position = Position::CENTRE;
    while !is_key_pressed(KeyCode::Escape) {
        let now = Instant::now();
        position = canvas.pointed_at().unwrap_or(position);
        if is_key_pressed(KeyCode::C) {
            game.arena.cut(OUTAGE, now);
        }
        game.update(position, now)?;
        canvas.draw(&game.room.field, now);
        next_frame().await;
    }
    Ok(())
}

/// A player, and the embedded server with its computer players.
struct Game {
    room: Room,
    receiver: Receiver,
    arena: Arena,
    crowd: Crowd,
}

impl Game {
    fn start() -> Result<Self, Box<dyn Error>> {
        let arena = Arena::start()?;
        let mut crowd = Crowd::new(Instant::now());
        (0..COMPUTER_PLAYERS).try_for_each(|_| crowd.come(&arena))?;
        let me = Profile::new("you", Colour::of(0));
        let (room, receiver) = Room::join(arena.config("you", &me), me)?;
        Ok(Self { room, receiver, arena, crowd })
    }

    /// Called each frame.
    fn update(&mut self, position: Position, now: Instant) -> io::Result<()> {
        // The notifications since the last frame. This does not block.
        for notification in self.receiver.try_iter() {
            self.room.take(&notification, now);
        }
        // Sends the player's position to the others, as often as the server allows.
        self.room.send_position(position, now);
        self.crowd.update(now);
        self.arena.update(now)
    }
}

fn main() -> ExitCode {
    let options = match options::parse(env::args_os().skip(1)) {
        Ok(Command::Play(options)) => options,
        Ok(Command::Help) => return show(options::USAGE),
        Err(reason) => return complain(&format!("{reason}\n\n{}", options::USAGE), 2),
    };
    let (tell, outcome) = mpsc::channel();
    Window::from_config(window(), async move {
        let outcome = match options.screenshot {
            None => play().await,
            Some(file) => photographer::take_picture(&file).await,
        };
        // The receiver is in `main`, which waits for the window.
        let _ = tell.send(outcome.map_err(|error| error.to_string()));
    });
    match outcome.try_recv() {
        Ok(Err(reason)) => complain(&reason, 1),
        // There is no outcome if the window was closed.
        Ok(Ok(())) | Err(_) => ExitCode::SUCCESS,
    }
}

fn window() -> Conf {
    Conf {
        window_title: "cursors".to_owned(),
        window_width: 800,
        window_height: 500,
        // Smooth edges.
        sample_count: 4,
        ..Conf::default()
    }
}

fn show(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("standard output: {error}"), 1),
    }
}

fn complain(reason: &str, code: u8) -> ExitCode {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "cursors-window: {reason}");
    ExitCode::from(code)
}
