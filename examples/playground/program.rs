//! The program that runs with the server.

use std::{
    ffi::OsString,
    fmt, io,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

/// A running program. It is killed when its time is over, or when this value is dropped.
pub(crate) struct Program {
    child: Child,
    time: Duration,
    started: Instant,
}

/// The end of a program.
pub(crate) enum End {
    Code(i32),
    /// By a signal.
    Abnormal(ExitStatus),
    Killed {
        after: Duration,
    },
}

impl Program {
    pub(crate) fn start(
        command: &[OsString],
        variables: impl IntoIterator<Item = (&'static str, String)>,
        time: Duration,
    ) -> Result<Self, String> {
        let (name, args) = command.split_first().ok_or("there is no program")?;
        let child = Command::new(name).args(args).envs(variables).spawn();
        let child = child.map_err(|error| format!("cannot start {name:?}: {error}"))?;
        Ok(Self { child, time, started: Instant::now() })
    }

    /// The end of the program; `None` while it runs.
    pub(crate) fn end(&mut self) -> io::Result<Option<End>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status.code().map_or(End::Abnormal(status), End::Code)));
        }
        if self.started.elapsed() < self.time {
            return Ok(None);
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(Some(End::Killed { after: self.time }))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both calls fail if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the program has ended with {code}"),
            Self::Abnormal(status) => write!(f, "the program has ended by {status}"),
            Self::Killed { after } => write!(f, "the program had not ended after {after:?}, and was killed"),
        }
    }
}
