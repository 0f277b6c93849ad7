//! Credentials, signatures, keys, and the check of subscriptions.

pub(crate) mod app;
pub(crate) mod encryption;
pub(crate) mod subscription;
