//! The keys and the mouse. A thread of its own reads them, because reading blocks.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver},
    thread,
};

const ESCAPE: u8 = 0x1b;

/// In raw mode a terminal sends Ctrl-C as this byte, instead of ending the program.
const CTRL_C: u8 = 3;

/// A longer sequence is invalid.
const LONGEST_SEQUENCE: usize = 32;

/// An action of the user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Input {
    Quit,
    /// A change of the embedded server or of its players.
    Demo(Change),
    /// Pushes the cursor to the right and downwards, by -1, 0 or 1 each.
    Push {
        x: i8,
        y: i8,
    },
    /// The mouse is over this cell. Both numbers count from 0.
    Pointer {
        column: usize,
        row: usize,
    },
    /// The terminal has reported its size.
    Size {
        columns: usize,
        rows: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// Cut all connections.
    Cut,
    /// Add a computer player.
    Come,
    /// Remove the last computer player.
    Leave,
}

/// The inputs that the main loop has not taken yet.
pub(crate) struct Keyboard {
    inputs: Receiver<Input>,
}

impl Keyboard {
    /// Starts the thread. It ends with the program, because nothing else ends a read of the terminal.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, inputs) = mpsc::channel();
        let read = move || {
            let mut keys = Keys::default();
            for byte in io::stdin().lock().bytes() {
                let input = byte.map_or(Some(Input::Quit), |byte| keys.push(byte));
                if input.is_some_and(|input| sender.send(input).is_err()) {
                    return;
                }
            }
            // The terminal is closed, which ends the game.
            let _ = sender.send(Input::Quit);
        };
        thread::Builder::new().name("keyboard".to_owned()).spawn(read)?;
        Ok(Self { inputs })
    }

    /// The inputs so far. Never blocks.
    pub(crate) fn try_iter(&self) -> impl Iterator<Item = Input> {
        self.inputs.try_iter()
    }
}

/// Turns bytes into inputs. Arrows, the mouse and the terminal's answers are sequences, which may come in pieces.
#[derive(Default)]
struct Keys {
    sequence: Vec<u8>,
}

impl Keys {
    fn push(&mut self, byte: u8) -> Option<Input> {
        match self.sequence.as_slice() {
            [] if byte != ESCAPE => return key(byte),
            // The escape key alone, followed by another key.
            [ESCAPE] if !matches!(byte, b'[' | b'O' | ESCAPE) => {
                self.sequence.clear();
                return key(byte);
            }
            [ESCAPE] if byte == ESCAPE => return None,
            _ => self.sequence.push(byte),
        }
        let is_complete = self.sequence.len() > 2 && matches!(byte, 0x40..=0x7e);
        if is_complete || self.sequence.len() > LONGEST_SEQUENCE {
            return sequence(&std::mem::take(&mut self.sequence));
        }
        None
    }
}

fn key(byte: u8) -> Option<Input> {
    match byte {
        b'q' | CTRL_C => Some(Input::Quit),
        b'c' => Some(Input::Demo(Change::Cut)),
        b'+' => Some(Input::Demo(Change::Come)),
        b'-' => Some(Input::Demo(Change::Leave)),
        b'h' | b'a' => Some(Input::Push { x: -1, y: 0 }),
        b'l' | b'd' => Some(Input::Push { x: 1, y: 0 }),
        b'k' | b'w' => Some(Input::Push { x: 0, y: -1 }),
        b'j' | b's' => Some(Input::Push { x: 0, y: 1 }),
        _ => None,
    }
}

fn sequence(bytes: &[u8]) -> Option<Input> {
    let text = std::str::from_utf8(bytes.get(2..)?).ok()?;
    match text {
        "A" => return key(b'k'),
        "B" => return key(b'j'),
        "C" => return key(b'l'),
        "D" => return key(b'h'),
        _ => {}
    }
    if let Some(mouse) = text.strip_prefix('<') {
        let [_button, column, row] = numbers(mouse.strip_suffix(['M', 'm'])?)?;
        return Some(Input::Pointer { column: column.checked_sub(1)?, row: row.checked_sub(1)? });
    }
    // The answer to `ASK_FOR_SIZE`: the position of the cursor at the lower right.
    let [rows, columns] = numbers(text.strip_suffix('R')?)?;
    Some(Input::Size { columns, rows })
}

/// `N` numbers, separated by semicolons.
fn numbers<const N: usize>(text: &str) -> Option<[usize; N]> {
    let numbers: Option<Vec<usize>> = text.split(';').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(bytes: &[u8]) -> Vec<Input> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.push(*byte)).collect()
    }

    #[test]
    fn h_a_and_the_left_arrow_push_to_the_left() {
        let left = Input::Push { x: -1, y: 0 };
        assert_eq!(inputs(b"ha\x1b[D\x1bOD"), [left; 4]);
    }

    #[test]
    fn q_and_ctrl_c_quit() {
        assert_eq!(inputs(b"q\x03"), [Input::Quit, Input::Quit]);
    }

    #[test]
    fn the_cells_of_the_mouse_count_from_one() {
        assert_eq!(inputs(b"\x1b[<35;10;3M"), [Input::Pointer { column: 9, row: 2 }]);
        assert_eq!(inputs(b"\x1b[<35;0;3M"), []);
    }

    #[test]
    fn the_terminal_reports_rows_and_columns() {
        assert_eq!(inputs(b"\x1b[24;80R"), [Input::Size { columns: 80, rows: 24 }]);
    }

    #[test]
    fn a_key_after_the_escape_key_is_read() {
        assert_eq!(inputs(b"\x1bq"), [Input::Quit]);
        assert_eq!(inputs(b"\x1b\x1b[Aq"), [Input::Push { x: 0, y: -1 }, Input::Quit]);
    }

    #[test]
    fn other_bytes_are_skipped() {
        let mut noise = b"\x1b[".to_vec();
        noise.extend([b'1'; 100]);
        noise.push(b'q');
        assert_eq!(inputs(b"x \xff\x1b[99~\x1b[1;2;3R"), []);
        assert_eq!(inputs(&noise), [Input::Quit], "an endless sequence is dropped");
    }
}
