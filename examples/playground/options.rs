//! The command line.

use std::{ffi::OsString, time::Duration};

/// The text that `--help` prints.
pub(crate) const USAGE: &str = "\
playground: a server to try programs of any language with.

  playground [--seconds N] [--] PROGRAM ARG...
                       runs the program, and reports what it has done; kills it after N seconds, 60 by default
  playground           prints the environment variables in the syntax of a shell, and serves until it is killed
  playground --help    this text

The program finds the server by PUSHER_URL, or by PUSHER_HOST, PUSHER_PORT (without TLS) and PUSHER_KEY; for permissions
there are PUSHER_SECRET, PUSHER_AUTH_ENDPOINT and PUSHER_USER_AUTH_ENDPOINT, whose parameter user_id names the user. On
news, private-orders and presence-kitchen an event named published comes twenty times a second. Ann is in
presence-kitchen, and answers client-hello with client-welcome. A second later all connections are cut, and the
program should reconnect.

Exit codes: the program's; 1 if a step is missing, or the program was killed or could not be started; 2 wrong option.";

/// The command that the options stand for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Run {
        /// The name of the program, and its arguments.
        command: Vec<OsString>,
        time: Duration,
    },
    Serve,
}

const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// Parses the arguments, without this program's name. An error is one line that names the expected value.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let mut time = None;
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--seconds") if time.is_some() => return Err("--seconds is given twice".to_owned()),
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
    let value = value.ok_or("--seconds needs a number from 1")?;
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("--seconds needs a number from 1, got {value:?}")),
    }
}

fn command(command: Vec<OsString>, time: Option<Duration>) -> Result<Command, String> {
    match (command.is_empty(), time) {
        (true, Some(_)) => Err("--seconds needs a program".to_owned()),
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
    fn arguments_after_the_program_belong_to_it() {
        assert_eq!(parsed("./poll"), run(&["./poll"], 60));
        assert_eq!(parsed("--seconds 7 sh -c x --seconds"), run(&["sh", "-c", "x", "--seconds"], 7));
        assert_eq!(parsed("-- --odd --help"), run(&["--odd", "--help"], 60));
        assert_eq!(parsed("--seconds 7 -- x --"), run(&["x", "--"], 7));
    }

    #[test]
    fn without_a_program_the_server_serves() {
        assert_eq!(parsed(""), Ok(Command::Serve));
        assert_eq!(parsed("--"), Ok(Command::Serve));
        assert_eq!(parsed("--seconds 7"), Err("--seconds needs a program".to_owned()));
    }

    #[test]
    fn an_error_is_one_line() {
        for line in ["--colour", "-x", "--seconds", "--seconds 0", "--seconds x p", "--seconds 1 --seconds 1 p"] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains('-') && !error.contains(char::is_control), "{error}");
        }
        assert!(USAGE.lines().all(|line| line.len() <= 120));
    }
}
