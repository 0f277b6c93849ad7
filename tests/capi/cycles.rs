//! A thousand clients come and go, and leave nothing behind.

use crate::{
    program::{Library, Program, Watch},
    world,
};

/// How many clients, one after another.
const CYCLES: &str = "1000";

fn run(library: Library, watch: Watch) {
    let server = world::server();
    let arguments = world::arguments(&server).into_iter().chain([CYCLES.to_owned()]);
    Program::written("cycles", library, watch).succeeds(arguments);
    assert_eq!(server.accepted().to_string(), CYCLES, "each has connected once");
    assert!(server.wait_for_connections(0, std::time::Duration::from_secs(20)), "none is left");
}

#[test]
fn a_thousand_cycles() {
    run(Library::Shared, Watch::Nobody);
}

#[test]
fn a_thousand_cycles_with_the_static_library() {
    run(Library::Static, Watch::Nobody);
}

#[test]
fn a_thousand_cycles_under_valgrind() {
    run(Library::Shared, Watch::Valgrind);
}

#[test]
fn a_thousand_cycles_with_address_sanitizer() {
    run(Library::Shared, Watch::AddressSanitizer);
}
