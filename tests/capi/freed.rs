//! A handle that was freed, is of another type, or never was one is told, and nothing is read through it.
//!
//! Notifications and errors are plain memory and left out, as the header says.

use crate::{
    declarations::{Function, HEADER, Parameter},
    generated::{Call, parameters, program},
    program::{Library, Program, Watch},
    world,
};

/// Numbers that are no handles: small, large, odd, and all bits set.
const RUBBISH: [&str; 4] = ["1", "0xdeadbeef", "0x7fffffffffff", "UINTPTR_MAX"];

pub(crate) fn is_checked(_: &Function, parameter: &Parameter) -> bool {
    parameter.handle().is_some_and(|handle| !["pusher_notification", "pusher_error"].contains(&handle))
}

/// What may be wrong with the handle that this function wants.
fn wrong_handles(parameter: &Parameter) -> Vec<String> {
    let handle = parameter.handle().expect("a handle");
    let freed = format!("gone.{}", handle.trim_start_matches("pusher_"));
    let other = if handle == "pusher_config" { "world.client" } else { "world.config" };
    let other = format!("({handle} *){other}");
    let rubbish = RUBBISH.iter().map(|number| format!("({handle} *)(uintptr_t){number}"));
    [freed, other].into_iter().chain(rubbish).collect()
}

fn every_wrong_handle() -> String {
    let mut parts =
        vec!["    static struct world gone;\n    world_begin(&gone, arguments);\n    world_end(&gone);\n".to_owned()];
    for (function, place) in parameters(is_checked) {
        for wrong in wrong_handles(&function.parameters[place]) {
            parts.push(Call::of(function).with(place, &wrong).fails("PUSHER_ERR_HANDLE"));
        }
    }
    assert!(parts.len() > 400, "the parameters were found");
    for free in HEADER.frees().filter(|free| is_checked(free, &free.parameters[0])) {
        for wrong in wrong_handles(&free.parameters[0]) {
            parts.push(Call::of(free).with(0, &wrong).returns());
        }
    }
    // What was offered as something else is still what it was.
    parts.push("    OK(pusher_config_set(world.config, \"host\", \"room\"));\n".to_owned());
    parts.push("    CHECK(pusher_is_subscribed(world.client, \"room\", &(int32_t){0}) == PUSHER_OK);\n".to_owned());
    // Ends of handles end only these.
    for free in HEADER.frees().filter(|free| is_checked(free, &free.parameters[0])) {
        let valid = Call::of(free).returns();
        parts.push(if free.name == "pusher_client_free" { String::new() } else { valid.clone() + &valid });
    }
    parts.push("    world_end(&world);\n".to_owned());
    program(&parts)
}

fn run(watch: Watch) {
    let server = world::server();
    let program = Program::generated("freed", &every_wrong_handle(), Library::Shared, watch);
    program.succeeds(world::arguments(&server));
}

#[test]
fn a_handle_that_is_none_is_an_error() {
    run(Watch::Nobody);
}

#[test]
fn a_handle_that_is_none_is_an_error_under_valgrind() {
    run(Watch::Valgrind);
}

#[test]
fn a_handle_that_is_none_is_an_error_with_address_sanitizer() {
    run(Watch::AddressSanitizer);
}
