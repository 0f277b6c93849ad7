//! Support for the tests and the fuzzers of this crate. No build of a user contains it.

#[cfg(test)]
pub(crate) mod figures;
pub mod fuzzing;
pub(crate) mod session_driver;
