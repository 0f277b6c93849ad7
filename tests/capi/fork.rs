//! The handles of the parent are invalid in a forked child.

use crate::{
    declarations::HEADER,
    generated::{Call, parameters, program},
    invalid_arguments::is_checked,
    program::{Library, Program, Tool, arguments, server},
    written::run_while_publishing,
};

/// The number of clients that `world_begin` of `programs/world.h` connects.
const CLIENTS_OF_A_WORLD: u64 = 5;

/// Enough that some children inherit a lock that a thread of the parent holds.
const FORKS: u64 = 20;

/// In the child: every call that takes a handle, with one of the parent's handles.
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
        // The parent's clients go on as before.
        id("after"),
        "    CHECK(strcmp(before, after) == 0);\n".to_owned(),
        "    pusher_notification_free(next_of(world.client, PUSHER_KIND_EVENT));\n".to_owned(),
        "    world_renew_auth_request(&world);\n    world_end(&world);\n".to_owned(),
    ])
}

#[test]
fn h7_in_a_forked_child_the_handles_of_the_parent_are_errors_and_the_parent_goes_on() {
    let server = server();
    let program = Program::generated("forks", &forks(), Library::Shared, Tool::Plain);
    // Because of the events, some forks happen while a thread holds a lock.
    let output =
        run_while_publishing(&server, "room", || program.command(arguments(&server)).output().expect("it runs"));
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.accepted(), CLIENTS_OF_A_WORLD + FORKS, "each client has kept its first connection");
}
