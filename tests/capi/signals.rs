//! The effect of a signal on a wait, and the ways to end a wait.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("signals", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn h1_a_signal_does_not_end_a_wait_and_what_the_header_names_does() {
    run(Watch::Nobody);
}

#[test]
fn h1_a_signal_does_not_end_a_wait_under_valgrind() {
    run(Watch::Valgrind);
}
