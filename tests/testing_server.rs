//! The embedded server, seen through a bare WebSocket client and a hand-written HTTP client.
#![cfg(feature = "test-server")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use pusher_channels::testing::{Fault, TestServer};
use serde_json::{Value, json};
use sha2::Sha256;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::Role;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const QUIET: Duration = Duration::from_millis(100);

type Client = WebSocket<TcpStream>;

/// A handshake by hand, with the key of RFC 6455, 1.3.
const HANDSHAKE: &[u8] = b"GET /app/app-key HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const HANDSHAKE_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn start() -> TestServer {
    TestServer::start().unwrap()
}

fn tcp(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn try_open(server: &TestServer, url: &str) -> Result<Client, Error> {
    match tungstenite::client(url, tcp(server)) {
        Ok((client, _)) => Ok(client),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => panic!("the handshake timed out"),
    }
}

/// A WebSocket that has not read anything yet.
fn open(server: &TestServer) -> Client {
    let url = format!("{}?protocol=7&client=test&version=1.0.0", server.url());
    try_open(server, &url).unwrap()
}

fn read_text(client: &mut Client) -> String {
    match client.read().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?} is not a text"),
    }
}

fn read_json(client: &mut Client) -> Value {
    serde_json::from_str(&read_text(client)).unwrap()
}

/// The code of the close frame that comes next.
fn read_close(client: &mut Client) -> (u16, String) {
    match client.read().unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?} is not a close frame"),
    }
}

/// A client that has been told its socket id.
fn connect(server: &TestServer) -> (Client, String) {
    let mut client = open(server);
    let established = read_json(&mut client);
    assert_eq!(established["event"], "pusher:connection_established");
    let data: Value = serde_json::from_str(established["data"].as_str().unwrap()).unwrap();
    let socket_id = data["socket_id"].as_str().unwrap().to_owned();
    (client, socket_id)
}

fn send(client: &mut Client, text: &str) {
    client.send(Message::text(text)).unwrap();
}

fn subscribe(client: &mut Client, channel: &str) {
    let message = json!({"event": "pusher:subscribe", "data": {"channel": channel}});
    send(client, &message.to_string());
}

/// A client with a confirmed subscription.
fn subscriber(server: &TestServer, channel: &str) -> (Client, String) {
    let (mut client, socket_id) = connect(server);
    subscribe(&mut client, channel);
    assert_eq!(
        read_text(&mut client),
        format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#)
    );
    (client, socket_id)
}

fn assert_quiet(client: &mut Client) {
    client.get_ref().set_read_timeout(Some(QUIET)).unwrap();
    match client.read() {
        Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        other => panic!("{other:?} instead of nothing"),
    }
    client.get_ref().set_read_timeout(Some(SOON)).unwrap();
}

/// Whether the TCP connection has ended without a close frame.
fn is_cut(client: &mut Client) -> bool {
    matches!(client.read(), Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_)))
}

mod connecting {
    use super::*;

    #[test]
    fn the_first_message_tells_socket_id_and_activity_timeout() {
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
            ("no HTTP at all\r\n\r\n", "400"),
        ] {
            let mut stream = tcp(&server);
            stream.write_all(head.as_bytes()).unwrap();
            assert_eq!(http::read_response(&mut stream).0.to_string(), status, "{head}");
        }
    }
}

mod channels {
    use super::*;

    #[test]
    fn an_event_reaches_the_subscribers_of_its_channel_only() {
        let server = start();
        let (mut one, _) = subscriber(&server, "room");
        let (mut two, _) = subscriber(&server, "room");
        let (mut other, _) = subscriber(&server, "elsewhere");
        assert_eq!(server.trigger("room", "my-event", "hello"), 2);
        for client in [&mut one, &mut two] {
            assert_eq!(read_text(client), r#"{"event":"my-event","channel":"room","data":"hello"}"#);
        }
        assert_quiet(&mut other);
        assert_eq!(server.trigger("nobody", "my-event", "hello"), 0);
    }

    #[test]
    fn data_other_than_a_string_is_sent_as_json_in_a_string() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        server.trigger("room", "e", &json!({"a": 1, "s": "żółć"}));
        assert_eq!(read_text(&mut client), r#"{"event":"e","channel":"room","data":"{\"a\":1,\"s\":\"żółć\"}"}"#);
    }

    #[test]
    fn an_unsubscribed_channel_is_silent() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        send(&mut client, r#"{"event":"pusher:unsubscribe","data":{"channel":"room"}}"#);
        assert!(server.wait_for_subscribers("room", 0, SOON));
        assert_eq!(server.trigger("room", "e", "x"), 0);
        assert_quiet(&mut client);
    }

    #[test]
    fn a_repeated_subscription_is_confirmed_and_counts_once() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        subscribe(&mut client, "room");
        assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
        assert_eq!(server.subscribers("room"), 1);
    }

    #[test]
    fn channels_that_need_authorization_are_refused() {
        let server = start();
        let (mut client, _) = connect(&server);
        for channel in ["private-x", "presence-x", "private-encrypted-x"] {
            subscribe(&mut client, channel);
            let message = read_json(&mut client);
            assert_eq!(message["event"], "pusher:subscription_error");
            assert_eq!(message["channel"], channel);
            assert_eq!(message["data"]["type"], "AuthError");
            assert_eq!(message["data"]["status"], 401);
        }
        assert_eq!(server.subscribers("private-x"), 0);
    }

    #[test]
    fn the_subscriptions_of_a_closed_connection_end() {
        let server = start();
        let (client, _) = subscriber(&server, "room");
        drop(client);
        assert!(server.wait_for_subscribers("room", 0, SOON));
    }

    #[test]
    fn events_of_one_publisher_arrive_in_order() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        let publisher = server.publisher();
        let publishing = thread::spawn(move || {
            for n in 0..10_000 {
                publisher.trigger("room", "n", &n);
            }
        });
        for n in 0..10_000 {
            assert_eq!(read_json(&mut client)["data"], n.to_string());
        }
        publishing.join().unwrap();
    }

    #[test]
    fn a_publisher_outlives_the_server() {
        let server = start();
        let publisher = server.publisher();
        drop(server);
        assert_eq!(publisher.trigger("room", "e", "x"), 0);
    }

    #[test]
    fn a_client_that_does_not_read_is_dropped_and_holds_up_nobody() {
        let server = TestServer::builder().queue_limit(1 << 20).start().unwrap();
        let (_slow, _) = subscriber(&server, "room");
        let (mut quick, _) = subscriber(&server, "room");
        let data = "x".repeat(100_000);
        let mut rounds = 0;
        while server.subscribers("room") == 2 {
            assert!(server.trigger("room", "e", &data) >= 1);
            assert_eq!(read_json(&mut quick)["event"], "e");
            rounds += 1;
            assert!(rounds < 10_000, "the slow client is never dropped");
        }
        assert_eq!(server.trigger("room", "last", "x"), 1);
        assert_eq!(read_json(&mut quick)["event"], "last");
    }
}

mod messages {
    use super::*;

    #[test]
    fn a_pusher_ping_is_answered() {
        let server = start();
        let (mut client, _) = connect(&server);
        send(&mut client, r#"{"event":"pusher:ping","data":{}}"#);
        assert_eq!(read_text(&mut client), r#"{"event":"pusher:pong","data":"{}"}"#);
    }

    #[test]
    fn a_websocket_ping_is_answered() {
        let server = start();
        let (mut client, _) = connect(&server);
        client.send(Message::Ping("hi".into())).unwrap();
        assert_eq!(client.read().unwrap(), Message::Pong("hi".into()));
    }

    #[test]
    fn what_cannot_be_used_is_counted_and_ignored() {
        let server = start();
        let (mut client, _) = connect(&server);
        for text in ["nonsense", "[1]", r#"{"event":"pusher:subscribe","data":"x"}"#] {
            send(&mut client, text);
        }
        client.send(Message::Binary(vec![1, 2, 3].into())).unwrap();
        assert!(server.wait_for(SOON, |state| state.ignored() == 4));
        send(&mut client, r#"{"event":"pusher:ping"}"#);
        assert_eq!(read_json(&mut client)["event"], "pusher:pong");
    }

    #[test]
    fn messages_are_recorded_in_order_with_their_connection() {
        let server = start();
        let (mut first, _) = connect(&server);
        let (mut second, _) = connect(&server);
        send(&mut first, "a");
        assert!(server.wait_for_received(|message| message.text == "a", SOON));
        send(&mut second, "b");
        assert!(server.wait_for_received(|message| message.text == "b", SOON));
        let received: Vec<_> =
            server.received().into_iter().map(|message| (message.connection, message.text)).collect();
        assert_eq!(received, [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn waiting_ends_with_the_timeout() {
        let server = start();
        assert!(!server.wait_for_received(|_| true, Duration::ZERO));
        assert!(!server.wait_for_connections(1, Duration::from_millis(1)));
        assert!(server.wait_for_connections(0, Duration::MAX));
    }

    #[test]
    fn a_close_frame_is_answered() {
        let server = start();
        let (mut client, _) = connect(&server);
        client.close(None).unwrap();
        assert!(matches!(client.read(), Ok(Message::Close(None))));
        assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
        assert!(server.wait_for_connections(0, SOON));
    }

    #[test]
    fn broken_frames_are_answered_with_a_close_code() {
        let server = start();
        for (frame, code) in [
            // A reserved bit, an unmasked text, a text that is not UTF-8, the header of a huge frame.
            (&[0xc1, 0x80, 0, 0, 0, 0][..], 1002),
            (&[0x81, 0x01, b'x'], 1002),
            (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
            (&[0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        ] {
            let (mut client, _) = connect(&server);
            client.get_mut().write_all(frame).unwrap();
            assert_eq!(read_close(&mut client).0, code, "{frame:x?}");
        }
    }
}

mod sending {
    use super::*;

    #[test]
    fn raw_texts_binaries_and_pings_go_to_every_connection() {
        let server = start();
        let (mut one, _) = connect(&server);
        let (mut two, _) = connect(&server);
        assert_eq!(server.send_raw("not json"), 2);
        assert_eq!(server.send_binary(&[1, 2]), 2);
        assert_eq!(server.send_ws_ping(b"beat"), 2);
        for client in [&mut one, &mut two] {
            assert_eq!(client.read().unwrap(), Message::text("not json"));
            assert_eq!(client.read().unwrap(), Message::Binary(vec![1, 2].into()));
            assert_eq!(client.read().unwrap(), Message::Ping("beat".into()));
        }
    }

    #[test]
    fn raw_bytes_are_not_framed() {
        let server = start();
        let (mut client, _) = connect(&server);
        assert_eq!(server.send_raw_bytes(&[0x81, 0x02, b'h']), 1);
        assert_eq!(server.send_raw_bytes(b"i"), 1);
        assert_eq!(client.read().unwrap(), Message::text("hi"));
    }

    #[test]
    fn closing_sends_code_and_reason_and_ends_after_the_answer() {
        let server = start();
        let (mut client, _) = connect(&server);
        assert_eq!(server.close_all(4200, "please reconnect"), 1);
        assert_eq!(server.close_all(4200, "again"), 0);
        assert_eq!(read_close(&mut client), (4200, "please reconnect".to_owned()));
        assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
        assert!(server.wait_for_connections(0, SOON));
    }

    #[test]
    fn closing_ends_without_an_answer_after_a_second() {
        let server = start();
        let (client, _) = connect(&server);
        let since = Instant::now();
        assert_eq!(server.close_all(4200, ""), 1);
        assert!(server.wait_for_connections(0, SOON));
        assert!(since.elapsed() >= Duration::from_millis(900));
        drop(client);
    }

    #[test]
    fn closing_ends_a_client_that_does_not_read() {
        let server = start();
        let (client, _) = subscriber(&server, "room");
        server.trigger("room", "e", &"x".repeat(20_000_000));
        assert_eq!(server.close_all(4200, ""), 1);
        assert!(server.wait_for_connections(0, SOON));
        drop(client);
    }

    #[test]
    fn dropping_cuts_without_a_close_frame() {
        let server = start();
        let (mut client, _) = connect(&server);
        assert_eq!(server.drop_all(), 1);
        assert!(is_cut(&mut client));
        assert_eq!(server.connections(), 0);
    }
}

mod misbehaving {
    use super::*;

    #[test]
    fn a_silent_server_reads_and_answers_nothing() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        server.set_silent(true);
        send(&mut client, r#"{"event":"pusher:ping"}"#);
        client.send(Message::Ping("hi".into())).unwrap();
        assert_eq!(server.trigger("room", "e", "x"), 0);
        assert!(server.wait_for_received(|message| message.text.contains("ping"), SOON));
        assert_quiet(&mut client);
        assert_quiet(&mut open(&server));
        client.close(None).unwrap();
        assert_quiet(&mut client);
        assert!(server.connections() >= 1);
    }

    #[test]
    fn a_silent_server_can_speak_again() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        server.set_silent(true);
        server.trigger("room", "lost", "x");
        server.set_silent(false);
        assert_eq!(server.trigger("room", "e", "x"), 1);
        assert_eq!(read_json(&mut client)["event"], "e");
    }

    #[test]
    fn a_stalled_server_makes_writes_block() {
        let server = start();
        let (client, _) = connect(&server);
        server.set_stalled(true);
        let mut stream = client.get_ref();
        stream.set_write_timeout(Some(QUIET)).unwrap();
        let blocked = (0..1_000).find_map(|_| stream.write_all(&[0; 100_000]).err());
        let kind = blocked.expect("a write must block").kind();
        assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut));
    }

    #[test]
    fn a_stalled_server_reads_on_later_and_delivers_meanwhile() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        server.set_stalled(true);
        send(&mut client, r#"{"event":"pusher:ping"}"#);
        assert_quiet(&mut client);
        assert_eq!(server.trigger("room", "e", "x"), 1);
        assert_eq!(read_json(&mut client)["event"], "e");
        server.set_stalled(false);
        assert_eq!(read_json(&mut client)["event"], "pusher:pong");
    }

    #[test]
    fn a_closed_port_refuses_and_opens_again() {
        let server = start();
        let (mut client, _) = subscriber(&server, "room");
        server.stop_listening();
        server.stop_listening();
        let refused = TcpStream::connect(server.addr()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(server.trigger("room", "e", "x"), 1);
        assert_eq!(read_json(&mut client)["event"], "e");
        server.resume_listening().unwrap();
        server.resume_listening().unwrap();
        connect(&server);
        assert_eq!(server.connections(), 2);
    }

    #[test]
    fn dropping_the_server_closes_the_port_and_the_connections() {
        let server = start();
        let addr = server.addr();
        let (mut client, _) = connect(&server);
        drop(server);
        assert!(is_cut(&mut client));
        assert!(TcpStream::connect(addr).is_err());
    }

    #[test]
    fn dropping_the_server_waits_for_nobody() {
        let server = start();
        server.push_fault(Fault::DripHead(Duration::from_secs(3600)));
        let mut dripping = tcp(&server);
        dripping.write_all(HANDSHAKE).unwrap();
        assert!(server.wait_for(SOON, |state| state.requests().count() == 1));
        let (_full, _) = subscriber(&server, "room");
        let (mut stalled, _) = connect(&server);
        let _nothing_said = tcp(&server);
        server.trigger("room", "e", &"x".repeat(20_000_000));
        server.set_stalled(true);
        send(&mut stalled, "x");
        server.set_silent(true);
        assert!(server.wait_for(SOON, |state| state.attempts() == 4));
        let since = Instant::now();
        drop(server);
        let took = since.elapsed();
        assert!(took < Duration::from_millis(250), "{took:?}");
    }
}

mod faults {
    use super::*;

    fn with(fault: Fault) -> TestServer {
        let server = start();
        server.push_fault(fault);
        server
    }

    #[test]
    fn close_after_upgrade() {
        let server = with(Fault::CloseAfterUpgrade { code: 4100, reason: "over capacity".into() });
        assert_eq!(read_close(&mut open(&server)), (4100, "over capacity".to_owned()));
    }

    #[test]
    fn error_then_close() {
        for close_code in [Some(4004), None] {
            let server = with(Fault::ErrorThenClose { code: 4004, message: "over quota".into(), close_code });
            let mut client = open(&server);
            assert_eq!(
                read_text(&mut client),
                r#"{"event":"pusher:error","data":{"code":4004,"message":"over quota"}}"#
            );
            match close_code {
                Some(code) => assert_eq!(read_close(&mut client).0, code),
                None => assert!(is_cut(&mut client)),
            }
        }
    }

    #[test]
    fn drop_after_upgrade() {
        let server = with(Fault::DropAfterUpgrade);
        assert!(is_cut(&mut open(&server)));
        assert_eq!(server.accepted(), 1);
    }

    #[test]
    fn http_status() {
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
    fn no_upgrade_answer() {
        let server = with(Fault::NoUpgradeAnswer);
        let stream = tcp(&server);
        stream.set_read_timeout(Some(QUIET)).unwrap();
        let waiting = tungstenite::client(server.url(), stream);
        assert!(matches!(waiting, Err(HandshakeError::Interrupted(_))));
    }

    #[test]
    fn raw_head() {
        let server = with(Fault::RawHead("SSH-2.0-OpenSSH_9.2\r\n".into()));
        let mut stream = tcp(&server);
        stream.write_all(b"GET /app/app-key HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "SSH-2.0-OpenSSH_9.2\r\n");
    }

    #[test]
    fn first_frame() {
        let server = with(Fault::FirstFrame("surprise".into()));
        let mut client = open(&server);
        assert_eq!(read_text(&mut client), "surprise");
        assert_quiet(&mut client);
    }

    #[test]
    fn wrong_accept() {
        let server = with(Fault::WrongAccept);
        assert!(matches!(
            try_open(&server, &server.url()),
            Err(Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch))
        ));
    }

    #[test]
    fn extra_upgrade_header() {
        let server = with(Fault::ExtraUpgradeHeader("X-Extra".into(), "yes".into()));
        let (_client, response) = tungstenite::client(server.url(), tcp(&server)).unwrap();
        assert_eq!(response.headers()["x-extra"], "yes");
    }

    #[test]
    fn never_established() {
        let server = with(Fault::NeverEstablished);
        let mut client = open(&server);
        assert_quiet(&mut client);
        assert!(server.wait_for_connections(1, SOON));
    }

    #[test]
    fn drip_head() {
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
    fn each_connection_takes_the_next_one_and_the_standing_one_comes_last() {
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
    fn the_http_api_meets_no_fault() {
        let server = with(Fault::NoUpgradeAnswer);
        let body = r#"{"name":"e","data":"d","channel":"room"}"#;
        assert_eq!(http::publish(&server, body).0, 200);
    }
}

mod http {
    use super::*;

    /// What a test may get wrong.
    struct Signed<'a> {
        app_id: &'a str,
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
                key: server.key(),
                secret: server.secret(),
                timestamp: now.as_secs(),
                signed_body: body,
                body,
            }
        }

        fn request(&self) -> String {
            let path = format!("/apps/{}/events", self.app_id);
            let md5 = hex(&Md5::digest(self.signed_body));
            let query =
                format!("auth_key={}&auth_timestamp={}&auth_version=1.0&body_md5={md5}", self.key, self.timestamp);
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

    fn exchange(server: &TestServer, request: &str) -> (u16, String) {
        let mut stream = tcp(server);
        stream.write_all(request.as_bytes()).unwrap();
        let (status, _, body) = read_response(&mut stream);
        (status, body)
    }

    pub(super) fn publish(server: &TestServer, body: &str) -> (u16, String) {
        exchange(server, &Signed::new(server, body).request())
    }

    /// Status, head and body of one response.
    pub(super) fn read_response(stream: &mut TcpStream) -> (u16, String, String) {
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
    fn the_excluded_connection_gets_nothing() {
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
    fn what_is_not_signed_by_the_app_is_unauthorized() {
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
}
