//! The names of options and functions in the texts of errors.

/// How an interface of the library writes the names. An option and a function are called here as in Rust.
pub(crate) struct Names {
    /// The name of an option inside a text.
    pub option: fn(&str) -> String,
    /// The name of the option that the error is about.
    pub bare_option: fn(&str) -> String,
    /// The name of a function that takes a client.
    pub function: fn(&str) -> String,
}

impl Names {
    pub const RUST: Self = Self {
        option: |name| format!("Config::{name}"),
        bare_option: str::to_owned,
        function: |name| format!("Pusher::{name}"),
    };
}
