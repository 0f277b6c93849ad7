//! The programs of the folder `programs`. Each does its own checks. These tests give it a server, and run it
//! with the tools that suit it.

use std::{
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use pusher_channels::testing::TestServer;

use crate::program::{Library, Program, Tool, arguments, server, tests_with_tools};

/// The number of clients that the program `cycles` makes, one after another.
const CYCLES: &str = "1000";

/// Runs a program that needs only the usual server.
fn run(name: &str, tool: Tool) {
    let server = server();
    Program::written(name, Library::Shared, tool).succeeds(arguments(&server));
}

fn run_logs(tool: Tool) {
    let server = TestServer::start().expect("a free port on loopback");
    let output = Program::written("logs", Library::Shared, tool).succeeds(arguments(&server));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing is printed");
}

fn run_cycles(library: Library, tool: Tool) {
    let server = server();
    let arguments = arguments(&server).into_iter().chain([CYCLES.to_owned()]);
    Program::written("cycles", library, tool).succeeds(arguments);
    assert_eq!(server.accepted().to_string(), CYCLES, "each client has connected once");
    assert!(server.wait_for_connections(0, Duration::from_secs(20)), "no connection is left");
}

/// Clients are freed and callbacks are unbound while the server sends events as fast as it can. Each `user_data` is memory of
/// its own that its destructor frees, so that a tool finds a destructor that runs twice or never.
fn run_flood(freed: &str, tool: Tool) {
    // Under valgrind, one thread runs at a time, and slowly.
    let rounds = match tool {
        Tool::Plain => 300,
        Tool::AddressSanitizer => 100,
        Tool::Valgrind => 25,
    };
    let server = server();
    let program = Program::named(&format!("flood-{freed}"), "flood", tool);
    let arguments: Vec<_> = arguments(&server).into_iter().chain([freed.to_owned(), format!("{rounds}")]).collect();
    let output = run_while_publishing(&server, "flood", || program.command(arguments).output().expect("it runs"));
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Runs a program while the server publishes to the channel all the time.
pub(crate) fn run_while_publishing(server: &TestServer, channel: &str, run: impl FnOnce() -> Output) -> Output {
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !has_ended.load(Ordering::Relaxed) {
                if server.trigger(channel, "e", "data") == 0 {
                    thread::yield_now();
                }
            }
        });
        let output = run();
        has_ended.store(true, Ordering::Relaxed);
        output
    })
}

tests_with_tools! {
    h1_a_signal_does_not_end_a_wait_but_the_calls_that_the_header_names_do:
        |tool| run("signals", tool), [plain, valgrind];
    h1_every_function_may_be_called_inside_a_callback:
        |tool| run("inside", tool), [plain, valgrind, address_sanitizer];
    h6_every_call_that_waits_for_a_client_ends_when_another_thread_frees_it:
        |tool| run("waits", tool), [plain, address_sanitizer];
    h6_a_client_whose_threads_are_blocked_is_freed_in_time:
        |tool| run("ending", tool), [plain, address_sanitizer];
    h6_a_thousand_clients_leave_nothing_behind:
        |tool| run_cycles(Library::Shared, tool), [plain, valgrind, address_sanitizer];
    h6_a_thousand_clients_of_the_static_library_leave_nothing_behind:
        |tool| run_cycles(Library::Static, tool), [plain];
    a2_a_program_gives_the_answer_of_its_backend_as_it_is:
        |tool| run("permissions", tool), [plain, valgrind, address_sanitizer];
    a8_a_polling_program_signs_in_and_reads_refusals:
        |tool| run("user_permission", tool), [plain, valgrind, address_sanitizer];
    d1_a_nul_inside_data_arrives:
        |tool| run("nul", tool), [plain, valgrind, address_sanitizer];
    an_answer_may_quote_the_request_that_it_frees:
        |tool| run("lent", tool), [plain, valgrind, address_sanitizer];
    freeing_a_receiver_ends_its_waiting_calls:
        |tool| run("abandoned", tool), [plain, valgrind, address_sanitizer];
    a_client_is_freed_while_its_callbacks_run:
        |tool| run_flood("elsewhere", tool), [plain, valgrind, address_sanitizer];
    a_client_is_freed_inside_its_own_callback:
        |tool| run_flood("inside", tool), [plain, valgrind, address_sanitizer];
    a_client_is_freed_while_another_thread_waits_for_its_notifications:
        |tool| run_flood("pulled", tool), [plain, valgrind, address_sanitizer];
    a_client_is_freed_inside_its_dispatch:
        |tool| run_flood("dispatched", tool), [plain, valgrind, address_sanitizer];
    the_log_callback_gets_the_records_of_its_level_until_it_is_replaced_or_removed:
        run_logs, [plain, valgrind];
    the_last_error_of_a_thread_stays_until_its_next_and_its_text_is_cut_as_by_snprintf:
        |tool| run("last_error", tool), [plain, valgrind, address_sanitizer];
}
