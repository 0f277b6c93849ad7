//! What is left of the parent's handles in a forked child.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    declarations::HEADER,
    freed::is_checked,
    generated::{Call, parameters, program},
    program::{Library, Program, Watch},
    world,
};

/// How many clients one world has, of which some come and go.
const CLIENTS_OF_A_WORLD: u64 = 5;

/// So that some find a lock held by a thread that the child does not have.
const FORKS: u64 = 20;

/// Every call that has a handle of the parent's, in the child.
fn calls() -> String {
    let mut functions: Vec<_> = parameters(is_checked).map(|(function, _)| function).collect();
    functions.dedup();
    assert!(functions.len() > 50, "the functions were found");
    let mut calls: Vec<_> = functions.iter().map(|function| Call::of(function).fails("PUSHER_ERR_FORKED")).collect();
    let frees = HEADER.frees().filter(|free| is_checked(free, &free.parameters[0]));
    calls.extend(frees.map(|free| Call::of(free).returns()));
    calls.concat()
}

fn forks() -> String {
    let id = |place: &str| {
        format!(
            "    OK(pusher_socket_id(world.client, &id, NULL));\n    snprintf({place}, sizeof {place}, \"%s\", id);\n"
        )
    };
    let child = format!(
        "        if (child == 0) {{\n            alarm(PATIENCE_MS / 1000);\n{}{}        }}\n",
        calls(),
        "            CHECK(failures == 0);\n            \
                     pusher_client *own = world_client(config_of(arguments));\n            \
                     OK(pusher_subscribe(own, \"cache-news\"));\n            \
                     pusher_notification_free(next_of(own, PUSHER_KIND_EVENT));\n            \
                     pusher_client_free(own);\n            _exit(0);\n",
    );
    program(&[
        "    char before[100], after[100];\n    const char *id;\n".to_owned(),
        id("before"),
        format!("    for (int forks = 0; forks < {FORKS}; forks++) {{\n        pid_t child = fork();\n"),
        child,
        "        int status;\n        CHECK(waitpid(child, &status, 0) == child);\n".to_owned(),
        "        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);\n    }\n".to_owned(),
        // The parent's clients have noticed nothing.
        id("after"),
        "    CHECK(strcmp(before, after) == 0);\n".to_owned(),
        "    pusher_notification_free(next_of(world.client, PUSHER_KIND_EVENT));\n".to_owned(),
        "    world_renew_auth_request(&world);\n    world_end(&world);\n".to_owned(),
    ])
}

#[test]
fn h7_in_a_forked_child_the_parents_handles_are_errors_and_the_parent_goes_on() {
    let server = world::server();
    let program = Program::generated("forks", &forks(), Library::Shared, Watch::Nobody);
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        // Events all the time, so that the forks find locks held.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                server.trigger("room", "e", "flood");
            }
        });
        let output = program.command(world::arguments(&server)).output();
        done.store(true, Ordering::Relaxed);
        output.expect("it runs")
    });
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.accepted(), CLIENTS_OF_A_WORLD + FORKS, "one connection of each client, from first to last");
}
