//! The terminal in raw mode, by `stty`: the standard library cannot change the mode without `unsafe`.

pub(crate) mod keyboard;
pub(crate) mod screen;
pub(crate) mod steering;

use std::{
    io::{self, Write},
    panic,
    process::{Command, Stdio},
};

/// The alternate screen, without a cursor and without wrapping, and the mouse in every cell.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?1003h\x1b[?1006h\x1b[2J";

/// Undoes `ENTER`, in reverse order.
const LEAVE: &str = "\x1b[?1006l\x1b[?1003l\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal in raw mode, until it is dropped. Its settings are also restored before a panic is reported.
pub(crate) struct Terminal {
    saved: Saved,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// The settings to restore, in the format of `stty`.
#[derive(Clone)]
struct Saved(String);

impl Terminal {
    /// # Errors
    ///
    /// If there is no `stty`, or standard input is not a terminal.
    pub(crate) fn enter() -> io::Result<Self> {
        let saved = Saved(stty(&["-g"])?.trim().to_owned());
        let (rows, columns) = size_of(&stty(&["size"])?).unwrap_or((24, 80));
        // From here on, dropping the terminal restores the settings, also after an error.
        let terminal = Self { saved, columns, rows };
        terminal.restore_on_panic();
        stty(&["raw", "-echo"])?;
        write(ENTER)?;
        Ok(terminal)
    }

    /// Restores the terminal before a panic is reported. Otherwise the report would be on the alternate screen, which
    /// vanishes.
    fn restore_on_panic(&self) {
        let saved = self.saved.clone();
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            saved.restore();
            report(panic);
        }));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.saved.restore();
    }
}

impl Saved {
    fn restore(&self) {
        // If the terminal is closed, there is nothing to restore.
        let _ = write(LEAVE);
        let _ = stty(&[&self.0]);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Runs `stty` on the terminal that is the standard input of this program.
fn stty(args: &[&str]) -> io::Result<String> {
    let output = Command::new("stty").args(args).stdin(Stdio::inherit()).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("stty {}: {}", args.join(" "), output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Parses `ROWS COLUMNS`. A terminal that does not know its size reports 0.
fn size_of(answer: &str) -> Option<(usize, usize)> {
    let (rows, columns) = answer.trim().split_once(' ')?;
    Some((rows.parse().ok().filter(|rows| *rows > 0)?, columns.parse().ok().filter(|columns| *columns > 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stty_reports_rows_and_columns() {
        assert_eq!(size_of("24 132\n"), Some((24, 132)));
        assert_eq!(size_of("0 0\n"), None);
        assert_eq!(size_of(""), None);
    }

    #[test]
    fn every_mode_that_is_entered_is_left() {
        for mode in ENTER.split("\x1b[?").filter_map(|mode| mode.split_once(['h', 'l']).map(|(mode, _)| mode)) {
            assert!(LEAVE.contains(&format!("\x1b[?{mode}")), "{mode}");
        }
    }
}
