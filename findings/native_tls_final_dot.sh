#!/usr/bin/env bash
# native-tls 0.2.18 (OpenSSL) sends the final dot of a host in the server name of its ClientHello.
#
# A final dot marks a name as complete: resolvers accept it, and URLs may have it. RFC 6066, section 3, says that the server
# name of a ClientHello is sent without a trailing dot. One would expect `TlsConnector::connect` to remove it. With native-tls
# 0.2.18 on Debian 12, OpenSSL 3.0, it is sent as it was given. A server that chooses its certificate by name has none for it.
#
#   localhost is sent as "localhost"
#   localhost. is sent as "localhost."
#
# This script needs cargo, a crate registry, and OpenSSL's headers. It fails when the output changes.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
native-tls = "=0.2.18"
TOML
cat >src/main.rs <<'RUST'
use std::{io::Read, net::{TcpListener, TcpStream}, thread};

/// The server name extension of a ClientHello: type 0, two lengths, type 0 (a host), the length of the name.
fn server_name(hello: &[u8]) -> Option<String> {
    (0..hello.len().checked_sub(9)?).find_map(|at| {
        let number = |offset: usize| usize::from(hello[at + offset]) << 8 | usize::from(hello[at + offset + 1]);
        let length = number(7);
        let is_name = number(0) == 0 && number(2) == length + 5 && number(4) == length + 3 && hello[at + 6] == 0;
        let name = hello.get(at + 9..at + 9 + length).filter(|name| is_name && !name.is_empty())?;
        String::from_utf8(name.to_vec()).ok()
    })
}

fn main() {
    for host in ["localhost", "localhost."] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let client = thread::spawn(move || {
            let socket = TcpStream::connect(address).expect("listening");
            native_tls::TlsConnector::new().expect("the platform's roots").connect(host, socket).is_ok()
        });
        let mut hello = vec![0; 4096];
        let mut peer = listener.accept().expect("connected").0;
        let length = peer.read(&mut hello).expect("a ClientHello");
        println!("{host} is sent as {:?}", server_name(&hello[..length]).expect("a server name"));
        drop(peer);
        assert!(!client.join().expect("no panic"), "the server sends no answer");
    }
}
RUST
cargo run --quiet >output
cat output
diff output - <<'EXPECTED'
localhost is sent as "localhost"
localhost. is sent as "localhost."
EXPECTED
