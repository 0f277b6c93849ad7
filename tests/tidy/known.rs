//! Exceptions of the checks, each with its reason. An entry that is no longer needed fails its check.

/// Folders of `src` with more than 10 entries. `mod.rs` and folders of tests do not count.
pub(crate) const CROWDED_FOLDERS: [(&str, &str); 5] = [
    ("", "the layers, and files that all layers share"),
    ("capi/tests", "a file for each subject"),
    ("io", "the rooms, and the files that hold them together"),
    ("session/tests", "a file for each subject"),
    ("testability/fuzzing", "a file for each target"),
];

/// Files of fewer than 60 lines that are a concept of their own.
pub(crate) const SMALL_CONCEPTS: [(&str, &str); 14] = [
    ("capi/client/users.rs", "functions of the signed-in user"),
    ("capi/library/version.rs", "versions of the library"),
    ("error/names.rs", "names of options in the texts of errors"),
    ("event/sender.rs", "the public trait of senders"),
    ("io/dispatch/remaining.rs", "the rest of a budget for handlers"),
    ("io/guard/channel_warnings.rs", "warnings about names of channels"),
    ("io/guard/fork.rs", "the guard against forks"),
    ("io/guard/random.rs", "the source of random numbers"),
    ("io/transport/byte_counters.rs", "counters of bytes"),
    ("io/transport/readiness.rs", "a descriptor to wait on"),
    ("panic_hook.rs", "marks for the panic hook"),
    ("protocol/close_code.rs", "close codes"),
    ("receiver/errors.rs", "one error for each way to receive"),
    ("receiver/iter.rs", "iterators over a receiver"),
];
