//! The command line.

use std::{ffi::OsString, time::Duration};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
playground: a server on which programs of any language can be tried.

  playground [--seconds N] [--] PROGRAM ARG...
                       runs the program, and tells what it has done; kills it after N seconds, 60 by default
  playground           prints the environment variables as a shell understands them, and serves until it is ended
  playground --help    this text

The program finds the server by PUSHER_URL, or by PUSHER_HOST, PUSHER_PORT (without TLS) and PUSHER_KEY; for permissions
there are PUSHER_SECRET, PUSHER_AUTH_ENDPOINT and PUSHER_USER_AUTH_ENDPOINT, whose parameter user_id names the user. On
news, private-orders and presence-kitchen there is an event named published, twenty times a second. Ann is in
presence-kitchen, and answers client-hello by client-welcome. A second after that all connections are cut, and the
program is to come back.

Exit codes: the program's; 1 when it did too little, was killed, or could not be started; 2 wrong option.";

/// What the user asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run {
        /// At least the program's name.
        command: Vec<OsString>,
        time: Duration,
    },
    Serve,
}

const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// Understands the arguments, without this program's name. An error is one line that says what was expected.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let mut time = None;
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--seconds") if time.is_some() => return Err("--seconds is wanted once, got it twice".to_owned()),
            Some("--seconds") => time = Some(seconds(args.next())?),
            Some("--") => return command(args.collect(), time),
            Some(option) if option.starts_with('-') => {
                return Err(format!("expected a program, --seconds N or --help, got {option:?}"));
            }
            _ => return command([arg].into_iter().chain(args).collect(), time),
        }
    }
    command(Vec::new(), time)
}

fn seconds(value: Option<OsString>) -> Result<Duration, String> {
    let value = value.ok_or("--seconds wants a number from 1, got none")?;
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("--seconds wants a number from 1, got {value:?}")),
    }
}

fn command(command: Vec<OsString>, time: Option<Duration>) -> Result<Command, String> {
    match (command.is_empty(), time) {
        (true, Some(_)) => Err("--seconds wants a program, got none".to_owned()),
        (true, None) => Ok(Command::Serve),
        (false, time) => Ok(Command::Run { command, time: time.unwrap_or(DEFAULT_TIME) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn run(command: &[&str], seconds: u64) -> Result<Command, String> {
        let command = command.iter().map(OsString::from).collect();
        Ok(Command::Run { command, time: Duration::from_secs(seconds) })
    }

    #[test]
    fn what_follows_the_program_is_the_programs() {
        assert_eq!(parsed("./poll"), run(&["./poll"], 60));
        assert_eq!(parsed("--seconds 7 sh -c x --seconds"), run(&["sh", "-c", "x", "--seconds"], 7));
        assert_eq!(parsed("-- --odd --help"), run(&["--odd", "--help"], 60));
        assert_eq!(parsed("--seconds 7 -- x --"), run(&["x", "--"], 7));
    }

    #[test]
    fn without_a_program_it_serves() {
        assert_eq!(parsed(""), Ok(Command::Serve));
        assert_eq!(parsed("--"), Ok(Command::Serve));
        assert_eq!(parsed("--seconds 7"), Err("--seconds wants a program, got none".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_on_one_line() {
        for line in ["--colour", "-x", "--seconds", "--seconds 0", "--seconds x p", "--seconds 1 --seconds 1 p"] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains("got") && !error.contains(char::is_control), "{error}");
        }
        assert!(USAGE.lines().all(|line| line.len() <= 120));
    }
}
