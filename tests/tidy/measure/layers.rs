//! The layers of `src`.

/// From the bottom: top-level modules. A file may use its own layer and those below. The modules of one layer have no circle.
pub(crate) const LAYERS: [&[&str]; 13] = [
    &["sync", "secret", "surrogates", "panic_hook", "catch", "random", "connection_state"],
    &["error"],
    &["event"],
    &["auth"],
    &["delivery"],
    &["protocol"],
    &["session"],
    &["config"],
    &["io"],
    &["receiver", "client"],
    &["capi"],
    &["testing"],
    &["testability"],
];

pub(crate) fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}
