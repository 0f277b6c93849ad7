//! Draws the field in characters: with ANSI escapes, and only the rows that have changed.

use std::{
    env,
    fmt::Write as _,
    io::{self, Write},
    time::{Duration, Instant},
};

use crate::game::{
    field::{Cursor, Field, listed},
    path::Position,
    profile::{Colour, GREY},
};

/// The rows above and below the field: the list of players, and the state of the connection.
const EDGES: usize = 2;

/// How often the terminal is asked for its size, so that the program notices a resized window.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Moves the cursor to the lower right corner, and asks for its position. The answer is an input.
const ASK_FOR_SIZE: &str = "\x1b[9999;9999H\x1b[6n";

/// The contents of the terminal.
pub(crate) struct Screen {
    columns: usize,
    rows: usize,
    help: &'static str,
    has_colours: bool,
    /// The rows as they were last written.
    written: Vec<String>,
    asked: Option<Instant>,
}

impl Screen {
    /// `help` is a text about the keys.
    pub(crate) fn new(columns: usize, rows: usize, help: &'static str) -> Self {
        let has_colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { columns, rows, help, has_colours, written: Vec::new(), asked: None }
    }

    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        if (self.columns, self.rows) != (columns, rows) {
            (self.columns, self.rows) = (columns, rows);
            self.written.clear();
        }
    }

    /// The position on the field that a cell of the terminal shows.
    pub(crate) fn position_of(&self, column: usize, row: usize) -> Position {
        let part = |cell: usize, cells: usize| cell as f32 / cells.saturating_sub(1).max(1) as f32;
        Position::new(part(column, self.columns), part(row.saturating_sub(1), self.rows.saturating_sub(EDGES)))
    }

    /// Writes the changes since the last frame in one call, so that no incomplete frame is visible.
    pub(crate) fn draw(&mut self, field: &Field, now: Instant) -> io::Result<()> {
        let canvas = Canvas::of(field, now, self.columns, self.rows, self.help);
        let mut output = String::new();
        if self.written.is_empty() {
            output.push_str("\x1b[2J");
        }
        self.written.resize(self.rows, String::new());
        for (row, written) in self.written.iter_mut().enumerate() {
            let line = canvas.row(row, self.has_colours);
            if line != *written {
                let _ = write!(output, "\x1b[{};1H{line}\x1b[K", row + 1);
                *written = line;
            }
        }
        if self.asked.is_none_or(|asked| asked + ASKED_EVERY <= now) {
            self.asked = Some(now);
            output.push_str(ASK_FOR_SIZE);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(output.as_bytes())?;
        stdout.flush()
    }
}

/// One frame, in cells. A character counts as one cell, which is too few for East Asian scripts and emoji.
pub(crate) struct Canvas {
    columns: usize,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, PartialEq)]
struct Cell {
    character: char,
    colour: Option<Colour>,
}

const BLANK: Cell = Cell { character: ' ', colour: None };

impl Canvas {
    pub(crate) fn of(field: &Field, now: Instant, columns: usize, rows: usize, help: &str) -> Self {
        let mut canvas = Self { columns, cells: vec![BLANK; columns * rows] };
        let cursors = field.cursors(now);
        // Cursors are drawn over trails.
        for cursor in &cursors {
            canvas.draw_trail(cursor, rows);
        }
        for cursor in &cursors {
            canvas.draw_cursor(cursor, rows);
        }
        canvas.draw_list(&cursors);
        let status = field.status(now);
        let status = if help.is_empty() { status } else { format!("{status} · {help}") };
        canvas.text(0, rows.saturating_sub(1), &status, Some(GREY));
        canvas
    }

    /// A row as it is written, without trailing blanks.
    pub(crate) fn row(&self, row: usize, has_colours: bool) -> String {
        let cells = self.cells.get(row * self.columns..(row + 1) * self.columns).unwrap_or_default();
        let end = cells.iter().rposition(|cell| *cell != BLANK).map_or(0, |last| last + 1);
        let mut line = String::new();
        let mut colour = None;
        for cell in &cells[..end] {
            if has_colours && cell.colour != colour {
                colour = cell.colour;
                line.push_str(&code(colour));
            }
            line.push(cell.character);
        }
        if colour.is_some() {
            line.push_str(&code(None));
        }
        line
    }

    fn draw_list(&mut self, cursors: &[Cursor<'_>]) {
        let mut column = 0;
        for cursor in listed(cursors) {
            let mark = if cursor.is_grey { '○' } else { '●' };
            let you = if cursor.is_me { " (you)" } else { "" };
            let text = format!("{mark} {}{you}", cursor.profile.name);
            self.text(column, 0, &text, Some(colour_of(cursor)));
            column += text.chars().count() + 2;
        }
    }

    fn draw_trail(&mut self, cursor: &Cursor<'_>, rows: usize) {
        for (age, position) in cursor.trail.iter().enumerate().skip(1).rev() {
            let left = 0.7 * (1.0 - age as f32 / cursor.trail.len() as f32);
            let (column, row) = self.cell_of(*position, rows);
            self.text(column, row, "·", Some(colour_of(cursor).dimmed(left)));
        }
    }

    fn draw_cursor(&mut self, cursor: &Cursor<'_>, rows: usize) {
        let Some(position) = cursor.trail.first() else { return };
        let (column, row) = self.cell_of(*position, rows);
        let mark = if cursor.is_grey { '○' } else { '●' };
        let text = format!("{mark} {}", cursor.profile.name);
        // Near the right edge, the name is drawn to the left of the cursor, so that it is not cut.
        if column + text.chars().count() <= self.columns {
            self.text(column, row, &text, Some(colour_of(cursor)));
        } else {
            let text = format!("{} {mark}", cursor.profile.name);
            let start = (column + 1).saturating_sub(text.chars().count());
            self.text(start, row, &text, Some(colour_of(cursor)));
        }
    }

    /// The cell that shows this position. It is never in the first or the last row.
    fn cell_of(&self, position: Position, rows: usize) -> (usize, usize) {
        let cell = |part: f32, cells: usize| (part * cells.saturating_sub(1) as f32).round() as usize;
        (cell(position.x, self.columns), 1 + cell(position.y, rows.saturating_sub(EDGES)))
    }

    /// Draws text. The part that does not fit into the row is cut.
    fn text(&mut self, column: usize, row: usize, text: &str, colour: Option<Colour>) {
        let room = self.columns.saturating_sub(column);
        let start = row * self.columns + column;
        for (offset, character) in text.chars().take(room).enumerate() {
            if let Some(cell) = self.cells.get_mut(start + offset) {
                *cell = Cell { character, colour };
            }
        }
    }
}

fn colour_of(cursor: &Cursor<'_>) -> Colour {
    if cursor.is_grey { GREY } else { cursor.profile.colour }
}

fn code(colour: Option<Colour>) -> String {
    colour.map_or("\x1b[0m".to_owned(), |Colour([red, green, blue])| format!("\x1b[38;2;{red};{green};{blue}m"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::game::profile::Profile;

    fn profile(name: &str) -> Profile {
        Profile::new(name, Colour([1, 2, 3]))
    }

    /// A field with Ann in the middle, and Bob at the lower right.
    fn field(now: Instant) -> Field {
        let mut field = Field::new(profile("Ann"));
        field.joined(None, [("bob".to_owned(), profile("Bob"))], now);
        field.moved("bob", Position::new(1.0, 1.0), now);
        field.step(Position::CENTRE, now);
        field
    }

    fn rows(field: &Field, now: Instant, columns: usize, rows: usize) -> Vec<String> {
        let canvas = Canvas::of(field, now, columns, rows, "");
        (0..rows).map(|row| canvas.row(row, false)).collect()
    }

    #[test]
    fn every_player_is_drawn_with_a_name() {
        let now = Instant::now();
        let rows = rows(&field(now), now, 21, 7);
        let expected =
            ["● Ann (you)  ● Bob", "", "", "          ● Ann", "", "                Bob ●", "connected, 2 here"];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_player_who_left_is_hollow_and_grey() {
        let now = Instant::now();
        let mut field = field(now);
        field.went("bob", now);
        assert_eq!(rows(&field, now, 21, 7)[5], "                Bob ○");
        let coloured = Canvas::of(&field, now, 21, 7, "").row(5, true);
        assert_eq!(coloured, format!("                {}Bob ○\x1b[0m", code(Some(GREY))));
    }

    #[test]
    fn any_size_can_be_drawn() {
        let now = Instant::now();
        for columns in 0..6 {
            for height in 0..4 {
                assert_eq!(rows(&field(now), now, columns, height).len(), height);
            }
        }
    }

    #[test]
    fn a_position_is_drawn_in_its_cell() {
        let screen = Screen::new(21, 7, "");
        let canvas = Canvas { columns: 21, cells: Vec::new() };
        for (column, row) in [(0, 1), (20, 5), (10, 3), (7, 2)] {
            assert_eq!(canvas.cell_of(screen.position_of(column, row), 7), (column, row));
        }
    }
}
