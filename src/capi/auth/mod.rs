//! Authorising: credentials for endpoints, pending auth requests, and signed permissions.

pub(crate) mod credentials;
pub(crate) mod pending_requests;
pub(crate) mod permissions;
