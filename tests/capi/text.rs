//! Text that is not UTF-8, and text with a NUL in it.

use crate::{
    generated::{Call, parameters, program},
    program::{Library, Program, Watch},
    world,
};

/// Every text that goes in, one at a time, is not UTF-8.
fn every_text() -> String {
    let attempts = parameters(|_, parameter| parameter.is_text());
    let mut attempts: Vec<_> =
        attempts.map(|(function, place)| Call::of(function).with(place, "NOT_UTF8").fails("PUSHER_ERR_UTF8")).collect();
    assert!(attempts.len() > 40, "the parameters were found");
    attempts.push("    world_end(&world);\n".to_owned());
    program(&attempts)
}

fn not_utf8(watch: Watch) {
    let server = world::server();
    Program::generated("text", &every_text(), Library::Shared, watch).succeeds(world::arguments(&server));
}

fn with_a_nul(watch: Watch) {
    let server = world::server();
    Program::written("nul", Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    not_utf8(Watch::Nobody);
}

#[test]
fn text_that_is_not_utf8_is_an_error_under_valgrind() {
    not_utf8(Watch::Valgrind);
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_address_sanitizer() {
    not_utf8(Watch::AddressSanitizer);
}

#[test]
fn a_nul_inside_of_data_arrives() {
    with_a_nul(Watch::Nobody);
}

#[test]
fn a_nul_inside_of_data_arrives_under_valgrind() {
    with_a_nul(Watch::Valgrind);
}

#[test]
fn a_nul_inside_of_data_arrives_with_address_sanitizer() {
    with_a_nul(Watch::AddressSanitizer);
}
