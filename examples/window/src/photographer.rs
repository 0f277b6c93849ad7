//! Takes the picture that stands beside this package: everybody in motion, and one who has just left.

use std::{
    error::Error,
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use macroquad::{prelude::next_frame, texture::get_screen_data};

use crate::{COMPUTER_PLAYERS, Game, canvas::Canvas, game::walk};

/// When everybody has a trail, and nobody covers anybody else.
const LEAVES_AFTER: Duration = Duration::from_millis(2600);

/// So that the one who left is grey, and still has a trail.
const PICTURE_AFTER: Duration = Duration::from_millis(200);

/// Longer than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Along which curve the player moves, whom no mouse moves.
const WALK: usize = 8;

/// Plays until somebody has left, and saves what is to be seen then.
///
/// # Errors
///
/// When the players do not come, or the file cannot be written.
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
                // The only frame that is drawn. A slow renderer, as in software, does not hold the game up on the way
                // here.
                canvas.draw(&game.room.field, now);
                return Ok(save_screen(file)?);
            }
            _ if PATIENCE <= time => return Err(format!("no picture: {}", game.room.field.status(now)).into()),
            _ => next_frame().await,
        }
    }
}

fn save_screen(file: &Path) -> io::Result<()> {
    // Told here, because saving the image does not tell what goes wrong.
    File::create(file)?;
    let mut picture = get_screen_data();
    // What the screen ignores, a PNG would show as holes.
    picture.bytes.chunks_exact_mut(4).for_each(|pixel| pixel[3] = u8::MAX);
    picture.export_png(&file.to_string_lossy());
    Ok(())
}
