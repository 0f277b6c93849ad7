//! The abilities of the terminal, and the characters that must not reach it.

use std::{
    borrow::Cow,
    env,
    fmt::Write as _,
    fs::File,
    io::IsTerminal,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The width of a terminal that does not report it.
const USUAL_WIDTH: usize = 80;

/// How often the terminal is asked for its width, so that the program notices a resized window without a process per
/// event.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Text without characters that control the terminal. Publishers of events could otherwise control the user's screen.
///
/// ASCII and C1 controls are escaped as in a Rust literal, and so are the characters that reverse or break a line.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// The same for JSON text. Its value does not change.
pub(crate) fn ascii_escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_hostile(c) {
            // All of these characters are below U+10000, and JSON has none outside strings.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn is_hostile(c: char) -> bool {
    let breaks_lines = matches!(c, '\u{2028}' | '\u{2029}');
    let reverses = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || breaks_lines || reverses
}

/// The style of a part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Dim,
    Cyan,
    Green,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("\x1b[2m"),
            Self::Cyan => Some("\x1b[36m"),
            Self::Green => Some("\x1b[32m"),
        }
    }
}

/// One line of these parts, which must be printable. A line of more than `width` characters is cut, and ends in an
/// ellipsis.
///
/// A character counts as one column, which is too few for East Asian scripts and emoji. Such lines wrap.
pub(crate) fn line(parts: &[(Style, &str)], width: Option<usize>, colours: bool) -> String {
    let length: usize = parts.iter().map(|(_, text)| text.chars().count()).sum();
    let cut_at = width.filter(|width| length > *width).map(|width| width.saturating_sub(1));
    let mut room = cut_at.unwrap_or(length);
    let mut line = String::new();
    for (style, text) in parts {
        let shown: String = text.chars().take(room).collect();
        room -= shown.chars().count();
        match style.code().filter(|_| colours && !shown.is_empty()) {
            Some(code) => line.extend([code, &shown, "\x1b[0m"]),
            None => line.push_str(&shown),
        }
    }
    if cut_at.is_some() {
        line.push('…');
    }
    line
}

/// Whether a line of this stream can be redrawn in place.
pub(crate) fn is_capable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether to use colours on this stream, by the convention of no-color.org.
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    is_capable(stream) && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The width of the terminal: by `COLUMNS`, else by `stty`, else 80.
pub(crate) struct Width {
    columns: usize,
    /// The time at which `stty` was last run; `None` if `COLUMNS` is set.
    asked: Option<Instant>,
}

impl Width {
    pub(crate) fn detect(now: Instant) -> Self {
        match env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0) {
            Some(columns) => Self { columns, asked: None },
            None => Self { columns: stty_columns().unwrap_or(USUAL_WIDTH), asked: Some(now) },
        }
    }

    /// Whether the user has set the width. It then holds for other outputs than a terminal, too.
    pub(crate) fn is_set(&self) -> bool {
        self.asked.is_none()
    }

    pub(crate) fn columns(&mut self, now: Instant) -> usize {
        if self.asked.is_some_and(|asked| asked + ASKED_EVERY <= now) {
            *self = Self { columns: stty_columns().unwrap_or(self.columns), asked: Some(now) };
        }
        self.columns
    }
}

/// Runs `stty`, because the standard library cannot ask for the width without `unsafe`.
fn stty_columns() -> Option<usize> {
    // `stty` uses its standard input, which for this program may be something else than the terminal.
    let terminal = File::open("/dev/tty").ok()?;
    let answer = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    columns_of(&String::from_utf8(answer.stdout).ok()?)
}

/// The second number of `ROWS COLUMNS`. A terminal without a size, such as a serial line, reports 0.
fn columns_of(size: &str) -> Option<usize> {
    size.split_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_text_is_not() {
        assert!(matches!(printable("żółw 日本 {\"a\":1}"), Cow::Borrowed(_)));
        assert_eq!(printable("a\x1b[2J\r\n\tb"), "a\\u{1b}[2J\\r\\n\\tb");
        assert_eq!(printable("\u{9b}31m\u{7f}\0"), "\\u{9b}31m\\u{7f}\\u{0}");
        assert_eq!(printable("abc\u{202e}fed\u{2028}"), "abc\\u{202e}fed\\u{2028}");
    }

    #[test]
    fn a_json_text_keeps_its_value() {
        let json = r#"{"a":"ż"}"#;
        assert_eq!(ascii_escaped(json), json);
        assert_eq!(ascii_escaped("\"\u{9b}\u{202e}\u{7f}\""), r#""\u009b\u202e\u007f""#);
    }

    #[test]
    fn a_line_is_cut_at_the_width_by_characters() {
        let parts = [(Style::Dim, "12:00"), (Style::Plain, " "), (Style::Green, "żółw")];
        assert_eq!(line(&parts, None, false), "12:00 żółw");
        assert_eq!(line(&parts, Some(10), false), "12:00 żółw");
        assert_eq!(line(&parts, Some(9), false), "12:00 żó…");
        assert_eq!(line(&parts, Some(4), false), "12:…");
        assert_eq!(line(&parts, Some(1), false), "…");
    }

    #[test]
    fn colours_take_no_width() {
        let parts = [(Style::Dim, "12:00"), (Style::Plain, " "), (Style::Green, "tick")];
        assert_eq!(line(&parts, Some(10), true), "\x1b[2m12:00\x1b[0m \x1b[32mtick\x1b[0m");
        assert_eq!(line(&parts, Some(6), true), "\x1b[2m12:00\x1b[0m…");
    }

    #[test]
    fn stty_reports_rows_and_columns() {
        assert_eq!(columns_of("24 132\n"), Some(132));
        assert_eq!(columns_of("0 0\n"), None);
        assert_eq!(columns_of(""), None);
    }
}
