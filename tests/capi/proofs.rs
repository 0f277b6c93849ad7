//! A program that only polls signs in by what its backend said, and hears who refuses it.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("proofs", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn a_polling_program_signs_in() {
    run(Watch::Nobody);
}

#[test]
fn a_polling_program_signs_in_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn a_polling_program_signs_in_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
