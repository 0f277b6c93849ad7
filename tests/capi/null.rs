//! NULL is an error for every parameter that is not marked PUSHER_NULLABLE, fine for those that are, and for `free`.

use crate::declarations::{Function, HEADER, Parameter};
use crate::{
    generated::{Call, parameters, program},
    program::{Library, Program, Watch},
    world,
};

/// One argument is NULL, and the others are valid.
fn with_one_null() -> String {
    let attempts = parameters(|_, parameter| parameter.is_pointer() && !parameter.is_nullable);
    let attempts: Vec<_> =
        attempts.map(|(function, place)| Call::of(function).with(place, "NULL").fails("PUSHER_ERR_NULL")).collect();
    assert!(attempts.len() > 100, "the parameters were found");
    // Only what has no length may be NULL there.
    let measured = parameters(|function, parameter| parameter.is_nullable && is_measured(function, parameter));
    let measured: Vec<_> =
        measured.map(|(function, place)| Call::of(function).with(place, "NULL").fails("PUSHER_ERR_NULL")).collect();
    assert_eq!(measured.len(), 6, "the parameters were found");
    let frees = HEADER.frees().map(|free| Call::of(free).with(0, "NULL").returns());
    program(
        &attempts
            .into_iter()
            .chain(measured)
            .chain(frees)
            .chain(["    world_end(&world);\n".to_owned()])
            .collect::<Vec<_>>(),
    )
}

/// Everything valid, and then one after another of what may be NULL.
fn with_what_may_be_null() -> String {
    // No JSON is empty.
    let may_be = parameters(|_, parameter| parameter.is_nullable && parameter.name != "json");
    let mut parts: Vec<_> = may_be
        .flat_map(|(function, place)| {
            let without = Call::of(function).with(place, "NULL");
            let is_measured = is_measured(function, &function.parameters[place]);
            let without = if is_measured { without.with(place + 1, "0") } else { without };
            [Call::of(function), without].map(|c| (function, c))
        })
        .map(|(function, call)| renewed(&function.name) + &call.works())
        .collect();
    assert!(parts.len() > 60, "the parameters were found");
    parts.push("    OK(pusher_log(PUSHER_LOG_OFF, NULL, NULL, NULL));\n".to_owned());
    parts.push("    world_end(&world);\n    expect_all_destroyed();\n".to_owned());
    program(&parts)
}

/// Whether the text has its length beside it.
fn is_measured(function: &Function, parameter: &Parameter) -> bool {
    let mut after = function.parameters.iter().skip_while(|other| other.name != parameter.name);
    parameter.is_text() && after.nth(1).is_some_and(|next| next.name == "length")
}

/// An auth request is used up by its answer.
fn renewed(function: &str) -> String {
    let answers = function.starts_with("pusher_auth_request_grant");
    if answers { "    world_renew_auth_request(&world);\n".to_owned() } else { String::new() }
}

fn run(name: &str, text: &str, watch: Watch) {
    let server = world::server();
    Program::generated(name, text, Library::Shared, watch).succeeds(world::arguments(&server));
}

#[test]
fn null_is_an_error_writes_nothing_and_destroys_what_was_to_be_registered() {
    run("null", &with_one_null(), Watch::Nobody);
}

#[test]
fn null_is_an_error_under_valgrind() {
    run("null", &with_one_null(), Watch::Valgrind);
}

#[test]
fn null_is_an_error_with_address_sanitizer() {
    run("null", &with_one_null(), Watch::AddressSanitizer);
}

#[test]
fn what_may_be_null_may_be_null() {
    run("nullable", &with_what_may_be_null(), Watch::Nobody);
}

#[test]
fn what_may_be_null_may_be_null_under_valgrind() {
    run("nullable", &with_what_may_be_null(), Watch::Valgrind);
}

#[test]
fn what_may_be_null_may_be_null_with_address_sanitizer() {
    run("nullable", &with_what_may_be_null(), Watch::AddressSanitizer);
}
