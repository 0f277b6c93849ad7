#!/usr/bin/env bash
# tungstenite 0.30.0 reports close code 1014 as 1002, and replaces the reason.
#
# 1014 (Bad Gateway) is in IANA's registry of WebSocket close codes beside 1012 and 1013. One would expect the reader to get
# the code and the reason that the peer sent, as it does for 1013. A client with tungstenite 0.30.0 reads the unmasked close
# frames of a server like this:
#
#   1013 "try later" is read as 1013 "try later"
#   1014 "bad gateway" is read as 1002 "Protocol violation"
#   4200 "reconnect" is read as 4200 "reconnect"
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
tungstenite = { version = "=0.30.0", default-features = false, features = ["handshake"] }
TOML
cat >src/main.rs <<'RUST'
use std::io::Cursor;
use tungstenite::{protocol::{Role, WebSocket}, Message};

fn main() {
    for (code, reason) in [(1013_u16, "try later"), (1014, "bad gateway"), (4200, "reconnect")] {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        let mut frame = vec![0x88, payload.len() as u8];
        frame.extend(payload);
        let mut socket = WebSocket::from_raw_socket(Cursor::new(frame), Role::Client, None);
        let Ok(Message::Close(Some(read))) = socket.read() else { panic!("a close frame") };
        println!("{code} {reason:?} is read as {} {:?}", u16::from(read.code), read.reason.as_str());
    }
}
RUST
cargo run --quiet >output
cat output
diff output - <<'EXPECTED'
1013 "try later" is read as 1013 "try later"
1014 "bad gateway" is read as 1002 "Protocol violation"
4200 "reconnect" is read as 4200 "reconnect"
EXPECTED
