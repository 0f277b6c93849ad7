//! Who may do what: credentials, signatures and keys.

pub(crate) mod app;
pub(crate) mod encryption;
pub(crate) mod subscription;
