//! The status line of a terminal: the state of the connection, with a countdown to the next attempt.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, ConnectionStateChange};

use crate::terminal::{self, Style};

/// The countdown shows tenths of a second.
const STEP: Duration = Duration::from_millis(100);

/// A line on standard error that is redrawn in place. It must be cleared before anything else is written to the
/// terminal.
pub(crate) struct StatusLine {
    situation: Option<Situation>,
    colours: bool,
    is_drawn: bool,
}

impl StatusLine {
    pub(crate) fn new(colours: bool) -> Self {
        Self { situation: None, colours, is_drawn: false }
    }

    /// Changes the line. The next [`refresh`](Self::refresh) shows it.
    pub(crate) fn set(&mut self, situation: Situation) {
        self.clear();
        self.situation = Some(situation);
    }

    /// Removes the line from the screen until the next [`refresh`](Self::refresh).
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            write("\r\x1b[K");
        }
    }

    /// Draws the line if it is missing or counts down. Returns the time after which it must be drawn again.
    pub(crate) fn refresh(&mut self, width: usize, now: Instant) -> Option<Duration> {
        let situation = self.situation.as_ref()?;
        let counts_down = situation.retry_at.is_some_and(|at| now < at);
        if counts_down || !self.is_drawn {
            let text = format!("listen: {}", situation.text(now));
            let parts = [(Style::Dim, &*terminal::printable(&text))];
            // Many terminals wrap when the last column is written, and would keep half of the line.
            let line = terminal::line(&parts, Some(width.saturating_sub(1)), self.colours);
            write(&format!("\r{line}\x1b[K"));
            self.is_drawn = true;
        }
        counts_down.then_some(STEP)
    }
}

impl Drop for StatusLine {
    /// Leaves an empty line to the shell.
    fn drop(&mut self) {
        self.clear();
    }
}

/// Writes in one call, so that no other output comes in between. Errors are ignored.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The state of the connection.
#[derive(Debug)]
pub(crate) struct Situation {
    state: ConnectionState,
    attempt: u32,
    retry_at: Option<Instant>,
    cause: Option<String>,
}

impl Situation {
    pub(crate) fn of(change: &ConnectionStateChange, now: Instant) -> Self {
        Self {
            state: change.current,
            attempt: change.attempt,
            retry_at: change.retry_in.and_then(|delay| now.checked_add(delay)),
            cause: change.cause.as_ref().map(ToString::to_string),
        }
    }

    /// The state as text, with the remaining time at `now`.
    pub(crate) fn text(&self, now: Instant) -> String {
        let mut text = self.state.to_string();
        if !matches!(self.state, ConnectionState::Connected | ConnectionState::Failed) {
            text += &format!(", attempt {}", self.attempt);
        }
        if let Some(at) = self.retry_at {
            text += &match at.saturating_duration_since(now) {
                Duration::ZERO => " now".to_owned(),
                left => format!(" in {:.1} s", left.as_secs_f64()),
            };
        }
        if let Some(cause) = &self.cause {
            text += &format!(": {cause}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(state: ConnectionState) -> Situation {
        Situation { state, attempt: 3, retry_at: None, cause: None }
    }

    #[test]
    fn the_state_connected_has_no_attempt() {
        assert_eq!(situation(ConnectionState::Connected).text(Instant::now()), "connected");
        assert_eq!(situation(ConnectionState::Connecting).text(Instant::now()), "connecting, attempt 3");
    }

    #[test]
    fn a_refusal_has_its_cause() {
        let failed = Situation { cause: Some("code 4001".to_owned()), ..situation(ConnectionState::Failed) };
        assert_eq!(failed.text(Instant::now()), "failed: code 4001");
    }

    #[test]
    fn the_countdown_ends_at_now() {
        let start = Instant::now();
        let waiting = Situation {
            retry_at: Some(start + Duration::from_millis(1200)),
            cause: Some("connection lost".to_owned()),
            ..situation(ConnectionState::Reconnecting)
        };
        let after = |millis| waiting.text(start + Duration::from_millis(millis));
        assert_eq!(after(0), "reconnecting, attempt 3 in 1.2 s: connection lost");
        assert_eq!(after(300), "reconnecting, attempt 3 in 0.9 s: connection lost");
        assert_eq!(after(1200), "reconnecting, attempt 3 now: connection lost");
        assert_eq!(after(9000), "reconnecting, attempt 3 now: connection lost");
    }
}
