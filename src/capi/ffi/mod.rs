//! The border between Rust and C: arguments, results, handles, texts, callbacks, and the panic boundary.

#[macro_use]
pub(crate) mod boundary;

pub(crate) mod arguments;
pub(crate) mod callback;
pub(crate) mod error;
mod error_functions;
pub(crate) mod error_text;
pub(crate) mod handles;
pub(crate) mod results;
pub(crate) mod text;
