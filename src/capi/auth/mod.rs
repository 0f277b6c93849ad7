//! Authorising: credentials for endpoints, questions to the program, and signed permissions.

pub(crate) mod credentials;
pub(crate) mod permissions;
pub(crate) mod questions;
