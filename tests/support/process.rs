//! Examples that run as processes of their own.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::Child,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// The longest time that a process may run. Only in a failing test it runs for this time.
const WATCHDOG: Duration = Duration::from_secs(30);

/// The path of an example: this test is `target/PROFILE/deps/TEST-HASH`, the example `target/PROFILE/examples/NAME`.
///
/// `cargo test` builds the examples, too. `cargo test --test TEST` does not, and runs the programs that `cargo build
/// --examples` has built before.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("target/PROFILE");
    profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// A process that is killed when this value is dropped.
pub(crate) struct KilledOnDrop(pub(crate) Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a pipe. A thread reads them, so that a test can wait for them with a deadline.
pub(crate) struct Lines {
    lines: Receiver<String>,
    deadline: Instant,
}

impl Lines {
    pub(crate) fn read(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // `lines` would hide a carriage return.
            for line in BufReader::new(pipe).split(b'\n') {
                let line = String::from_utf8(line.expect("a readable pipe")).expect("UTF-8");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, deadline: Instant::now() + WATCHDOG }
    }

    /// The next line; `None` after the end of the pipe.
    pub(crate) fn next(&self) -> Option<String> {
        match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the example is still running after {WATCHDOG:?}"),
        }
    }

    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
