//! A server to try programs of any language with: it publishes, cuts its connections, and reports what it has received.
//!
//! ```text
//! cargo run --example playground -- ./poll                 # runs a program with the server
//! cargo run --example playground -- --seconds 120 python3 demo.py
//! cargo run --example playground                           # prints the variables, and serves until it is killed
//! ```
//!
//! The program finds the server by the [environment](environment::variables). It should subscribe to `news`,
//! `private-orders` and `presence-kitchen`, on each of which an event is [published](script::Script) twenty times a
//! second. It should send `client-hello` on the last channel, where [Ann](ann::Ann) answers with `client-welcome`. A
//! second later, all connections are cut, and the program should reconnect. When it has ended, a
//! [verdict](verdict::verdict) says which of these
//! steps the server has seen.

mod ann;
mod environment;
mod options;
mod program;
mod script;
mod verdict;

use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use ann::Ann;
use options::Command;
use program::{End, Program};
use script::Script;

fn main() -> ExitCode {
    let outcome = match options::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => writeln!(io::stdout(), "{}", options::USAGE).map(|()| 0).map_err(Into::into),
        Ok(Command::Run { command, time }) => run(&command, time),
        Ok(Command::Serve) => serve(),
        Err(reason) => {
            say(&reason);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(1)
        }
    }
}

/// Prints a line. Standard output belongs to the program.
fn say(line: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "playground: {line}");
}

/// Runs the program to its end, and reports what it has done. Returns the exit code of the program, or 1 if a step is
/// missing.
fn run(command: &[OsString], time: Duration) -> Result<u8, Box<dyn Error>> {
    let server = environment::server()?;
    let ann = Ann::enter(&server)?;
    let mut program = Program::start(command, environment::variables(&server), time)?;
    let mut script = Script::new(&server, &ann);
    let end = loop {
        script.step();
        if let Some(end) = program.end()? {
            break end;
        }
    };
    say(&end.to_string());
    drop(ann);
    let mut is_complete = true;
    for finding in verdict::verdict(&server) {
        is_complete &= finding.is_seen;
        say(&finding.to_string());
    }
    Ok(match end {
        End::Code(0) if is_complete => 0,
        // Larger codes exist only on Windows. An exit code here has one byte.
        End::Code(code) if code != 0 => u8::try_from(code).unwrap_or(1),
        _ => 1,
    })
}

/// Serves programs that are started elsewhere, until this one is killed.
fn serve() -> Result<u8, Box<dyn Error>> {
    let server = environment::server()?;
    let ann = Ann::enter(&server)?;
    for (name, value) in environment::variables(&server) {
        writeln!(io::stdout(), "export {name}={value}")?;
    }
    let mut script = Script::new(&server, &ann);
    loop {
        script.step();
    }
}
