//! Rule H1: every public method is legal inside all user code that a client calls, in every state of the client.
//!
//! A cell of the matrix is a kind of user code (`kinds`), a state (`states`) and a call (`calls`). The client calls the
//! code, which waits (`parking`). Then the client gets into the state. Then the code goes on and makes the call, with a
//! deadline. The same kinds of handlers panic for rule H2 (`panics`).

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
use cell::{Cell, Fixture};
use kinds::{KINDS, Kind};
use states::STATES;

/// The number of clients that are tested at the same time. They wait most of the time.
const AT_ONCE: usize = 8;

/// Calls that are made on one client, in one run of its code.
struct Run {
    kind: &'static Kind,
    state: ConnectionState,
    calls: Vec<&'static Call>,
}

/// All calls that leave the state as it is in one run, and each of the others in a run of its own.
fn runs() -> Vec<Run> {
    let (alone, together): (Vec<_>, Vec<_>) = CALLS.iter().partition(|call| call.class.changes_the_state());
    let groups: Vec<Vec<&Call>> = std::iter::once(together).chain(alone.into_iter().map(|call| vec![call])).collect();
    let kinds = KINDS.iter().flat_map(|kind| STATES.map(|state| (kind, state)));
    kinds.flat_map(|(kind, state)| groups.clone().into_iter().map(move |calls| Run { kind, state, calls })).collect()
}

#[test]
fn h1_every_method_is_legal_inside_every_handler_in_every_state() {
    let (slow, fast): (Vec<_>, Vec<_>) = runs().into_iter().partition(|run| run.state == ConnectionState::Unavailable);
    let results = Results::default();
    // The runs that take ten seconds begin first, and go on during the others.
    let fixtures = Mutex::new(Vec::new());
    for_each_in_parallel(&slow, |run| {
        fixtures.lock().expect("no panic").push((run, Fixture::new(run.kind, run.state)))
    });
    for_each_in_parallel(&fast, |run| {
        if results.has_few_failures() {
            results.run(run, Fixture::new(run.kind, run.state));
        }
    });
    let fixtures: Vec<_> =
        fixtures.into_inner().expect("no panic").into_iter().map(|pair| Mutex::new(Some(pair))).collect();
    for_each_in_parallel(&fixtures, |pair| {
        let (run, fixture) = pair.lock().expect("no panic").take().expect("each fixture is used once");
        if results.has_few_failures() {
            results.run(run, fixture);
        }
    });
    let Results { cells, failures } = results;
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} cells:\n{}", failures.len(), failures.join("\n"));
    let cells = cells.into_inner().expect("no panic");
    assert_eq!(cells.len(), KINDS.len() * STATES.len() * CALLS.len(), "each cell was tested");
    assert_eq!(
        (KINDS.len(), STATES.len(), CALLS.len()),
        (50, 7, 113 + usize::from(cfg!(unix))),
        "the size of the matrix is known"
    );
}

/// The cells that were tested, and the failures.
#[derive(Default)]
struct Results {
    cells: Mutex<HashSet<Cell>>,
    failures: Mutex<Vec<String>>,
}

impl Results {
    /// Whether the test should go on. Each deadlock takes as long as the deadline, so that a few failures are enough.
    fn has_few_failures(&self) -> bool {
        self.failures.lock().expect("no panic").len() < AT_ONCE
    }

    fn run(&self, run: &Run, fixture: Fixture) {
        let (tested, failure) = fixture.run(&run.calls);
        self.cells.lock().expect("no panic").extend(tested);
        self.failures.lock().expect("no panic").extend(failure);
    }
}

/// Calls a closure for each item, on a few threads.
fn for_each_in_parallel<'a, T: Sync>(items: &'a [T], act: impl Fn(&'a T) + Sync) {
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
