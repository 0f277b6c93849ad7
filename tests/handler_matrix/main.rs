//! Rule H1: every public method is legal inside all code of the user's that a client calls, whatever state the client is in.
//!
//! A cell of the matrix is a kind of such code (`kinds`), a state (`states`) and a call (`calls`). The client calls the code,
//! which parks (`parking`); then the client is brought into the state; then the code is let go and makes the call, under
//! the eyes of a watchdog. The same kinds of handlers panic for rule H2 (`panics`).

#[path = "../support/calls.rs"]
mod calls;
mod cell;
mod code;
mod kinds;
mod panics;
mod parking;
mod states;
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use pusher_channels::ConnectionState;

use calls::{CALLS, Call};
use cell::{Cell, Staged};
use kinds::{KINDS, Kind};
use states::STATES;

/// So many clients are brought into their states at once. They wait most of the time.
const AT_ONCE: usize = 8;

/// Calls that are made on one client, in one run of its code.
struct Run {
    kind: &'static Kind,
    state: ConnectionState,
    calls: Vec<&'static Call>,
}

/// All that leave the client as it is in one run, each of the others in a run of its own.
fn runs() -> Vec<Run> {
    let (alone, together): (Vec<_>, Vec<_>) = CALLS.iter().partition(|call| call.class.changes_the_state());
    let groups: Vec<Vec<&Call>> = std::iter::once(together).chain(alone.into_iter().map(|call| vec![call])).collect();
    let kinds = KINDS.iter().flat_map(|kind| STATES.map(|state| (kind, state)));
    kinds.flat_map(|(kind, state)| groups.clone().into_iter().map(move |calls| Run { kind, state, calls })).collect()
}

#[test]
fn h1_every_method_is_legal_inside_every_handler_in_every_state() {
    let (slow, fast): (Vec<_>, Vec<_>) = runs().into_iter().partition(|run| run.state == ConnectionState::Unavailable);
    let tally = Tally::default();
    // What takes ten seconds is begun first, and goes on while the others are played.
    let staged = Mutex::new(Vec::new());
    side_by_side(&slow, |run| staged.lock().expect("no panic").push((run, Staged::new(run.kind, run.state))));
    side_by_side(&fast, |run| {
        if tally.goes_on() {
            tally.play(run, Staged::new(run.kind, run.state));
        }
    });
    let staged: Vec<_> =
        staged.into_inner().expect("no panic").into_iter().map(|pair| Mutex::new(Some(pair))).collect();
    side_by_side(&staged, |pair| {
        let (run, staged) = pair.lock().expect("no panic").take().expect("each is played once");
        if tally.goes_on() {
            tally.play(run, staged);
        }
    });
    let Tally { cells, failures } = tally;
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} cells:\n{}", failures.len(), failures.join("\n"));
    let cells = cells.into_inner().expect("no panic");
    assert_eq!(cells.len(), KINDS.len() * STATES.len() * CALLS.len(), "each cell was played");
    assert_eq!((KINDS.len(), STATES.len(), CALLS.len()), (50, 7, 113 + usize::from(cfg!(unix))), "none was taken away");
}

/// What was played.
#[derive(Default)]
struct Tally {
    cells: Mutex<HashSet<Cell>>,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    /// A deadlock takes the watchdog's time, and a few of them tell enough.
    fn goes_on(&self) -> bool {
        self.failures.lock().expect("no panic").len() < AT_ONCE
    }

    fn play(&self, run: &Run, staged: Staged) {
        let (played, failure) = staged.play(&run.calls);
        self.cells.lock().expect("no panic").extend(played);
        self.failures.lock().expect("no panic").extend(failure);
    }
}

/// Does something with each, a few at a time.
fn side_by_side<'a, T: Sync>(items: &'a [T], act: impl Fn(&'a T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(item);
                }
            });
        }
    });
}
