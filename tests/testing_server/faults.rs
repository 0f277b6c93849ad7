//! Faults while a client connects.

use std::io::{Read, Write};
use std::time::Duration;

use pusher_channels::testing::{Fault, TestServer};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::Role;
use tungstenite::{Error, HandshakeError, WebSocket};

use crate::http;
use crate::support::{
    HANDSHAKE, HANDSHAKE_ANSWER, QUIET, SOON, assert_quiet, connect, is_cut, open, read_close, read_json, read_text,
    start, tcp, try_open,
};

fn with(fault: Fault) -> TestServer {
    let server = start();
    server.push_fault(fault);
    server
}

#[test]
fn close_after_upgrade_sends_the_close_code() {
    let server = with(Fault::CloseAfterUpgrade { code: 4100, reason: "over capacity".into() });
    assert_eq!(read_close(&mut open(&server)), (4100, "over capacity".to_owned()));
}

#[test]
fn error_then_close_sends_the_error_and_ends() {
    for close_code in [Some(4004), None] {
        let server = with(Fault::ErrorThenClose { code: 4004, message: "over quota".into(), close_code });
        let mut client = open(&server);
        assert_eq!(read_text(&mut client), r#"{"event":"pusher:error","data":{"code":4004,"message":"over quota"}}"#);
        match close_code {
            Some(code) => assert_eq!(read_close(&mut client).0, code),
            None => assert!(is_cut(&mut client)),
        }
    }
}

#[test]
fn drop_after_upgrade_cuts_the_connection() {
    let server = with(Fault::DropAfterUpgrade);
    assert!(is_cut(&mut open(&server)));
    assert_eq!(server.accepted(), 1);
}

#[test]
fn http_status_answers_the_upgrade_request() {
    let server = with(Fault::HttpStatus {
        status: 503,
        body: "later".into(),
        headers: vec![("Retry-After".into(), "7".into())],
    });
    match try_open(&server, &server.url()) {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "7");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.accepted(), 0);
}

#[test]
fn no_upgrade_answer_leaves_the_request_open() {
    let server = with(Fault::NoUpgradeAnswer);
    let stream = tcp(&server);
    stream.set_read_timeout(Some(QUIET)).unwrap();
    let waiting = tungstenite::client(server.url(), stream);
    assert!(matches!(waiting, Err(HandshakeError::Interrupted(_))));
}

#[test]
fn raw_head_replaces_the_answer() {
    let server = with(Fault::RawHead("SSH-2.0-OpenSSH_9.2\r\n".into()));
    let mut stream = tcp(&server);
    stream.write_all(b"GET /app/app-key HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "SSH-2.0-OpenSSH_9.2\r\n");
}

#[test]
fn first_frame_replaces_the_first_message() {
    let server = with(Fault::FirstFrame("surprise".into()));
    let mut client = open(&server);
    assert_eq!(read_text(&mut client), "surprise");
    assert_quiet(&mut client);
}

#[test]
fn wrong_accept_sends_a_wrong_accept_key() {
    let server = with(Fault::WrongAccept);
    assert!(matches!(
        try_open(&server, &server.url()),
        Err(Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch))
    ));
}

#[test]
fn extra_upgrade_header_is_in_the_answer() {
    let server = with(Fault::ExtraUpgradeHeader("X-Extra".into(), "yes".into()));
    let (_client, response) = tungstenite::client(server.url(), tcp(&server)).unwrap();
    assert_eq!(response.headers()["x-extra"], "yes");
}

#[test]
fn never_established_sends_no_first_message() {
    let server = with(Fault::NeverEstablished);
    let mut client = open(&server);
    assert_quiet(&mut client);
    assert!(server.wait_for_connections(1, SOON));
}

#[test]
fn drip_head_sends_the_head_byte_by_byte() {
    let server = with(Fault::DripHead(Duration::from_micros(100)));
    let mut stream = tcp(&server);
    stream.write_all(HANDSHAKE).unwrap();
    let mut head = [0; HANDSHAKE_ANSWER.len()];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(String::from_utf8_lossy(&head), HANDSHAKE_ANSWER);
    let mut client = WebSocket::from_raw_socket(stream, Role::Client, None);
    assert_eq!(read_json(&mut client)["event"], "pusher:connection_established");
}

#[test]
fn each_connection_takes_the_next_fault_and_then_the_standing_one() {
    let server = start();
    server.push_fault(Fault::FirstFrame("one".into()));
    server.push_fault(Fault::FirstFrame("two".into()));
    server.set_fault(Some(Fault::FirstFrame("always".into())));
    for expected in ["one", "two", "always", "always"] {
        assert_eq!(read_text(&mut open(&server)), expected);
    }
    server.set_fault(None);
    connect(&server);
}

#[test]
fn faults_do_not_affect_the_http_api() {
    let server = with(Fault::NoUpgradeAnswer);
    let body = r#"{"name":"e","data":"d","channel":"room"}"#;
    assert_eq!(http::publish(&server, body).0, 200);
}
