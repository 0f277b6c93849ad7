//! What a program has borrowed lives as long as the call that it is given to.

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = world::server();
    Program::written("lent", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn an_answer_may_quote_the_request_that_it_frees() {
    run(Watch::Nobody);
}

#[test]
fn an_answer_may_quote_the_request_that_it_frees_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn an_answer_may_quote_the_request_that_it_frees_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
