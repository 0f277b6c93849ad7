//! The layers of `src`.

/// From the bottom: top-level modules. A file may use its own layer and those below.
pub(crate) const LAYERS: [&[&str]; 12] = [
    &["surrogates", "secret", "panic_hook", "user_code", "random", "sync"],
    // The types that users receive: changes of state carry errors, and an error names the state.
    &["error", "event"],
    &["auth"],
    &["delivery"],
    &["protocol"],
    &["session"],
    &["config"],
    &["io"],
    &["client", "receiver"],
    &["capi"],
    &["testing"],
    &["testability"],
];

pub(crate) fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}
