//! The example `cursors`, run as users run it: as a process of its own.
//!
//! `cargo test` builds the examples, too. `cargo test --test cursors` does not, and runs the program that `cargo build
//! --example cursors` has built before.
#![cfg(feature = "test-server")]

// The parts of the example that have unit tests. `cargo test` does not run the unit tests of examples.
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/cursors/arguments.rs"]
mod arguments;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/cursors/frames.rs"]
mod frames;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/cursors/game/mod.rs"]
mod game;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/cursors/headless/mod.rs"]
mod headless;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/cursors/terminal/mod.rs"]
mod terminal;

mod support;

use std::process::{Command, Stdio};

use support::process::{KilledOnDrop, Lines, example};

/// The exit code and the output of a process.
struct Finished {
    code: Option<i32>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Finished {
    /// Whether the run succeeded, or was only too slow, which a busy machine may cause.
    fn succeeded_at_any_speed(&self) -> bool {
        let is_slow = self.code == Some(1) && self.stderr.iter().all(|line| line.contains("a frame took"));
        self.code == Some(0) && self.stderr.is_empty() || is_slow && !self.stderr.is_empty()
    }
}

/// Runs the example with pipes in place of a terminal.
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

/// The numbers of a line in their order.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split_whitespace().map(|word| word.trim_end_matches([',', ';', ':']));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The line with a `#` for each number.
fn form(line: &str) -> String {
    let without = |word: &str| {
        let number = word.trim_end_matches([',', ';', ':']);
        if number.parse::<f64>().is_ok() { word.replace(number, "#") } else { word.to_owned() }
    };
    line.split_whitespace().map(without).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_position_is_missing_after_a_cut_and_no_frame_is_too_long() {
    let finished = run("--headless --players 4 --frames 240");
    assert!(finished.succeeded_at_any_speed(), "{:?} {:?}", finished.stderr, finished.stdout);
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
    // Three other players see each position, except for those that were lost in the cut.
    assert!(sent >= 20.0 && seen > 2.0 * sent && seen + in_gaps == 3.0 * sent, "{report}");
}

#[test]
fn the_last_frame_shows_the_players_and_their_list() {
    let finished = run("--headless --players 3 --frames 30");
    assert!(finished.succeeded_at_any_speed(), "{:?} {:?}", finished.stderr, finished.stdout);
    let frame = finished.stdout[..finished.stdout.len() - 1].join("\n");
    assert!(frame.starts_with("● Player 0 (you)  ● Player 1  ● Player 2\n"), "{frame}");
    assert!(frame.ends_with("connected, 3 here"), "{frame}");
    assert_eq!(frame.matches("Player 0").count(), 2, "in the list and on the field: {frame}");
}

#[test]
fn a_wrong_option_is_an_error_with_the_usage() {
    for args in ["--colour", "--players 0", "--key k", "--headless --key k"] {
        let finished = run(args);
        assert_eq!((finished.code, finished.stdout), (Some(2), Vec::new()), "{args}");
        assert!(finished.stderr[0].starts_with("cursors: "), "{:?}", finished.stderr);
        assert!(finished.stderr.join("\n").ends_with(arguments::USAGE), "{:?}", finished.stderr);
    }
}

#[test]
fn without_a_terminal_the_game_does_not_begin() {
    let finished = run("--name Ann");
    let reason = "cursors: standard input and output are not a terminal; without one, use --headless";
    assert_eq!((finished.code, finished.stderr), (Some(1), vec![reason.to_owned()]));
    assert!(finished.stdout.is_empty());
}

#[test]
fn help_is_not_an_error() {
    let finished = run("--help");
    assert_eq!((finished.code, finished.stderr.len()), (Some(0), 0));
    assert_eq!(finished.stdout.join("\n"), arguments::USAGE);
}
