//! Tests of the C interface by its own functions.

mod auth_requests;
mod c;
mod callbacks;
mod configured;
mod errors;
mod log;
mod options;
mod panics;
mod wrong_options;
