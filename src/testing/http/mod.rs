//! HTTP: requests and responses, the API for publishers, the auth endpoint, and the upgrade to WebSocket.

pub(crate) mod api;
pub(crate) mod auth_endpoint;
pub(crate) mod fault;
pub(crate) mod http1;
pub(crate) mod upgrade;
