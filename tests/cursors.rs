//! The example `cursors`, run as its users run it: as a process of its own.
//!
//! `cargo test` builds the examples beside the tests. `cargo test --test cursors` does not, and runs whatever
//! `cargo build --example cursors` has left.
#![cfg(feature = "test-server")]

// The parts of the example that have unit tests. `cargo test` builds examples, but does not look for tests in them.
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/arguments.rs"]
mod arguments;
#[path = "../examples/cursors/audit.rs"]
mod audit;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/frames.rs"]
mod frames;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/game/mod.rs"]
mod game;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/headless.rs"]
mod headless;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/keyboard.rs"]
mod keyboard;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/screen.rs"]
mod screen;
#[path = "../examples/cursors/steering.rs"]
mod steering;
#[path = "../examples/cursors/stopwatch.rs"]
mod stopwatch;
#[allow(dead_code, reason = "the program uses what the tests do not")]
#[path = "../examples/cursors/terminal.rs"]
mod terminal;

mod support;

use std::process::{Command, Stdio};

use support::process::{KilledOnDrop, Lines, example};

/// What a process has left.
struct Finished {
    code: Option<i32>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Finished {
    /// It has done all, or missed nothing but the time of a frame, which this machine may have taken from it.
    fn is_done_at_whatever_speed(&self) -> bool {
        let is_slow = self.code == Some(1) && self.stderr.iter().all(|line| line.contains("a frame took"));
        self.code == Some(0) && self.stderr.is_empty() || is_slow && !self.stderr.is_empty()
    }
}

/// With pipes in place of a terminal.
fn run(args: &str) -> Finished {
    let mut command = Command::new(example("cursors"));
    command.args(args.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = KilledOnDrop(command.spawn().expect("the example; to build it: cargo build --example cursors"));
    let stdout = Lines::read(child.0.stdout.take().expect("piped"));
    let stderr = Lines::read(child.0.stderr.take().expect("piped"));
    // A process closes its pipes when it ends, and the pipes are read with a deadline.
    let (stdout, stderr) = (stdout.rest(), stderr.rest());
    Finished { code: child.0.wait().expect("a child of this process").code(), stdout, stderr }
}

/// The numbers of a line, in the order in which they stand there.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split_whitespace().map(|word| word.trim_end_matches([',', ';', ':']));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The same line with a `#` for each number.
fn form(line: &str) -> String {
    let without = |word: &str| {
        let number = word.trim_end_matches([',', ';', ':']);
        if number.parse::<f64>().is_ok() { word.replace(number, "#") } else { word.to_owned() }
    };
    line.split_whitespace().map(without).collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_is_missing_after_a_cut_and_nothing_holds_a_frame_up() {
    let finished = run("--headless --players 4 --frames 240");
    assert!(finished.is_done_at_whatever_speed(), "{:?} {:?}", finished.stderr, finished.stdout);
    let report = finished.stdout.last().expect("a report");
    assert_eq!(
        form(report),
        "# players, # frames: # events sent, # received, # lost in the cut as announced, # missing, \
         back # ms after the cut; longest frame # ms in the client; latency # ms median, # ms max"
    );
    let numbers = numbers(report);
    let [players, frames, sent, seen, in_gaps, missing, back, ..] = numbers[..] else { panic!("{report}") };
    assert_eq!((players, missing), (4.0, 0.0), "{report}");
    assert!(frames >= 240.0 && back >= 250.0, "the outage alone takes 250 ms: {report}");
    // Each is seen by three others, except for those that were on their way when the connections were cut.
    assert!(sent >= 20.0 && seen > 2.0 * sent && seen + in_gaps == 3.0 * sent, "{report}");
}

#[test]
fn the_last_frame_shows_the_player_and_tells_who_is_here() {
    let finished = run("--headless --players 3 --frames 30");
    assert!(finished.is_done_at_whatever_speed(), "{:?} {:?}", finished.stderr, finished.stdout);
    let frame = finished.stdout[..finished.stdout.len() - 1].join("\n");
    assert!(frame.starts_with("● Player 0 (you)  ● Player 1  ● Player 2\n"), "{frame}");
    assert!(frame.ends_with("connected, 3 here"), "{frame}");
    assert_eq!(frame.matches("Player 0").count(), 2, "in the list, and on the field, where nobody covers it: {frame}");
}

#[test]
fn a_wrong_option_ends_it_with_the_usage() {
    for args in ["--colour", "--players 0", "--key k", "--headless --key k"] {
        let finished = run(args);
        assert_eq!((finished.code, finished.stdout), (Some(2), Vec::new()), "{args}");
        assert!(finished.stderr[0].starts_with("cursors: "), "{:?}", finished.stderr);
        assert!(finished.stderr.join("\n").ends_with(arguments::USAGE), "{:?}", finished.stderr);
    }
}

#[test]
fn without_a_terminal_it_does_not_begin_to_play() {
    let finished = run("--name Ann");
    let reason = "cursors: this is no terminal to play in; without one there is --headless";
    assert_eq!((finished.code, finished.stderr), (Some(1), vec![reason.to_owned()]));
    assert!(finished.stdout.is_empty());
}

#[test]
fn help_is_no_error() {
    let finished = run("--help");
    assert_eq!((finished.code, finished.stderr.len()), (Some(0), 0));
    assert_eq!(finished.stdout.join("\n"), arguments::USAGE);
}
