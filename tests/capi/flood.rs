//! Clients are freed, callbacks unbound, while events arrive as fast as the server can send them. Every user_data is
//! destroyed exactly once: each is memory of its own, which its destructor frees.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(way: &str, rounds: u32, watch: Watch) {
    let server = world::server();
    let program = Program::named(&format!("flood-{way}"), "flood", watch);
    let further = [way.to_owned(), rounds.to_string()];
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if server.trigger("flood", "e", "data") == 0 {
                    thread::yield_now();
                }
            }
        });
        let output = program.command(world::arguments(&server).into_iter().chain(further)).output();
        done.store(true, Ordering::Relaxed);
        output.expect("it runs")
    });
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Under valgrind, one thread runs at a time, and slowly.
fn run_in_all_ways(way: &str) {
    run(way, 300, Watch::Nobody);
    run(way, 100, Watch::AddressSanitizer);
    run(way, 25, Watch::Valgrind);
}

#[test]
fn a_client_is_freed_while_its_callbacks_run() {
    run_in_all_ways("elsewhere");
}

#[test]
fn a_client_is_freed_inside_of_its_own_callback() {
    run_in_all_ways("inside");
}

#[test]
fn a_client_is_freed_while_another_thread_waits_for_its_notifications() {
    run_in_all_ways("pulled");
}

#[test]
fn a_client_is_freed_inside_of_its_dispatch() {
    run_in_all_ways("dispatched");
}

fn waiting(watch: Watch) {
    let server = world::server();
    Program::written("waits", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn h6_every_call_that_waits_for_a_client_ends_when_another_thread_frees_it() {
    waiting(Watch::Nobody);
}

#[test]
fn h6_every_call_that_waits_for_a_client_ends_when_another_thread_frees_it_with_address_sanitizer() {
    waiting(Watch::AddressSanitizer);
}
