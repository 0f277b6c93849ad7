//! What becomes of callbacks, seen as C sees it.

mod answers;
mod bindings;
mod c;
mod configured;
mod counted;
mod ending;
mod errors;
mod log;
mod options;
mod panics;
mod wrong_options;
