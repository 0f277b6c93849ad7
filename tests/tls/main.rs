//! Rule C8: TLS by the platform's library, with certificates made for each run, for the socket and for auth endpoints.
// If the platform's library is OpenSSL, the server of a test can use obsolete versions and wrong certificates.
#![cfg(all(feature = "native-tls", target_os = "linux"))]

#[path = "../support/certificates.rs"]
mod certificates;
mod clients;
mod flow;
mod kept_connections;
mod matrix;
mod names;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/terminator.rs"]
mod terminator;
