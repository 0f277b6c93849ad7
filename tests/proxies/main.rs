//! Rule C7: a proxy carries both the socket and the requests to auth endpoints, and no connection bypasses it.

#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[path = "../support/certificates.rs"]
mod certificates;
mod conversation;
mod destination;
mod ending;
mod environment;
mod http;
mod proxy;
#[path = "../support/relay.rs"]
mod relay;
mod rows;
#[cfg(all(feature = "native-tls", target_os = "linux"))]
mod secured;
mod socks;
#[path = "../support/mod.rs"]
mod support;
mod targets;
#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[path = "../support/terminator.rs"]
mod terminator;
