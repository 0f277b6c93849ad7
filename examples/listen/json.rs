//! Output for programs: one JSON object a line.

use std::{
    borrow::Cow,
    io::{self, Write},
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionStateChange, Event};
use serde::Serialize;

use crate::{
    clock::Utc,
    output::{Notice, Output},
    terminal,
};

/// The output of `--json`.
pub(crate) struct Json;

/// A line of standard output.
#[derive(Serialize)]
struct EventLine<'a> {
    time: String,
    channel: Option<&'a str>,
    event: &'a str,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

/// A line of standard error. Its fields depend on the state.
#[derive(Serialize, Default)]
struct StatusLine<'a> {
    time: String,
    state: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resubscribed: Option<bool>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl Output for Json {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let line = EventLine {
            time: Utc::now().date_and_time(),
            channel: event.channel(),
            event: event.name(),
            data: event.data(),
            user_id: event.user_id(),
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(text_of(&line)?.as_bytes())?;
        stdout.flush()
    }

    fn state(&mut self, change: &ConnectionStateChange) {
        StatusLine {
            attempt: Some(change.attempt),
            retry_in: change.retry_in.map(|delay| delay.as_secs_f64()),
            cause: change.cause.as_ref().map(ToString::to_string),
            ..StatusLine::new(change.current.to_string())
        }
        .write();
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        StatusLine::of(notice).write();
    }

    fn refresh(&mut self, _now: Instant) -> Option<Duration> {
        None
    }
}

impl<'a> StatusLine<'a> {
    fn new(state: impl Into<Cow<'a, str>>) -> Self {
        Self { time: Utc::now().date_and_time(), state: state.into(), ..Self::default() }
    }

    fn of(notice: &Notice<'a>) -> Self {
        match notice {
            Notice::Subscribed(success) => Self {
                channel: Some(&success.channel),
                resubscribed: Some(success.resubscribed),
                gap: success.gap.map(|gap| gap.as_secs_f64()),
                ..Self::new("subscribed")
            },
            Notice::SubscriptionError(failure) => Self {
                channel: failure.channel.as_deref(),
                cause: Some(failure.error.to_string()),
                ..Self::new("subscription_error")
            },
            Notice::Error(error) => Self { cause: Some(error.to_string()), ..Self::new("error") },
            Notice::Lagged(dropped) => Self { dropped: Some(*dropped), ..Self::new("lagged") },
            Notice::Timeout(cause) => Self { cause: Some((*cause).to_owned()), ..Self::new("timeout") },
        }
    }

    fn write(&self) {
        if let Ok(text) = text_of(self) {
            // If standard error is closed, the events go on.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}

/// The text of a line, with its end. JSON escapes only the control characters of ASCII, and the line may be shown on a
/// terminal.
fn text_of(line: &impl Serialize) -> io::Result<String> {
    Ok(terminal::ascii_escaped(&serde_json::to_string(line)?) + "\n")
}
