//! A child process whose output is read while it runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// The longest wait for anything. The reconnect takes longest: its delay doubles from up to 1 s with each attempt that
/// fails while the server starts, which takes seconds on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A child process. It is killed when this value is dropped. If the test has failed by then, its last lines are
/// printed.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    /// `None` after its input was closed.
    stdin: Option<mpsc::Sender<String>>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    /// Starts the command. Its input comes from [`send`](Self::send).
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        let (sender, input) = mpsc::channel::<String>();
        // Another thread writes, because a child that hangs would block the writer. Errors are ignored, because the
        // exit status of the child says more.
        thread::spawn(move || input.iter().try_for_each(|text| stdin.write_all(text.as_bytes())));
        let stdout = Output::read(child.stdout.take().unwrap());
        let stderr = Output::read(child.stderr.take().unwrap());
        Self { name, child, stdin: Some(sender), stdout, stderr }
    }

    /// Sends a text to the process. Does not wait until it is read.
    pub(crate) fn send(&self, text: String) {
        // This fails if the process has ended, and the test then misses its output.
        let _ = self.stdin.as_ref().expect("its input has not ended").send(text);
    }

    /// Closes its input, and waits until it exits.
    pub(crate) fn finish(&mut self) -> ExitStatus {
        self.stdin = None;
        let ended = self.stdout.wait_for_end() && self.stderr.wait_for_end();
        assert!(ended, "{} did not end within {DEADLINE:?}", self.name);
        self.child.wait().unwrap()
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        // Both fail only if the process has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            for (stream, output) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
                output.wait_for_end();
                eprintln!("--- last lines of {stream} of {}:\n{}", self.name, output.excerpt());
            }
        }
    }
}

/// The output of a process to one of its streams, by lines.
pub(crate) struct Output {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Default)]
struct Text {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn read(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                writer.text.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                writer.changed.notify_all();
            }
            writer.text.lock().ended = true;
            writer.changed.notify_all();
        });
        Self { shared }
    }

    /// Waits until the condition holds for the lines so far. Returns false if the stream or the time ends before.
    pub(crate) fn wait_until(&self, mut condition: impl FnMut(&[String]) -> bool) -> bool {
        let mut text = self.shared.text.lock();
        self.wait_while(&mut text, |text| !text.ended && !condition(&text.lines));
        condition(&text.lines)
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.text.lock().lines.clone()
    }

    /// The last lines, cut to 300 characters each, because some events have thousands.
    fn excerpt(&self) -> String {
        let text = self.shared.text.lock();
        let start = text.lines.len().saturating_sub(30);
        text.lines[start..].iter().map(|line| line.chars().take(300).chain(['\n']).collect::<String>()).collect()
    }

    fn wait_for_end(&self) -> bool {
        let mut text = self.shared.text.lock();
        self.wait_while(&mut text, |text| !text.ended);
        text.ended
    }

    fn wait_while(&self, text: &mut parking_lot::MutexGuard<'_, Text>, condition: impl FnMut(&mut Text) -> bool) {
        self.shared.changed.wait_while_until(text, condition, Instant::now() + DEADLINE);
    }
}
