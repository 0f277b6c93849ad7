//! Support for the tests and the fuzzers of this crate. It is not part of any build of a user.

#[cfg(test)]
pub(crate) mod figures;
pub mod fuzzing;
pub(crate) mod session_driver;
