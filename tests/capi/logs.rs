//! What the library logs goes to the callback, and nowhere else.

use pusher_channels::testing::TestServer;

use crate::{
    program::{Library, Program, Watch},
    world,
};

fn run(watch: Watch) {
    let server = TestServer::start().expect("a free port on loopback");
    let output = Program::written("logs", Library::Shared, watch).succeeds(world::arguments(&server));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing is printed");
}

#[test]
fn the_log_callback_gets_what_its_level_lets_through_until_it_is_replaced_or_removed() {
    run(Watch::Nobody);
}

#[test]
fn the_log_callback_under_valgrind() {
    run(Watch::Valgrind);
}
