//! Opens a WebSocket: name resolution, TCP, the proxy, TLS, the upgrade.

#[cfg(test)]
mod autobahn;
pub(crate) mod dial;
pub(crate) mod happy_eyeballs;
pub(crate) mod http_head;
pub(crate) mod proxy;
mod refusal;
pub(crate) mod upgrade;
