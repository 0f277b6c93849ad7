//! From the TCP connection to the first message.

use std::io::Write;
use std::time::Duration;

use pusher_channels::testing::TestServer;
use tungstenite::Error;

use crate::http;
use crate::support::{HANDSHAKE, SOON, connect, open, read_close, read_json, read_text, start, tcp, try_open};

#[test]
fn the_first_message_has_the_socket_id_and_the_activity_timeout() {
    let server = start();
    let mut client = open(&server);
    let text = read_text(&mut client);
    let id = text
        .strip_prefix(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\""#)
        .and_then(|rest| rest.strip_suffix(r#"\",\"activity_timeout\":120}"}"#))
        .unwrap_or_else(|| panic!("{text}"));
    let (first, second) = id.split_once('.').unwrap();
    assert!(first.parse::<u64>().is_ok() && second.parse::<u64>().is_ok());
}

#[test]
fn socket_ids_are_unique() {
    let server = start();
    let (_one, first) = connect(&server);
    let (_two, second) = connect(&server);
    assert_ne!(first, second);
}

#[test]
fn the_query_may_be_missing() {
    let server = start();
    let mut client = try_open(&server, &server.url()).unwrap();
    assert_eq!(read_json(&mut client)["event"], "pusher:connection_established");
}

#[test]
fn the_activity_timeout_is_configurable() {
    for (timeout, json) in [(30_000, "30"), (1_500, "1.5")] {
        let server = TestServer::builder().activity_timeout(Duration::from_millis(timeout)).start().unwrap();
        let text = read_text(&mut open(&server));
        assert!(text.contains(&format!(r#"\"activity_timeout\":{json}}}"#)), "{text}");
    }
}

#[test]
fn the_activity_timeout_may_be_any_text() {
    let server = TestServer::builder().activity_timeout_json("[null]").start().unwrap();
    let text = read_text(&mut open(&server));
    assert!(text.contains(r#"\"activity_timeout\":[null]}"#), "{text}");
}

#[test]
fn an_unknown_key_gets_an_error_and_close_code_4001() {
    let server = start();
    let url = format!("ws://{}/app/nope?protocol=7", server.addr());
    let mut client = try_open(&server, &url).unwrap();
    assert_eq!(
        read_text(&mut client),
        r#"{"event":"pusher:error","data":{"code":4001,"message":"Could not find app by key nope"}}"#
    );
    assert_eq!(read_close(&mut client).0, 4001);
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    assert!(server.wait_for_connections(0, SOON));
}

#[test]
fn an_unsupported_protocol_gets_close_code_4007() {
    let server = start();
    for protocol in ["4", "8", "99", "abc", ""] {
        let url = format!("{}?protocol={protocol}", server.url());
        let mut client = try_open(&server, &url).unwrap();
        assert_eq!(read_close(&mut client).0, 4007, "{protocol}");
    }
}

#[test]
fn another_path_is_not_found() {
    let server = start();
    for path in ["/nope", "/app/", "/app/app-key/x", "/"] {
        match try_open(&server, &format!("ws://{}{path}", server.addr())) {
            Err(Error::Http(response)) => assert_eq!(response.status(), 404, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn requests_are_recorded_with_their_headers() {
    let server = start();
    let _client = open(&server);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/app/app-key?protocol=7&client=test&version=1.0.0");
    assert_eq!(requests[0].path(), "/app/app-key");
    assert_eq!(requests[0].query(), Some("protocol=7&client=test&version=1.0.0"));
    assert_eq!(requests[0].header("UPGRADE"), Some("websocket"));
}

#[test]
fn connections_are_counted() {
    let server = start();
    let (first, _) = connect(&server);
    let _second = connect(&server);
    assert_eq!(server.connections(), 2);
    drop(first);
    assert!(server.wait_for_connections(1, SOON));
    drop(tcp(&server));
    assert!(server.wait_for(SOON, |state| state.attempts() == 3));
    assert_eq!(server.accepted(), 2);
}

#[test]
fn frames_sent_together_with_the_request_are_read() {
    let server = start();
    let mut stream = tcp(&server);
    let mut bytes = HANDSHAKE.to_vec();
    // A masked text frame; the mask is zero.
    bytes.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    stream.write_all(&bytes).unwrap();
    assert!(server.wait_for_received(|message| message.text == "hi", SOON));
}

#[test]
fn an_incomplete_handshake_is_refused() {
    let server = start();
    for (head, status) in [
        ("GET /app/app-key HTTP/1.1\r\n\r\n", "426"),
        ("POST /app/app-key HTTP/1.1\r\n\r\n", "405"),
        ("GET /app/app-key HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "426"),
        ("GET /app/app-key HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", "400"),
        ("not HTTP\r\n\r\n", "400"),
    ] {
        let mut stream = tcp(&server);
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(http::read_response(&mut stream).0.to_string(), status, "{head}");
    }
}
