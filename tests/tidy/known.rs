//! Exceptions of the checks, each with its reason. An entry that is no longer needed fails its check.

/// Folders of `src` with more than 10 entries. `mod.rs` and folders of tests do not count.
pub(crate) const CROWDED_FOLDERS: [(&str, &str); 4] = [
    ("", "the layers, and files that all layers share"),
    ("io", "a folder for each subject, and the files that connect them"),
    ("session/tests", "a file for each subject"),
    ("testability/fuzzing", "a file for each target"),
];

/// Files of fewer than 60 lines that are a concept of their own.
pub(crate) const SMALL_CONCEPTS: [(&str, &str); 11] = [
    ("capi/client/users.rs", "functions of the signed-in user"),
    ("catch.rs", "panics of the program's code"),
    ("connection_state.rs", "the states of the connection"),
    ("error/names.rs", "names of options in the texts of errors"),
    ("event/sender.rs", "the public trait of senders"),
    ("io/dispatch/remaining.rs", "the rest of a budget for handlers"),
    ("io/guard/fork.rs", "the guard against forks"),
    ("panic_hook.rs", "marks for the panic hook"),
    ("protocol/close_code.rs", "close codes"),
    ("random.rs", "the source of random numbers"),
    ("receiver/errors.rs", "one error for each way to receive"),
];

/// Types that the files of their folder are a part of: their file, their name, and the reason. An import of one of them
/// is no step of a circle.
pub(crate) const TYPES_OF_CIRCLES: [(&str, &str, &str); 2] = [
    ("config/mod.rs", "Config", "each file of the folder adds the setters of its options, and reads other options"),
    (
        "event/mod.rs",
        "Event",
        "a notification may be an event, an event is an index into a batch, a batch has notifications",
    ),
];

/// Types of tests that have the name of the type whose place they take.
pub(crate) const STAND_INS: [(&str, [&str; 2], &str); 1] = [(
    "Reader",
    ["io/interleavings/reader.rs", "io/threads/reader.rs"],
    "the model checker compiles its own file in place of the other",
)];
