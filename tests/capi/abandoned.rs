//! A receiver that is freed holds up nobody.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("abandoned", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn freeing_a_receiver_ends_its_waiting() {
    run(Watch::Nobody);
}

#[test]
fn freeing_a_receiver_ends_its_waiting_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn freeing_a_receiver_ends_its_waiting_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
