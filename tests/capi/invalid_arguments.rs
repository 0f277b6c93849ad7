//! Arguments that a caller gets wrong: NULL, text that is not UTF-8, and handles that are invalid.

use crate::{
    declarations::{Function, HEADER, Parameter},
    generated::{Call, parameters, program},
    program::{Library, Program, Tool, arguments, server, tests_with_tools},
};

/// Numbers that are not handles: small, large, odd, and all bits set.
const INVALID_HANDLES: [&str; 4] = ["1", "0xdeadbeef", "0x7fffffffffff", "UINTPTR_MAX"];

/// Each call has one argument that is NULL, and the others are valid.
fn with_one_null() -> String {
    let must_not_be = parameters(|_, parameter| parameter.is_pointer() && !parameter.is_nullable);
    let calls: Vec<_> =
        must_not_be.map(|(function, place)| Call::of(function).with(place, "NULL").fails("PUSHER_ERR_NULL")).collect();
    assert!(calls.len() > 100, "the parameters were found");
    // NULL is legal for these if their length is 0, and the length is 2 here.
    let with_length = parameters(|function, parameter| parameter.is_nullable && has_length(function, parameter));
    let with_length: Vec<_> =
        with_length.map(|(function, place)| Call::of(function).with(place, "NULL").fails("PUSHER_ERR_NULL")).collect();
    assert_eq!(with_length.len(), 6, "the parameters were found");
    let frees = HEADER.frees().map(|free| Call::of(free).with(0, "NULL").returns());
    let end = ["    world_end(&world);\n".to_owned()];
    program(&calls.into_iter().chain(with_length).chain(frees).chain(end).collect::<Vec<_>>())
}

/// For each argument that may be NULL: one call with all arguments valid, and one with NULL.
fn with_nullable_nulls() -> String {
    // `json` may be NULL only if its length is 0, and JSON of no length is invalid.
    let may_be = parameters(|_, parameter| parameter.is_nullable && parameter.name != "json");
    let mut parts: Vec<_> = may_be
        .flat_map(|(function, place)| {
            let without = Call::of(function).with(place, "NULL");
            let has_length = has_length(function, &function.parameters[place]);
            let without = if has_length { without.with(place + 1, "0") } else { without };
            [Call::of(function), without].map(|c| (function, c))
        })
        .map(|(function, call)| renewed(&function.name) + &call.works())
        .collect();
    assert!(parts.len() > 60, "the parameters were found");
    parts.push("    OK(pusher_log(PUSHER_LOG_OFF, NULL, NULL, NULL));\n".to_owned());
    parts.push("    world_end(&world);\n    expect_all_destroyed();\n".to_owned());
    program(&parts)
}

/// Whether the parameter is a text whose length is the next parameter.
fn has_length(function: &Function, parameter: &Parameter) -> bool {
    let mut after = function.parameters.iter().skip_while(|other| other.name != parameter.name);
    parameter.is_text() && after.nth(1).is_some_and(|next| next.name == "length")
}

/// An answer frees its auth request, so that the next answer needs another one.
fn renewed(function: &str) -> String {
    let answers = function.starts_with("pusher_auth_request_grant");
    if answers { "    world_renew_auth_request(&world);\n".to_owned() } else { String::new() }
}

/// Each call has one text that is not UTF-8.
fn with_one_text_that_is_not_utf8() -> String {
    let texts = parameters(|_, parameter| parameter.is_text());
    let mut calls: Vec<_> =
        texts.map(|(function, place)| Call::of(function).with(place, "NOT_UTF8").fails("PUSHER_ERR_UTF8")).collect();
    assert!(calls.len() > 40, "the parameters were found");
    calls.push("    world_end(&world);\n".to_owned());
    program(&calls)
}

/// Whether the library checks this handle. Notifications and errors are plain memory, which the library cannot check,
/// as the header says.
pub(crate) fn is_checked(_: &Function, parameter: &Parameter) -> bool {
    parameter.handle().is_some_and(|handle| !["pusher_notification", "pusher_error"].contains(&handle))
}

/// A freed handle, a handle of another type, and numbers that are not handles.
fn invalid_handles(parameter: &Parameter) -> Vec<String> {
    let handle = parameter.handle().expect("a handle");
    let freed = format!("freed.{}", handle.trim_start_matches("pusher_"));
    let other = if handle == "pusher_config" { "world.client" } else { "world.config" };
    let other = format!("({handle} *){other}");
    let numbers = INVALID_HANDLES.iter().map(|number| format!("({handle} *)(uintptr_t){number}"));
    [freed, other].into_iter().chain(numbers).collect()
}

fn with_one_invalid_handle() -> String {
    let mut parts = vec![
        "    static struct world freed;\n    world_begin(&freed, arguments);\n    world_end(&freed);\n".to_owned(),
    ];
    for (function, place) in parameters(is_checked) {
        for handle in invalid_handles(&function.parameters[place]) {
            parts.push(Call::of(function).with(place, &handle).fails("PUSHER_ERR_HANDLE"));
        }
    }
    assert!(parts.len() > 400, "the parameters were found");
    for free in HEADER.frees().filter(|free| is_checked(free, &free.parameters[0])) {
        for handle in invalid_handles(&free.parameters[0]) {
            parts.push(Call::of(free).with(0, &handle).returns());
        }
    }
    // The handles that were passed as another type are still valid.
    parts.push("    OK(pusher_config_set(world.config, \"host\", \"room\"));\n".to_owned());
    parts.push("    CHECK(pusher_is_subscribed(world.client, \"room\", &(int32_t){0}) == PUSHER_OK);\n".to_owned());
    // A handle may be freed twice, and freeing it frees no other handle.
    for free in HEADER.frees().filter(|free| is_checked(free, &free.parameters[0])) {
        let valid = Call::of(free).returns();
        parts.push(if free.name == "pusher_client_free" { String::new() } else { valid.clone() + &valid });
    }
    parts.push("    world_end(&world);\n".to_owned());
    program(&parts)
}

fn run(name: &str, text: &str, tool: Tool) {
    let server = server();
    Program::generated(name, text, Library::Shared, tool).succeeds(arguments(&server));
}

tests_with_tools! {
    null_is_an_error_writes_nothing_and_destroys_the_user_data:
        |tool| run("null", &with_one_null(), tool), [plain, valgrind, address_sanitizer];
    null_is_legal_where_the_header_says_so:
        |tool| run("nullable", &with_nullable_nulls(), tool), [plain, valgrind, address_sanitizer];
    text_that_is_not_utf8_is_an_error:
        |tool| run("utf8", &with_one_text_that_is_not_utf8(), tool), [plain, valgrind, address_sanitizer];
    an_invalid_handle_is_an_error_and_is_not_read:
        |tool| run("handles", &with_one_invalid_handle(), tool), [plain, valgrind, address_sanitizer];
}
