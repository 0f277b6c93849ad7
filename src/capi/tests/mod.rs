//! Tests of the C interface by its own functions.

mod auth_requests;
mod bindings;
mod c;
mod configured;
mod errors;
mod log;
mod options;
mod panics;
mod wrong_options;
