//! The C interface keeps the promises of its header.
//!
//! `tests/run capi` builds the libraries that these tests need, and runs them. Each test compiles a C program, written by hand
//! (`programs/`) or generated from the header (`generated`), and runs it against the embedded server: alone, under valgrind,
//! and with AddressSanitizer. Plain `cargo test` does not run these tests, because they need such tools.
#![cfg(target_os = "linux")]

mod declarations;
mod header;
mod source;

mod generated;
mod program;

mod fork;
mod invalid_arguments;
mod panics;
mod quiet;
mod written;
