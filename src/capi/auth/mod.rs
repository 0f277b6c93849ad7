//! Who authorises: the program, an endpoint, or a backend in C.

pub(crate) mod credentials;
pub(crate) mod permissions;
pub(crate) mod questions;
