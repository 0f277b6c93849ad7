//! Rule C11: a dialer of the program replaces name resolution, TCP and the proxy. Everything else works over its
//! streams.

#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[path = "../support/certificates.rs"]
mod certificates;
mod connecting;
mod ending;
mod pipe;
#[path = "../support/mod.rs"]
mod support;
#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[path = "../support/terminator.rs"]
mod terminator;
mod waiting;
mod ways;
