//! Rule C11: a dialer of the program takes the place of resolving, TCP and a proxy, and everything works over what it makes.

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
