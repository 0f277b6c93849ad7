//! Everything works by polling alone: a program that registers no callback has none of its code called, and nothing is
//! ever printed.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use pusher_channels::testing::TestServer;

use crate::{
    declarations::HEADER,
    program::{Library, Program, Watch, programs},
    world,
};

/// How often the server's thread looks whether the program has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What the program asks the server for, by client events, because it says nothing on its output.
fn serve(server: &TestServer, done: &AtomicBool) {
    let asked = |event: &'static str| {
        while !server.wait_for_received(|received| received.text.contains(event), LOOK) {
            if done.load(Ordering::Relaxed) {
                return false;
            }
        }
        true
    };
    if asked("client-publish") {
        server.trigger("room", "news", "hello");
    }
    if asked("client-drop") {
        server.drop_all();
    }
}

fn run(library: Library, watch: Watch) {
    let server = TestServer::builder().subscription_counts(true).start().expect("a free port on loopback");
    let name = format!("quiet-{library:?}");
    // The program's functions look on which thread they are called.
    let source = programs().join("quiet.c");
    let program = Program::compile(&name, &source, library, watch, &["-finstrument-functions"]);
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| serve(&server, &done));
        let output =
            program.command(world::arguments(&server)).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").output();
        done.store(true, Ordering::Relaxed);
        output.expect("it runs")
    });
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}\n{complained}", output.status);
    assert_eq!(format!("{said}{complained}"), "", "nothing is printed");
}

/// The library cannot call what it was never given.
#[test]
fn the_program_without_callbacks_gives_the_library_no_function() {
    let code = fs::read_to_string(programs().join("quiet.c")).expect("a readable file");
    let code = code + &fs::read_to_string(programs().join("check.h")).expect("a readable file");
    let takes_a_function = HEADER.functions.iter().filter(|function| {
        function.parameters.iter().any(|parameter| HEADER.callbacks.contains_key(&parameter.type_name))
    });
    let taking: Vec<_> = takes_a_function.map(|function| &*function.name).collect();
    assert!(taking.len() > 8, "the functions were found: {taking:?}");
    for name in taking {
        assert!(!code.contains(&format!("{name}(")), "{name}");
    }
}

#[test]
fn everything_works_by_polling_and_nothing_is_called_or_printed() {
    run(Library::Shared, Watch::Nobody);
}

#[test]
fn everything_works_by_polling_with_the_static_library() {
    run(Library::Static, Watch::Nobody);
}

#[test]
fn everything_works_by_polling_under_valgrind() {
    run(Library::Shared, Watch::Valgrind);
}

#[test]
fn everything_works_by_polling_with_address_sanitizer() {
    run(Library::Shared, Watch::AddressSanitizer);
}
