//! The command line.

use std::{ffi::OsString, path::PathBuf};

/// The text that `--help` prints.
pub(crate) const USAGE: &str = "\
notifications: an internal notification service, run for two users against an embedded server.

  --data DIR   keeps the users' histories in this directory; defaults to a temporary one that is removed at the end
  --help       this text

Exit codes: 0 success, 1 failure, 2 wrong option.";

/// The command that the options stand for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run { data: Option<PathBuf> },
}

/// Parses the arguments, without the program's name. An error is one line that names the expected value.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut data = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--data") if data.is_some() => return Err("--data is given twice".to_owned()),
            Some("--data") => {
                let directory = args.next().filter(|directory| !directory.is_empty());
                data = Some(PathBuf::from(directory.ok_or("--data needs a directory")?));
            }
            _ => return Err(format!("expected --data DIR or --help, got {arg:?}")),
        }
    }
    Ok(Command::Run { data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn the_directory_is_an_option() {
        assert_eq!(parsed(&[]), Ok(Command::Run { data: None }));
        assert_eq!(parsed(&["--data", "/tmp/a b"]), Ok(Command::Run { data: Some("/tmp/a b".into()) }));
        assert_eq!(parsed(&["--data", "x", "--help"]), Ok(Command::Help));
    }

    #[test]
    fn an_error_is_one_line() {
        for args in [&["x"][..], &["--data"], &["--data", ""], &["--data", "a", "--data", "b"], &["--dat\na"]] {
            let error = parsed(args).expect_err("wrong");
            assert!(error.contains("--data") && !error.contains(char::is_control), "{error}");
        }
    }
}
