//! The HTTP API.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use pusher_channels::testing::TestServer;
use serde_json::json;
use sha2::Sha256;

use crate::support::{assert_quiet, read_json, read_text, start, subscriber, tcp};

/// A signed request. Tests change single fields to make it wrong.
struct Signed<'a> {
    app_id: &'a str,
    /// The path below that of the app.
    resource: &'a str,
    key: &'a str,
    secret: &'a str,
    timestamp: u64,
    signed_body: &'a str,
    body: &'a str,
}

impl<'a> Signed<'a> {
    fn new(server: &'a TestServer, body: &'a str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Signed {
            app_id: server.app_id(),
            resource: "events",
            key: server.key(),
            secret: server.secret(),
            timestamp: now.as_secs(),
            signed_body: body,
            body,
        }
    }

    fn request(&self) -> String {
        let path = format!("/apps/{}/{}", self.app_id, self.resource);
        let md5 = hex(&Md5::digest(self.signed_body));
        let query = format!("auth_key={}&auth_timestamp={}&auth_version=1.0&body_md5={md5}", self.key, self.timestamp);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("POST\n{path}\n{query}").as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        format!(
            "POST {path}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: x\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn exchange(server: &TestServer, request: &str) -> (u16, String) {
    let mut stream = tcp(server);
    stream.write_all(request.as_bytes()).unwrap();
    let (status, _, body) = read_response(&mut stream);
    (status, body)
}

pub(crate) fn publish(server: &TestServer, body: &str) -> (u16, String) {
    exchange(server, &Signed::new(server, body).request())
}

/// Sends a request to the HTTP API to close the connections of a user.
pub(crate) fn terminate(server: &TestServer, user_id: &str) -> (u16, String) {
    let resource = format!("users/{user_id}/terminate_connections");
    let signed = Signed { resource: &resource, ..Signed::new(server, "{}") };
    exchange(server, &signed.request())
}

/// Status, head and body of one response.
pub(crate) fn read_response(stream: &mut TcpStream) -> (u16, String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, String::from_utf8(body).unwrap())
}

#[test]
fn a_signed_event_is_delivered_to_all_its_channels() {
    let server = start();
    let (mut a, _) = subscriber(&server, "a");
    let (mut b, _) = subscriber(&server, "b");
    let body = r#"{"name":"e","data":"{\"x\":1}","channels":["a","b"]}"#;
    assert_eq!(publish(&server, body), (200, "{}".to_owned()));
    for (client, channel) in [(&mut a, "a"), (&mut b, "b")] {
        assert_eq!(read_text(client), format!(r#"{{"event":"e","channel":"{channel}","data":"{{\"x\":1}}"}}"#));
    }
}

#[test]
fn the_excluded_connection_gets_no_event() {
    let server = start();
    let (mut sender, socket_id) = subscriber(&server, "room");
    let (mut other, _) = subscriber(&server, "room");
    let body = json!({"name": "e", "data": "d", "channel": "room", "socket_id": socket_id});
    assert_eq!(publish(&server, &body.to_string()).0, 200);
    assert_eq!(read_json(&mut other)["event"], "e");
    assert_quiet(&mut sender);
}

#[test]
fn a_connection_is_kept_alive() {
    let server = start();
    let request = Signed::new(&server, r#"{"name":"e","data":"d","channel":"c"}"#).request();
    let mut stream = tcp(&server);
    stream.write_all(request.repeat(2).as_bytes()).unwrap();
    for _ in 0..2 {
        let (status, head, body) = read_response(&mut stream);
        assert_eq!((status, body.as_str()), (200, "{}"));
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(head.contains("connection: keep-alive"), "{head}");
    }
    server.drop_all();
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).0, 200);
    assert_eq!(server.attempts(), 1);
}

#[test]
fn a_connection_is_closed_on_request() {
    let server = start();
    let request = Signed::new(&server, r#"{"name":"e","data":"d","channel":"c"}"#).request().replacen(
        "Host: x",
        "Connection: close",
        1,
    );
    let mut stream = tcp(&server);
    stream.write_all(request.as_bytes()).unwrap();
    let (status, head, _) = read_response(&mut stream);
    assert_eq!(status, 200);
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_request_without_a_valid_signature_is_unauthorized() {
    let server = start();
    let body = r#"{"name":"e","data":"d","channel":"c"}"#;
    let right = || Signed::new(&server, body);
    let now = right().timestamp;
    let wrong = [
        Signed { key: "other", ..right() },
        Signed { secret: "other", ..right() },
        Signed { timestamp: now - 700, ..right() },
        Signed { timestamp: now + 700, ..right() },
        Signed { signed_body: "{}", ..right() },
    ];
    for signed in wrong {
        let request = signed.request();
        let (status, reason) = exchange(&server, &request);
        assert_eq!(status, 401, "{request}");
        assert!(!reason.is_empty());
    }
    let unsigned = "POST /apps/app-id/events HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(&server, unsigned).0, 401);
}

#[test]
fn an_unknown_app_or_path_is_not_found() {
    let server = start();
    let other_app = Signed { app_id: "other", ..Signed::new(&server, "{}") };
    assert_eq!(exchange(&server, &other_app.request()).0, 404);
    assert_eq!(exchange(&server, "GET / HTTP/1.1\r\n\r\n").0, 404);
}

#[test]
fn a_malformed_body_is_a_bad_request() {
    let server = start();
    for body in ["", "{", r#"{"name":"e","data":"d"}"#] {
        assert_eq!(publish(&server, body).0, 400, "{body}");
    }
}

#[test]
fn another_method_is_not_allowed() {
    let server = start();
    let request = "GET /apps/app-id/events HTTP/1.1\r\n\r\n";
    assert_eq!(exchange(&server, request).0, 405);
}

#[test]
fn a_body_above_one_mebibyte_is_too_large() {
    let server = start();
    let body = "x".repeat((1 << 20) + 1);
    assert_eq!(publish(&server, &body).0, 413);
}

#[test]
fn a_head_above_16_kib_is_too_large() {
    let server = start();
    let request = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000));
    assert_eq!(exchange(&server, &request).0, 431);
}
