//! Output for people: one line per event, and a status line below them.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, ConnectionStateChange, Event};

use crate::{
    clock::Utc,
    output::{Notice, Output},
    status::{Situation, StatusLine},
    terminal::{self, Style, Width},
};

/// The output without `--json`.
pub(crate) struct Text {
    width: Width,
    /// Whether lines of events are cut. Output into another program is cut only if `COLUMNS` is set.
    cut: bool,
    colours: bool,
    /// `None` if lines cannot be redrawn in place. Each change then gets a line of its own.
    status: Option<StatusLine>,
}

impl Text {
    /// Chooses the form of the output by its destination.
    pub(crate) fn detect() -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let width = Width::detect(Instant::now());
        let cut = stdout.is_terminal() || width.is_set();
        let status = terminal::is_capable(&stderr).then(|| StatusLine::new(terminal::has_colours(&stderr)));
        Self { width, cut, colours: terminal::has_colours(&stdout), status }
    }

    /// Writes a permanent line to standard error.
    fn tell(&mut self, message: &str) {
        self.clear_status();
        // If standard error is closed, the events go on.
        let line = format!("listen: {}\n", terminal::printable(message));
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn clear_status(&mut self) {
        if let Some(status) = &mut self.status {
            status.clear();
        }
    }
}

impl Output for Text {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let width = self.cut.then(|| self.width.columns(Instant::now()));
        let line = event_line(event, width, self.colours);
        self.clear_status();
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.flush()
    }

    fn state(&mut self, change: &ConnectionStateChange) {
        let situation = Situation::of(change, Instant::now());
        match &mut self.status {
            // The last state stays when the status line is cleared.
            Some(status) if change.current != ConnectionState::Failed => status.set(situation),
            _ => self.tell(&situation.text(Instant::now())),
        }
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        self.tell(&notice_text(notice));
    }

    fn refresh(&mut self, now: Instant) -> Option<Duration> {
        let status = self.status.as_mut()?;
        status.refresh(self.width.columns(now), now)
    }
}

/// Time, channel, event name and data, with the end of the line.
fn event_line(event: &Event, width: Option<usize>, colours: bool) -> String {
    let time = Utc::now().to_string();
    let [channel, name, data] = [event.channel().unwrap_or("-"), event.name(), event.data()].map(terminal::printable);
    let gap = (Style::Plain, "  ");
    let time = (Style::Dim, time.as_str());
    let parts = [time, gap, (Style::Cyan, &channel), gap, (Style::Green, &name), gap, (Style::Plain, &data)];
    terminal::line(&parts, width, colours) + "\n"
}

fn notice_text(notice: &Notice<'_>) -> String {
    match notice {
        Notice::Subscribed(success) => match success.gap.filter(|_| success.resubscribed) {
            Some(gap) => {
                format!("subscribed to {} again; events of {:.1} s are lost", success.channel, gap.as_secs_f64())
            }
            None => format!("subscribed to {}", success.channel),
        },
        Notice::SubscriptionError(failure) => failure.error.to_string(),
        Notice::Error(error) => error.to_string(),
        Notice::Lagged(dropped) => format!("too slow: {dropped} events were dropped"),
        Notice::Timeout(cause) => (*cause).to_owned(),
    }
}
