//! The command line.

use std::{ffi::OsString, path::PathBuf};

/// The text that `--help` prints.
pub(crate) const USAGE: &str = "\
cursors-window: everybody's cursor on one field, in a window.

  --screenshot FILE   plays for some seconds, saves a picture as PNG, and ends
  --help              this text

The mouse moves, c cuts the connections, Escape quits.
Exit codes: 0 success, 1 failure, 2 wrong option.";

/// The command that the options stand for.
pub(crate) enum Command {
    Help,
    Play(Options),
}

pub(crate) struct Options {
    pub(crate) screenshot: Option<PathBuf>,
}

/// Parses the arguments, without the program's name. An error is one line that names the expected value.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut screenshot = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--screenshot") => {
                let file = args.next().ok_or("--screenshot needs a file")?;
                screenshot = Some(PathBuf::from(file));
            }
            _ => return Err(format!("expected --screenshot FILE or --help, got {arg:?}")),
        }
    }
    Ok(Command::Play(Options { screenshot }))
}
