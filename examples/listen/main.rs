//! The `tail -f` of Pusher: prints one line per event, and the state of the connection.
//!
//! ```text
//! cargo run --example listen                                          # the embedded server, which ticks on `demo`
//! cargo run --example listen -- --key KEY --cluster eu --channel news # an app of the hosted service
//! cargo run --example listen -- --help                                # the rest
//! ```
//!
//! The main loop is that of a program that does something else while it waits for events (here: it counts down to the
//! next attempt to connect): a [`Receiver`] with a timeout. See [`Listener::listen`].

mod clock;
mod demo;
mod json;
mod options;
mod output;
mod status;
mod terminal;
mod text;

use std::{
    collections::HashSet,
    env,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, Error, Event, Notification, Pusher, Receiver, RecvTimeoutError};

use demo::Demo;
use json::Json;
use options::{Command, Options};
use output::{Notice, Output};
use text::Text;

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let outcome = match options::parse(args) {
        Ok(Command::Help) => writeln!(io::stdout(), "{}", options::USAGE).map_err(Failure::from),
        Ok(Command::Listen(options)) => run(&options),
        Err(reason) => Err(Failure::WrongOption(reason)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    // Declared before the client, so that it is dropped after it.
    let demo;
    let config = match options.server.config() {
        Some(config) => config,
        None => {
            demo = Demo::start(options::DEMO_CHANNEL)
                .map_err(|error| Failure::Other(format!("embedded server: {error}")))?;
            demo.config()
        }
    };
    let pusher = Pusher::new(config);
    // A receiver gets only the notifications that come after it was made, so that it is made first.
    let receiver = pusher.receiver();
    for channel in &options.channels {
        pusher.subscribe(channel)?;
    }
    let output: Box<dyn Output> = if options.json { Box::new(Json) } else { Box::new(Text::detect()) };
    let mut listener = Listener::new(options, &pusher, receiver, output);
    // Unlike `connect`, this also works with a server that is not up yet.
    pusher.connect_background()?;
    listener.listen()
}

/// The main loop and its state.
struct Listener<'a> {
    options: &'a Options,
    pusher: &'a Pusher,
    receiver: Receiver,
    output: Box<dyn Output>,
    received: u64,
    /// The channels that the server or the client has refused.
    refused: HashSet<String>,
    /// The end of the time of `--timeout`.
    deadline: Option<Instant>,
}

impl<'a> Listener<'a> {
    fn new(options: &'a Options, pusher: &'a Pusher, receiver: Receiver, output: Box<dyn Output>) -> Self {
        // A time beyond the range of the clock is no deadline.
        let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { options, pusher, receiver, output, received: 0, refused: HashSet::new(), deadline }
    }

    /// Takes one notification after another. Also wakes up when a line must be redrawn or the time is over.
    fn listen(&mut self) -> Result<(), Failure> {
        while !self.is_complete() {
            if self.is_time_over() {
                return self.time_is_over();
            }
            let patience = self.patience();
            match self.receiver.recv_timeout(patience) {
                Ok(notification) => self.take(&notification)?,
                Err(RecvTimeoutError::Timeout) => {}
                // A receiver closes with the client's last handle, and this function has a `Pusher`.
                Err(RecvTimeoutError::Closed) => return Err(Error::Disconnected.into()),
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.options.count.is_some_and(|count| self.received >= count)
    }

    fn is_time_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// The time to wait for the next notification.
    fn patience(&mut self) -> Duration {
        let now = Instant::now();
        let until_deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        // While more events wait, the line is not drawn, because each event would clear it again.
        let until_redraw = if self.receiver.is_empty() { self.output.refresh(now) } else { None };
        [until_deadline, until_redraw].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    fn take(&mut self, notification: &Notification) -> Result<(), Failure> {
        match notification {
            Notification::Event(event) => self.take_event(event)?,
            Notification::ConnectionStateChange(change) => {
                self.output.state(change);
                if change.current == ConnectionState::Failed {
                    return Err(Failure::Reported);
                }
            }
            Notification::SubscriptionSucceeded(success) => {
                self.refused.remove(&*success.channel);
                self.output.notice(&Notice::Subscribed(success));
            }
            Notification::SubscriptionError(failure) => {
                self.output.notice(&Notice::SubscriptionError(failure));
                self.refused.extend(failure.channel.as_ref().map(|channel| channel.to_string()));
                if self.options.channels.iter().all(|channel| self.refused.contains(channel)) {
                    // No event can arrive.
                    return Err(Failure::Reported);
                }
            }
            Notification::Error(error) => self.output.notice(&Notice::Error(error)),
            Notification::Lagged(dropped) => self.output.notice(&Notice::Lagged(*dropped)),
            // The enum grows with the protocol. The program ignores kinds that it does not know.
            _ => {}
        }
        Ok(())
    }

    fn take_event(&mut self, event: &Event) -> io::Result<()> {
        let wanted = &self.options.events;
        if wanted.is_empty() || wanted.iter().any(|name| name == event.name()) {
            self.output.event(event)?;
            self.received += 1;
        }
        Ok(())
    }

    /// Without `--count`, one event is enough.
    fn time_is_over(&mut self) -> Result<(), Failure> {
        if self.options.count.is_none() && self.received > 0 {
            return Ok(());
        }
        let time = self.options.timeout.unwrap_or_default();
        let cause = format!(
            "got {} of {} events within {time:?}; the connection is {}",
            self.received,
            self.options.count.unwrap_or(1),
            self.pusher.state()
        );
        self.output.notice(&Notice::Timeout(&cause));
        Err(Failure::Reported)
    }
}

/// The reason for an exit code.
enum Failure {
    /// The arguments are wrong.
    WrongOption(String),
    /// An error that the user does not know yet.
    Other(String),
    /// An error that the output has shown already.
    Reported,
    /// The reader of the output has ended, as with `listen | head`. That is a normal end.
    OutputClosed,
}

impl Failure {
    fn report(&self) -> ExitCode {
        // If standard error is closed, there is nowhere to report that.
        if let Self::WrongOption(message) | Self::Other(message) = self {
            let line = format!("listen: {}\n", terminal::printable(message));
            let _ = io::stderr().write_all(line.as_bytes());
        }
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Other(_) | Self::Reported => ExitCode::from(1),
            Self::WrongOption(_) => ExitCode::from(2),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Config { .. } | Error::ChannelName { .. } => Self::WrongOption(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// An error of standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Other(format!("standard output: {error}")),
        }
    }
}
