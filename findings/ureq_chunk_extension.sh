#!/usr/bin/env bash
# ureq 3.5.2 (ureq-proto 0.7.1) refuses a chunked answer if the line of a chunk size has a long extension.
#
# RFC 9112, section 7.1.1: extensions may follow the size of a chunk, and a recipient ignores unknown ones. One would expect the
# body "ab" for each of these answers. With all features off, on a loopback connection, the line of a chunk size may have up
# to 20 bytes before its line end:
#
#   2 is read as Ok("ab")
#   2;a=b is read as Ok("ab")
#   2;signature=0123456789abcdef is read as Err("protocol: chunk expected crlf as next character")
#
# This script needs cargo and a crate registry. It fails when the output changes.
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
ureq = { version = "=3.5.2", default-features = false }
ureq-proto = { version = "=0.7.1", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use std::{io::{Read, Write}, net::TcpListener, thread};

fn main() {
    for size in ["2", "2;a=b", "2;signature=0123456789abcdef"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let server = thread::spawn(move || {
            let mut peer = listener.accept().expect("connected").0;
            let _ = peer.read(&mut [0; 4096]).expect("a request");
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(peer, "{head}{size}\r\nab\r\n0\r\n\r\n").expect("open");
        });
        let answer = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        println!("{size} is read as {:?}", answer.map_err(|error| error.to_string()));
        server.join().expect("no panic");
    }
}
RUST
cargo run --quiet >output
cat output
diff output - <<'EXPECTED'
2 is read as Ok("ab")
2;a=b is read as Ok("ab")
2;signature=0123456789abcdef is read as Err("protocol: chunk expected crlf as next character")
EXPECTED
