//! A server on which programs of any language can be tried: it lives, cuts its connections, and tells what it has seen.
//!
//! ```text
//! cargo run --example playground -- ./poll                 # runs a program against it
//! cargo run --example playground -- --seconds 120 python3 demo.py
//! cargo run --example playground                           # prints the variables, and serves until it is ended
//! ```
//!
//! The program finds the server by the [environment](environment::variables). It is to subscribe to `news`,
//! `private-orders` and `presence-kitchen`, on each of which something is [published](life::Life) twenty times a
//! second, and to say `client-hello` on the last, where [Ann](ann::Ann) answers by `client-welcome`. A second later all
//! connections are cut, and the program is to come back. When it has ended, a [verdict](verdict::verdict) tells what of
//! this the server has seen.

mod ann;
mod environment;
mod life;
mod options;
mod program;
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
use life::Life;
use options::Command;
use program::{End, Program};

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

/// Standard output is the program's.
fn say(line: &str) {
    // Where standard error is closed, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "playground: {line}");
}

/// Runs the program to its end, and tells what it has done. The exit code is the program's, unless it did too little.
fn run(command: &[OsString], time: Duration) -> Result<u8, Box<dyn Error>> {
    let server = environment::server()?;
    let ann = Ann::enter(&server)?;
    let mut program = Program::start(command, environment::variables(&server), time)?;
    let mut life = Life::new(&server, &ann);
    let end = loop {
        life.go_on();
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
        // A code beyond these is of Windows alone, and would come out as another one.
        End::Code(code) if code != 0 => u8::try_from(code).unwrap_or(1),
        _ => 1,
    })
}

/// Serves programs that others start, until somebody ends this one.
fn serve() -> Result<u8, Box<dyn Error>> {
    let server = environment::server()?;
    let ann = Ann::enter(&server)?;
    for (name, value) in environment::variables(&server) {
        writeln!(io::stdout(), "export {name}={value}")?;
    }
    let mut life = Life::new(&server, &ann);
    loop {
        life.go_on();
    }
}
