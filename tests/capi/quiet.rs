//! Everything works by polling alone: the library calls no code of a program that registers no callback, and prints
//! nothing.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use pusher_channels::testing::TestServer;

use crate::{
    declarations::HEADER,
    program::{Library, Program, Tool, arguments, programs, tests_with_tools},
};

/// The interval at which the server's thread checks whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Does what the program asks for. It asks by client events, because it prints nothing.
fn serve(server: &TestServer, done: &AtomicBool) {
    let asked = |event: &'static str| {
        while !server.wait_for_received(|received| received.text.contains(event), POLL_INTERVAL) {
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

fn run(library: Library, tool: Tool) {
    let server = TestServer::builder().subscription_counts(true).start().expect("a free port on loopback");
    let name = format!("quiet-{library:?}");
    // The instrumented functions check the thread that calls them.
    let source = programs().join("quiet.c");
    let program = Program::compile(&name, &source, library, tool, &["-finstrument-functions"]);
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| serve(&server, &done));
        let output = program.command(arguments(&server)).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").output();
        done.store(true, Ordering::Relaxed);
        output.expect("it runs")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {stdout}\n{stderr}", output.status);
    assert_eq!(format!("{stdout}{stderr}"), "", "nothing is printed");
}

/// The library cannot call a function that it does not know.
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

tests_with_tools! {
    everything_works_by_polling_and_the_library_calls_and_prints_nothing:
        |tool| run(Library::Shared, tool), [plain, valgrind, address_sanitizer];
    everything_works_by_polling_with_the_static_library:
        |tool| run(Library::Static, tool), [plain];
}
