//! Takes the picture of this package: all players in motion, and one who has just left.

use std::{
    error::Error,
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use macroquad::{prelude::next_frame, texture::get_screen_data};

use crate::{COMPUTER_PLAYERS, Game, canvas::Canvas, game::walk};

/// At this time each player has a trail, and no cursor covers another.
const LEAVES_AFTER: Duration = Duration::from_millis(2600);

/// At this time the player who left is grey, and still has a trail.
const PICTURE_AFTER: Duration = Duration::from_millis(200);

/// Longer than the picture takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The number of the curve along which the player moves.
const WALK: usize = 8;

/// Plays until a player has left, and saves the picture of that moment.
///
/// # Errors
///
/// If the players do not join, or the file cannot be written.
pub(crate) async fn take_picture(file: &Path) -> Result<(), Box<dyn Error>> {
    let canvas = Canvas::new()?;
    let mut game = Game::start()?;
    let began = Instant::now();
    let mut left = None;
    loop {
        let now = Instant::now();
        let time = now - began;
        game.update(walk::position(WALK, time), now)?;
        let present = game.room.field.present();
        match left {
            None if LEAVES_AFTER <= time && present == COMPUTER_PLAYERS + 1 => {
                game.crowd.leave();
                left = Some(now);
            }
            Some(left) if left + PICTURE_AFTER <= now && present == COMPUTER_PLAYERS => {
                // No other frame is drawn, so that a slow renderer, as in software, does not delay the game.
                canvas.draw(&game.room.field, now);
                return Ok(save_screen(file)?);
            }
            _ if PATIENCE <= time => return Err(format!("no picture: {}", game.room.field.status(now)).into()),
            _ => next_frame().await,
        }
    }
}

fn save_screen(file: &Path) -> io::Result<()> {
    // This reports an error that `export_png` would hide.
    File::create(file)?;
    let mut picture = get_screen_data();
    // The screen ignores transparency. In a PNG it would be visible as holes.
    picture.bytes.chunks_exact_mut(4).for_each(|pixel| pixel[3] = u8::MAX);
    picture.export_png(&file.to_string_lossy());
    Ok(())
}
