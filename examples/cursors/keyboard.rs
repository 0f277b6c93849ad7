//! The keys and the mouse: read by a thread of their own, because reading blocks.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver},
    thread,
};

const ESCAPE: u8 = 0x1b;

/// In raw mode a terminal sends Ctrl-C as this byte, instead of ending the program.
const CTRL_C: u8 = 3;

/// A longer sequence is no key.
const LONGEST_SEQUENCE: usize = 32;

/// What the user does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Input {
    Quit,
    /// Something is to happen to the embedded server, or to those who play there.
    World(Change),
    /// The cursor is to go to the right and downwards, as -1, 0 or 1.
    Push {
        x: i8,
        y: i8,
    },
    /// The mouse is over this cell; both count from 0.
    Pointer {
        column: usize,
        row: usize,
    },
    /// The terminal has told its size.
    Size {
        columns: usize,
        rows: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// All connections are cut.
    Cut,
    /// Another computer player comes.
    Come,
    /// The last one leaves.
    Leave,
}

/// What was typed and not looked at yet.
pub(crate) struct Keyboard {
    inputs: Receiver<Input>,
}

impl Keyboard {
    /// The thread ends with the program: nothing else ends a read of the terminal.
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
            // The terminal is gone, and so is the game, unless it has ended already.
            let _ = sender.send(Input::Quit);
        };
        thread::Builder::new().name("keyboard".to_owned()).spawn(read)?;
        Ok(Self { inputs })
    }

    /// Never blocks.
    pub(crate) fn try_iter(&self) -> impl Iterator<Item = Input> {
        self.inputs.try_iter()
    }
}

/// Makes inputs of bytes. Arrows, the mouse and the terminal's answers are sequences, which may come in pieces.
#[derive(Default)]
struct Keys {
    sequence: Vec<u8>,
}

impl Keys {
    fn push(&mut self, byte: u8) -> Option<Input> {
        match self.sequence.as_slice() {
            [] if byte != ESCAPE => return key(byte),
            // The escape key alone, and then another one.
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
        b'c' => Some(Input::World(Change::Cut)),
        b'+' => Some(Input::World(Change::Come)),
        b'-' => Some(Input::World(Change::Leave)),
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
    // The cursor was sent as far to the right and down as it can go, and says where it is.
    let [rows, columns] = numbers(text.strip_suffix('R')?)?;
    Some(Input::Size { columns, rows })
}

/// So many numbers with semicolons between.
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
    fn three_ways_to_go_left() {
        let left = Input::Push { x: -1, y: 0 };
        assert_eq!(inputs(b"ha\x1b[D\x1bOD"), [left; 4]);
    }

    #[test]
    fn q_and_ctrl_c_quit() {
        assert_eq!(inputs(b"q\x03"), [Input::Quit, Input::Quit]);
    }

    #[test]
    fn the_mouse_counts_from_one() {
        assert_eq!(inputs(b"\x1b[<35;10;3M"), [Input::Pointer { column: 9, row: 2 }]);
        assert_eq!(inputs(b"\x1b[<35;0;3M"), []);
    }

    #[test]
    fn the_size_is_an_answer_in_rows_and_columns() {
        assert_eq!(inputs(b"\x1b[24;80R"), [Input::Size { columns: 80, rows: 24 }]);
    }

    #[test]
    fn the_escape_key_swallows_nothing() {
        assert_eq!(inputs(b"\x1bq"), [Input::Quit]);
        assert_eq!(inputs(b"\x1b\x1b[Aq"), [Input::Push { x: 0, y: -1 }, Input::Quit]);
    }

    #[test]
    fn what_is_no_key_is_skipped() {
        let mut noise = b"\x1b[".to_vec();
        noise.extend([b'1'; 100]);
        noise.push(b'q');
        assert_eq!(inputs(b"x \xff\x1b[99~\x1b[1;2;3R"), []);
        assert_eq!(inputs(&noise), [Input::Quit], "an endless sequence is given up");
    }
}
