//! A program that signs permissions itself, and what else version 1.2 of the interface has.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("permissions", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn a5_what_a_backend_answers_is_given_as_it_is() {
    run(Watch::Nobody);
}

#[test]
fn a5_what_a_backend_answers_is_given_as_it_is_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn a5_what_a_backend_answers_is_given_as_it_is_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
