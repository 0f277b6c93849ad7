//! Tests of the C interface by its own functions.

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
