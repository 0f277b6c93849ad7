//! The C interface keeps what its header promises.
//!
//! `tests/run capi` builds the library in the ways that this needs, and runs these tests. Each compiles a program in C,
//! written by hand (`programs/`) or out of the header (`generated`), and runs it against the embedded server: as it is,
//! under valgrind, and with AddressSanitizer. A plain `cargo test` leaves them alone, because they need these tools.
#![cfg(target_os = "linux")]

mod declarations;
mod header;

mod frozen;
mod source;
mod symbols;

mod program;
mod world;

mod generated;

mod errors;
mod freed;
mod null;
mod panics;
mod text;

mod abandoned;
mod callbacks;
mod cycles;
mod flood;
mod fork;
mod lent;
mod logs;
mod permissions;
mod proofs;
mod quiet;
mod signals;
