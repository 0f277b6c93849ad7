//! The auth endpoint.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pusher_channels::testing::{AuthFault, AuthUser, TestServer};
use serde_json::{Value, json};

use crate::http::read_response;
use crate::support::{QUIET, SOON, connect, read_json, send, start, tcp};

const FORM: &str = "application/x-www-form-urlencoded";

fn post(url: &str, content_type: &str, body: &str) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap();
    let length = body.len();
    format!(
        "POST /{path} HTTP/1.1\r\nHost: x\r\nX-CSRF-Token: t\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends a request, and returns the connection.
fn send_request(server: &TestServer, url: &str, content_type: &str, body: &str) -> TcpStream {
    let mut stream = tcp(server);
    stream.write_all(post(url, content_type, body).as_bytes()).unwrap();
    stream
}

fn ask(server: &TestServer, url: &str, content_type: &str, body: &str) -> (u16, String, String) {
    read_response(&mut send_request(server, url, content_type, body))
}

/// The JSON of the answer to an accepted request.
fn allowed(server: &TestServer, url: &str, body: &str) -> Value {
    let (status, head, body) = ask(server, url, FORM, body);
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// A request that the server accepts by default.
fn ask_private(server: &TestServer) -> (u16, String, String) {
    ask(server, &server.auth_endpoint(), FORM, "socket_id=1.2&channel_name=private-x")
}

#[test]
fn the_endpoints_are_on_the_port_of_the_server() {
    let server = start();
    assert_eq!(server.auth_endpoint(), format!("http://127.0.0.1:{}/pusher/auth", server.port()));
    assert_eq!(server.user_auth_endpoint(), format!("http://127.0.0.1:{}/pusher/user-auth", server.port()));
}

#[test]
fn a_private_channel_is_signed() {
    let server = start();
    let answer = allowed(&server, &server.auth_endpoint(), "socket_id=1.2&channel_name=private-x");
    assert_eq!(answer, json!({"auth": server.sign_channel("1.2", "private-x", None)}));
}

#[test]
fn a_presence_channel_gets_channel_data() {
    let server = start();
    for (parameters, data) in [("", r#"{"user_id":"user-1.2"}"#), ("&user_id=ann%20b", r#"{"user_id":"ann b"}"#)] {
        let body = format!("socket_id=1.2&channel_name=presence-x{parameters}");
        let auth = server.sign_channel("1.2", "presence-x", Some(data));
        let answer = allowed(&server, &server.auth_endpoint(), &body);
        assert_eq!(answer, json!({"auth": auth, "channel_data": data}));
    }
}

#[test]
fn an_encrypted_channel_gets_its_key() {
    let server = TestServer::builder().encryption_master_key([7; 32]).start().unwrap();
    let channel = "private-encrypted-x";
    let answer = allowed(&server, &server.auth_endpoint(), &format!("socket_id=1.2&channel_name={channel}"));
    let secret = server.shared_secret(channel).unwrap();
    assert_eq!(answer, json!({"auth": server.sign_channel("1.2", channel, None), "shared_secret": secret}));
}

#[test]
fn a_user_gets_the_user_data() {
    let server = TestServer::builder()
        .auth_user(|_| Some(AuthUser::new("ann").info(&json!({"name": "Ann"})).watchlist(["bob"])))
        .start()
        .unwrap();
    let data = r#"{"id":"ann","user_info":{"name":"Ann"},"watchlist":["bob"]}"#;
    let answer = allowed(&server, &server.user_auth_endpoint(), "socket_id=1.2");
    assert_eq!(answer, json!({"auth": server.sign_user("1.2", data), "user_data": data}));
}

#[test]
fn the_server_accepts_its_own_signatures() {
    let server = start();
    let (mut client, socket_id) = connect(&server);
    let body = format!("socket_id={socket_id}&channel_name=presence-x");
    let mut data = allowed(&server, &server.auth_endpoint(), &body);
    data["channel"] = "presence-x".into();
    send(&mut client, &json!({"event": "pusher:subscribe", "data": data}).to_string());
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    let data = allowed(&server, &server.user_auth_endpoint(), &format!("socket_id={socket_id}"));
    send(&mut client, &json!({"event": "pusher:signin", "data": data}).to_string());
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
}

#[test]
fn a_json_body_is_understood() {
    let server = start();
    let body = r#"{"socket_id":"1.2","channel_name":"private-x","n":1}"#;
    assert_eq!(ask(&server, &server.auth_endpoint(), "application/json", body).0, 200);
    assert_eq!(server.auth_requests()[0].parameter("n"), Some("1"));
}

#[test]
fn the_closure_of_the_test_accepts_or_refuses() {
    let server = TestServer::builder()
        .auth_user(|request| (request.parameter("token") == Some("right")).then(|| AuthUser::with_number(7)))
        .start()
        .unwrap();
    let body = "socket_id=1.2&channel_name=presence-x&token=";
    assert_eq!(ask(&server, &server.auth_endpoint(), FORM, body).0, 403);
    let answer = allowed(&server, &server.auth_endpoint(), &format!("{body}right"));
    assert_eq!(answer["channel_data"], r#"{"user_id":7}"#);
}

#[test]
fn a_closure_that_panics_is_an_error_of_the_server() {
    let server = TestServer::builder().auth_user(|_| panic!("a closure of a test panics")).start().unwrap();
    assert_eq!(ask_private(&server).0, 500);
    assert_eq!(ask_private(&server).0, 500);
}

#[test]
fn requests_are_recorded_and_can_be_waited_for() {
    let server = start();
    server.push_auth_fault(AuthFault::Drop);
    let _ = send_request(&server, &server.auth_endpoint(), FORM, "socket_id=1.2&channel_name=private-x&a=b+c");
    assert!(server.wait_for(SOON, |state| state.auth_requests().count() == 1));
    let requests = server.auth_requests();
    assert_eq!(requests[0].target, "/pusher/auth");
    assert_eq!(requests[0].header("x-csrf-token"), Some("t"));
    assert_eq!((requests[0].socket_id(), requests[0].channel_name()), ("1.2", Some("private-x")));
    assert_eq!(requests[0].parameter("a"), Some("b c"));
    assert_eq!(requests[0].body, "socket_id=1.2&channel_name=private-x&a=b+c");
}

#[test]
fn malformed_requests_are_refused() {
    let server = start();
    assert_eq!(ask(&server, &server.auth_endpoint(), FORM, "socket_id=1.2").0, 400);
    assert_eq!(ask(&server, &server.user_auth_endpoint(), FORM, "socket_id=x").0, 400);
    assert_eq!(ask(&server, &server.auth_endpoint(), FORM, &"x".repeat(20_000)).0, 413);
    let mut stream = tcp(&server);
    stream.write_all(b"GET /pusher/auth HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(read_response(&mut stream).0, 405);
}

#[test]
fn a_fault_sets_any_status() {
    let server = start();
    server.push_auth_fault(AuthFault::Status {
        status: 429,
        body: "later".into(),
        headers: vec![("Retry-After".into(), "7".into())],
    });
    let (status, head, body) = ask_private(&server);
    assert_eq!((status, body.as_str()), (429, "later"));
    assert!(head.contains("retry-after: 7"), "{head}");
    assert_eq!(ask_private(&server).0, 200);
}

#[test]
fn a_fault_redirects() {
    let server = start();
    server.push_auth_fault(AuthFault::Redirect("http://127.0.0.1:1/other".into()));
    let (status, head, _) = ask_private(&server);
    assert_eq!(status, 307);
    assert!(head.contains("location: http://127.0.0.1:1/other"), "{head}");
}

#[test]
fn a_fault_sets_any_body() {
    let server = start();
    server.push_auth_fault(AuthFault::Body("<html>".into()));
    let (status, _, body) = ask_private(&server);
    assert_eq!((status, body.as_str()), (200, "<html>"));
}

#[test]
fn a_fault_delays_the_answer() {
    let server = start();
    server.push_auth_fault(AuthFault::Delay(QUIET));
    let since = Instant::now();
    assert_eq!(ask_private(&server).0, 200);
    assert!(since.elapsed() >= QUIET);
}

#[test]
fn a_fault_drops_the_connection() {
    let server = start();
    server.push_auth_fault(AuthFault::Drop);
    let mut stream = send_request(&server, &server.auth_endpoint(), FORM, "socket_id=1.2&channel_name=private-x");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn the_standing_fault_comes_last() {
    let server = start();
    server.push_auth_fault(AuthFault::Body("one".into()));
    server.set_auth_fault(Some(AuthFault::Body("always".into())));
    for expected in ["one", "always", "always"] {
        assert_eq!(ask_private(&server).2, expected);
    }
    server.set_auth_fault(None);
    assert!(ask_private(&server).2.contains("auth"));
}

#[test]
fn dropping_the_server_does_not_wait_for_a_hanging_request() {
    let server = start();
    server.push_auth_fault(AuthFault::Hang);
    server.push_auth_fault(AuthFault::Delay(Duration::from_secs(3600)));
    let streams =
        [(); 2].map(|()| send_request(&server, &server.auth_endpoint(), FORM, "socket_id=1.2&channel_name=private-x"));
    assert!(server.wait_for(SOON, |state| state.auth_requests().count() == 2));
    for mut stream in &streams {
        stream.set_read_timeout(Some(QUIET)).unwrap();
        assert!(stream.read(&mut [0]).is_err());
    }
    let since = Instant::now();
    drop(server);
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[test]
fn drop_all_does_not_cut_auth_requests() {
    let server = start();
    server.push_auth_fault(AuthFault::Delay(QUIET));
    let mut stream = send_request(&server, &server.auth_endpoint(), FORM, "socket_id=1.2&channel_name=private-x");
    assert!(server.wait_for(SOON, |state| state.auth_requests().count() == 1));
    server.drop_all();
    assert_eq!(read_response(&mut stream).0, 200);
}
