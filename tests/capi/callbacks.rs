//! Every function may be called inside of a callback; those that would wait for the thread that they are on say so.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("inside", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn h1_every_function_may_be_called_inside_of_a_callback() {
    run(Watch::Nobody);
}

#[test]
fn h1_every_function_may_be_called_inside_of_a_callback_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn h1_every_function_may_be_called_inside_of_a_callback_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
